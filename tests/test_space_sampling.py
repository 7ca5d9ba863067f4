"""What a space draws: fixed values, choices, ranges, nested options, tied keys, counts."""

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import optuna
import pytest
from conftest import TINY, MoreError, Script, outcomes

from nas.common.errors import SpaceError
from nas.data import DataError
from nas.model.architecture import Architecture
from nas.model.cost import cost
from nas.model.layout import lay_out
from nas.model.network import Network
from nas.space.enumeration import Values, coordinate_ascent
from nas.space.json_schema import schema_text
from nas.space.space import SearchSpace, bundled_spaces
from nas.space.yaml import Source

HEAD = "name: t\n"


def load(architecture: str, *settings: str, rest: str = "") -> SearchSpace:
    """A space with an `architecture:` section given in YAML's flow style."""
    text = f"{HEAD}architecture: {architecture}\n{rest}"
    return SearchSpace.parse(Source("t.yaml", text), settings)


def drawn(space: SearchSpace) -> list[tuple[dict[str, Any], Architecture]]:
    return list(outcomes(space.sample))


def only(space: SearchSpace) -> Architecture:
    """The architecture of a space where nothing is searched."""
    ((parameters, architecture),) = drawn(space)
    assert parameters == {}
    return architecture


# Grammar.


def test_a_plain_value_is_fixed() -> None:
    architecture = only(load("{stages: [{width: 8, depth: 3}]}"))
    assert [(stage.width, stage.depth) for stage in architecture.stages] == [(8, 3)]
    assert architecture.stem.arguments == {"width": 8}
    assert (architecture.image_shape, architecture.num_classes) == ((1, 8, 8), 10)


def test_a_list_is_a_choice_and_of_one_it_is_fixed() -> None:
    found = drawn(load("{stages: [{width: [8, 16], depth: [3]}]}"))
    assert [parameters for parameters, _ in found] == [
        {"stages.0.width": 16},
        {"stages.0.width": 8},
    ]


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("{low: 1, high: 4}", [1, 2, 3, 4]),
        ("{low: 2, high: 9, step: 3}", [2, 5, 8]),
        ("{low: 1, high: 3, log: true}", [1, 2, 3]),
    ],
)
def test_a_mapping_of_low_and_high_is_a_range(written: str, values: list[int]) -> None:
    space = load(f"{{stages: [{{width: 4, depth: {written}}}]}}")
    assert sorted(a.stages[0].depth for _, a in drawn(space)) == values


def test_ranges_are_told_to_optuna_as_they_are_written() -> None:
    rest = """
training:
  epochs: {low: 1, high: 8, log: true}
  warmup: {low: 0, high: 1, step: 0.25}
  label_smoothing: {low: 0.0, high: 0.1}
  optimizer: {sgd: {lr: {low: 1e-3, high: 1, log: true}}}
"""
    space = load("{stages: [{width: 4, depth: {low: 1, high: 9, step: 2}}]}", rest=rest)
    trial = optuna.create_study().ask()
    space.candidate(trial)
    integer, real = optuna.distributions.IntDistribution, optuna.distributions.FloatDistribution
    assert trial.distributions == {
        "stages.0.depth": integer(1, 9, step=2),
        "training.optimizer.sgd.lr": real(1e-3, 1, log=True),
        "training.epochs": integer(1, 8, log=True),
        "training.warmup": real(0, 1, step=0.25),
        "training.label_smoothing": real(0, 0.1),
    }


def test_nested_options_exist_only_when_chosen() -> None:
    space = load(
        "{block: [basic, {bottleneck: {ratio: [0.25, 0.5], groups: 1}}], "
        "stages: [{width: 8, depth: 1}]}"
    )
    found = [parameters for parameters, _ in drawn(space)]
    assert len(found) == 3
    for parameters in found:
        assert ("block.bottleneck.ratio" in parameters) == (parameters["block"] == "bottleneck")
    optioned = [
        a.stages[0].block for _, a in drawn(space) if a.stages[0].block.name == "bottleneck"
    ]
    assert [block.arguments["ratio"] for block in optioned] == [0.5, 0.25]
    assert set(optioned[0].arguments) == {"ratio", "groups", "stride_first"}


@pytest.mark.parametrize(
    "written",
    [
        "{name: adam, lr: 0.01}",
        "{adam: {lr: 0.01}}",
        "[{adam: {lr: 0.01}}]",
        "[{name: adam, lr: 0.01}]",
    ],
)
def test_options_are_written_in_two_ways(written: str) -> None:
    space = load("{stages: [{width: 8, depth: 1}]}", rest=f"training: {{optimizer: {written}}}")
    ((_, candidate),) = outcomes(space.candidate)
    assert candidate.training.optimizer.name == "adam"
    assert candidate.training.optimizer.arguments == {"lr": 0.01, "weight_decay": 0.0}


def test_a_name_without_options_has_its_defaults() -> None:
    for written in ("bottleneck", "{bottleneck: {}}", "{bottleneck: }", "{name: bottleneck}"):
        block = (
            only(load(f"{{stages: [{{width: 8, depth: 1, block: {written}}}]}}")).stages[0].block
        )
        assert block.arguments == {"ratio": 0.25, "groups": 1, "stride_first": False}


# Shared keys and those of a stage.

KEYS = {
    "depth": "[1, 2]",
    "width": "[8, 16]",
    "stride": "[1, 2]",
    "block": "[basic, bottleneck]",
    "shortcut": "[identity, none]",
    "transition": "[projection, zero_pad]",
}


@pytest.mark.parametrize("key", KEYS)
def test_a_key_of_the_architecture_is_one_parameter_for_all_stages(key: str) -> None:
    given = {"depth": 2, "width": 8, "stride": 2} | {key: KEYS[key]}
    shared = ", ".join(f"{name}: {value}" for name, value in given.items())
    for parameters, architecture in drawn(load(f"{{{shared}, stages: [{{}}, {{}}]}}")):
        assert set(parameters) == {key}
        values = {str(getattr(stage, key)) for stage in architecture.stages}
        assert values == {str(parameters[key])} or key == "block"


@pytest.mark.parametrize("key", KEYS)
def test_the_same_key_in_a_stage_is_the_stages_own(key: str) -> None:
    shared = ", ".join(
        f"{k}: {v}" for k, v in {"depth": 2, "width": 8, "stride": 2}.items() if k != key
    )
    stages = f"{{{key}: {KEYS[key]}}}, {{{key}: {KEYS[key]}}}"
    found = drawn(load(f"{{{shared}, stages: [{stages}]}}"))
    assert len(found) == 4
    assert {tuple(sorted(p)) for p, _ in found} == {(f"stages.0.{key}", f"stages.1.{key}")}


def test_a_stage_may_fix_what_the_others_share() -> None:
    space = load("{depth: [1, 2], stages: [{width: 8}, {width: 8, depth: 5}, {width: 8}]}")
    depths = {tuple(stage.depth for stage in a.stages) for _, a in drawn(space)}
    assert depths == {(1, 5, 1), (2, 5, 2)}


@pytest.mark.parametrize(
    ("setting", "read"),
    [
        ("architecture.depth=7", lambda c: c.architecture.stages[0].depth == 7),
        ("architecture.stages.1.width=12", lambda c: c.architecture.stages[1].width == 12),
        (
            "architecture.stages.0.block={bottleneck: {ratio: 1}}",
            lambda c: c.architecture.stages[0].block.name == "bottleneck",
        ),
        (
            "architecture.norm={group: {groups: 2}}",
            lambda c: str(c.architecture.norm) == "group(groups=2)",
        ),
        ("architecture.activation=gelu", lambda c: c.architecture.activation == "gelu"),
        ("training.epochs=3", lambda c: c.training.epochs == 3),
        ("training.optimizer.lr=1e-3", lambda c: c.training.optimizer.arguments["lr"] == 0.001),
        ("training={epochs: 9, batch_size: 64}", lambda c: c.training.epochs == 9),
        ("dataset.train_size=100", lambda c: c.dataset.train_size == 100),
    ],
)
def test_set_changes_any_key(setting: str, read: Any) -> None:
    space = SearchSpace.parse(Source("t.yaml", TINY), [setting])
    trial = optuna.create_study().ask()
    assert read(space.candidate(trial))


def test_set_may_turn_a_value_into_a_choice_and_back() -> None:
    space = load("{stages: [{width: 8, depth: 1}]}", "architecture.stages.0.depth=[1, 2]")
    assert set(space.parameters()) == {"stages.0.depth"}
    space = load("{stages: [{width: 8, depth: [1, 2]}]}", "architecture.stages.0.depth=2")
    assert space.parameters() == {}


# How many there are, and what they are.

SPACES = [
    "{stages: [{width: 8, depth: 1}]}",
    "{depth: {low: 1, high: 3}, stages: [{width: 8}, {width: 16, stride: 2}]}",
    "{depth: [1, 3], shortcut: [identity, projection, none], "
    "transition: [projection, zero_pad, none], stages: [{width: 8}, {width: 16, stride: 2}]}",
    "{activation_order: [post_activation, pre_activation], depth: [1, 2], stages: "
    "[{width: 8, shortcut: [identity, none]}, {width: [8, 16], shortcut: [identity, none], "
    "transition: [zero_pad, none]}]}",
    "{stages: [{width: [4, 8], stride: [1, 2], depth: {low: 1, high: 3}, "
    "shortcut: [identity, none], transition: [zero_pad, projection]}, "
    "{width: [4, 8], depth: {low: 1, high: 3}, "
    "shortcut: [projection, none], transition: [none, projection]}]}",
    "{block: [basic, {bottleneck: {ratio: [0.25, 0.5], groups: [1, 2]}}], norm: [batch, {group: "
    "{groups: [1, 2]}}, none], activation: [relu, gelu, silu], "
    "stages: [{width: 8, depth: [1, 2]}]}",
    "{stem: [{conv3x3: {width: [4, 8]}}, conv7x7_pool], depth: 1, stages: [{width: [4, 8], "
    "transition: [zero_pad, none], shortcut: [identity, none]}]}",
    "{depth: {low: 1, high: 4}, transition: [zero_pad, none], activation_order: [pre_activation, "
    "post_activation, norm_after_addition], shortcut: [identity, none], stages: [{width: 8, "
    "stride: [1, 2]}, {width: 8, depth: [1, 2], shortcut: [identity, none]}]}",
    "{depth: {low: 1, high: 3}, transition: [zero_pad, none], placement: [all, {every: [2, 3]}, "
    "{first: {low: 0, high: 3}}, {random: {share: 0.5, seed: [0, 1, 2]}}], stages: [{width: 8}, "
    "{width: 16, shortcut: [identity, projection, none]}]}",
    "{activation_order: [post_activation, pre_activation], depth: [1, 3], placement: [all, "
    "per_block], stages: [{width: 8, shortcut: [identity, projection, none]}, {width: 16, "
    "placement: per_block, transition: [projection, none]}, {width: 16, depth: 2, placement: "
    "last_half}]}",
]  # fmt: skip


@pytest.mark.parametrize("architecture", SPACES)
def test_the_number_of_architectures_is_that_of_brute_force(architecture: str) -> None:
    space = load(architecture)
    assert space.num_architectures() == (len({found for _, found in drawn(space)}), True)


@pytest.mark.parametrize("architecture", SPACES)
def test_every_parameter_is_listed_with_its_values(architecture: str) -> None:
    space = load(architecture)
    found: dict[str, set[str]] = {}
    for parameters, _ in drawn(space):
        for name, value in parameters.items():
            found.setdefault(name, set()).add(str(value))
    listed = {name: set(map(str, values.items)) for name, values in space.parameters().items()}
    assert listed == found


@pytest.mark.parametrize("architecture", SPACES)
def test_what_is_drawn_can_be_built_and_is_canonical(architecture: str) -> None:
    """Networks that are the same are the same architecture: none differs in an unused key alone."""
    by_plan: dict[Any, Architecture] = {}
    for _, found in drawn(load(architecture)):
        assert Architecture.from_json(found.to_json()) == found
        depths = tuple(stage.depth for stage in found.stages)
        laid_out = (lay_out(found), depths, found.norm, found.activation, found.stem)
        assert by_plan.setdefault(laid_out, found) == found


@pytest.mark.parametrize("architecture", SPACES)
def test_the_extremes_are_those_of_brute_force(architecture: str) -> None:
    space = load(architecture)
    sizes = [cost(found).multiply_adds for _, found in drawn(space)]
    (_, small), (_, large) = space.extremes()
    assert (small.multiply_adds, large.multiply_adds) == (min(sizes), max(sizes))


@pytest.mark.parametrize("architecture", SPACES)
def test_the_grid_is_everything_once(architecture: str) -> None:
    space = load(architecture, "training.optimizer={sgd: {lr: [0.1, 0.2]}}")
    expected = [parameters for parameters, _ in outcomes(space.candidate)]
    grid = space.grid(10**6)
    assert sorted(map(str, (sorted(p.items()) for p in grid))) == sorted(
        map(str, (sorted(p.items()) for p in expected))
    )
    assert space.grid(3) == grid[:3]


LARGE = "{activation_order: [post_activation, pre_activation], stages: [S, S, S, S]}"
STAGE = (
    "{width: [8, 16], stride: [1, 2], depth: {low: 1, high: 9}, shortcut: [none, identity], "
    "transition: [zero_pad, projection], block: [basic, {bottleneck: {ratio: [0.25, 0.5]}}]}"
)


def test_large_spaces_are_looked_at_in_all_their_parts() -> None:
    """Far more branches than are walked: every parameter is found, and so are the ends."""
    space = load(LARGE.replace("S", STAGE), rest="dataset: {name: cifar10}")
    keys = ("width", "stride", "depth", "shortcut", "transition", "block", "block.bottleneck.ratio")
    expected = {f"stages.{index}.{key}" for index in range(4) for key in keys}
    assert set(space.parameters()) == expected | {"activation_order"}
    number, exact = space.num_architectures()
    assert not exact
    assert number > 10_000
    (small, _), (large, _) = space.extremes()
    assert [(stage.width, stage.depth) for stage in large.stages] == [(16, 9)] * 4
    assert {stage.depth for stage in small.stages} == {1}
    assert [stage.stride for stage in large.stages] == [1] * 4


def test_the_largest_is_found_by_changing_one_thing_after_another() -> None:
    def run(trial: Any) -> tuple[int, ...]:
        numbers = [trial.suggest_int(f"n{i}", 0, 9) for i in range(20)]
        if trial.suggest_categorical("more", ["no", "yes"]) == "yes":
            numbers.append(trial.suggest_int("extra", 0, 9))
        return tuple(numbers)

    assert coordinate_ascent(run, sum) == (9,) * 21
    assert sum(coordinate_ascent(run, lambda numbers: -sum(numbers))) == 0


def test_a_continuous_range_means_infinitely_many() -> None:
    space = load(
        "{stages: [{width: 8, depth: 1, block: {bottleneck: {ratio: {low: 0.25, high: 0.5}}}}]}"
    )
    assert space.num_architectures() == (float("inf"), True)
    assert str(space.parameters()["stages.0.block.bottleneck.ratio"]) == "0.25 to 0.5"


def test_long_lists_of_values_are_cut() -> None:
    assert str(Values(range(1, 10))) == "1, 2, …, 9"
    assert str(Values(range(1, 5))) == "1, 2, 3, 4"
    assert str(Values([f"a{i}" for i in range(9)])).count("a") == 9


def test_a_plain_network_has_no_activation_order() -> None:
    space = load(
        "{activation_order: [pre_activation, post_activation], stages: "
        "[{width: 8, depth: 2, shortcut: [none, identity]}]}"
    )
    found = [(p, a.activation_order) for p, a in drawn(space)]
    assert ({"stages.0.shortcut": "none"}, "pre_activation") in found
    assert len(found) == 3


def test_a_stage_of_one_changing_block_has_no_shortcut_of_its_own() -> None:
    space = load(
        "{stages: [{width: 8, depth: 1}, {width: 16, depth: 1, stride: 2, "
        "shortcut: [identity, projection, none], transition: [zero_pad, none]}]}"
    )
    forms = {(a.stages[1].shortcut, a.stages[1].transition) for _, a in drawn(space)}
    assert forms == {("identity", "zero_pad"), ("none", "none")}


# Constraints.


def test_excess_is_the_share_of_the_bound() -> None:
    rest = (
        "constraints: {parameters: {max: 100}, depth: {min: 8, max: 8}, multiply_adds: {min: 1e12}}"
    )
    space = load("{stages: [{width: 8, depth: 3}]}", rest=rest)
    ((_, candidate),) = outcomes(space.candidate)
    spent, excess = candidate.cost(), space.excess(candidate)
    assert excess["parameters"] == spent.parameters / 100 - 1 > 0
    assert excess["multiply_adds"] == 1 - spent.multiply_adds / 1e12 > 0
    assert excess["depth"] == 0
    assert set(excess) == {"parameters", "depth", "multiply_adds"}


def test_constraints_know_batch_and_optimiser() -> None:
    rest = "constraints: {memory: {max: 1}}\ntraining: {batch_size: [2, 4], optimizer: [sgd, adam]}"
    space = load("{stages: [{width: 8, depth: 3}]}", rest=rest)
    found = {space.excess(candidate)["memory"] for _, candidate in outcomes(space.candidate)}
    assert len(found) == 4


# What can be named: bundled spaces, files, schema.


@pytest.mark.parametrize("name", list(bundled_spaces()))
def test_bundled_spaces_load_sample_and_build(name: str) -> None:
    space = SearchSpace.load(name)
    assert space.name == name
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(3):
        candidate = space.candidate(study.ask())
        assert cost(candidate.architecture).parameters > 0
        assert Architecture.from_json(candidate.architecture.to_json()) == candidate.architecture
    if cost(candidate.architecture).parameters < 3e6:
        Network(candidate.architecture)


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(
        schema_text(), parse_constant=lambda word: pytest.fail(f"{word} is no JSON")
    )
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("name", list(bundled_spaces()))
def test_the_schema_accepts_every_bundled_space(name: str, validator: Any) -> None:
    validator.validate(Source.load(bundled_spaces()[name]).data)


@pytest.mark.parametrize("architecture", SPACES)
def test_the_schema_accepts_what_is_accepted(architecture: str, validator: Any) -> None:
    validator.validate(load(architecture).source.data)


BAD = [
    "architecture.stages.0.widht=3",
    "architecture.stages.0.width=wide",
    "architecture.stages.0.width=0",
    "architecture.stages.0.width=[]",
    "architecture.stages.0.width=[8, 8]",
    "architecture.stages.0.width={low: 1}",
    "architecture.stages.0.width={low: 1, high: 2, stepp: 3}",
    "architecture.stages=[]",
    "architecture.activation_order=postactivation",
    "architecture.stages.0.shortcut=zero_pad",
    "architecture.stages.0.block=[basic, bottle]",
    "architecture.stages.0.block={bottleneck: {ration: 0.5}}",
    "architecture.stages.0.block={bottleneck: {ratio: -1}}",
    "architecture.stages.0.block={basic: {}, bottleneck: {}}",
    "architecture.stages.0.block={}",
    "training.optimizer={name: sgd, lrr: 0.1}",
    "training.optimizer={name: sgdd}",
    "training.epochs=0",
    "training.label_smoothing=1.5",
    "search.trials=0",
    "search.sampler=bayes",
    "search.objectives=[accuracy]",
    "search.objectives=[]",
    "search.timeout=20 minutes",
    "search.seed=-1",
    "constraints.parameters=100",
    "dataset.name=mnist",
    "dataset.augment=[rotate]",
    "name=my space",
    "payof={}",
]


@pytest.mark.parametrize("setting", BAD)
def test_the_schema_refuses_what_is_refused(setting: str, validator: Any) -> None:
    with pytest.raises(SpaceError) as refusal:
        SearchSpace.parse(Source("t.yaml", TINY), [setting])
    assert setting.partition("=")[0].split(".")[-1][:4] in str(refusal.value)
    source = Source("t.yaml", TINY)
    source.assign(setting)
    assert not validator.is_valid(source.data)


def test_a_file_is_preferred_to_a_bundled_space(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert SearchSpace.load("digits").name == "digits"
    assert SearchSpace.load("digits.yaml").name == "digits"
    assert SearchSpace.load("spaces/digits.yaml").name == "digits"
    Path("digits").mkdir()
    assert SearchSpace.load("digits").name == "digits"
    Path("digits.yaml").write_text(TINY)
    assert SearchSpace.load("digits.yaml").name == "tiny"


def test_the_hash_is_that_of_what_can_be_drawn() -> None:
    def hash_of(*settings: str) -> str:
        return SearchSpace.parse(Source("t.yaml", TINY), settings).hash

    assert hash_of() == hash_of("search.trials=99", "search.sampler=tpe", "search.seed=3", "name=x")
    for setting in ("training.epochs=3", "architecture.depth=[2, 1]", "dataset.split_seed=1"):
        assert hash_of(setting) != hash_of()
    assert hash_of("constraints.depth.max=8") != hash_of()
    assert hash_of("training.optimizer={sgd: {lr: [0.03, 0.1]}}") == hash_of()


def test_loading_a_space_and_the_help_import_nothing_heavy() -> None:
    heavy = {
        "torch",
        "lightning",
        "optuna",
        "plotly",
        "sklearn",
        "scipy",
        "pandas",
        "numpy",
        "rich",
    }
    code = (
        "import sys, runpy\n"
        "sys.argv = ['nas', *sys.argv[1:]]\n"
        "from nas.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print('LOADED', sorted({heavy!r} & set(sys.modules)))"
    )
    for arguments in (["--help"], ["check", "cifar"], ["search", "--help"], ["schema"]):
        run = [sys.executable, "-c", code, *arguments]
        output = subprocess.run(run, capture_output=True, text=True, check=True).stdout
        allowed = ["LOADED []", "LOADED ['rich']"]
        assert output.splitlines()[-1] in allowed, arguments


def test_scripts_notice_double_draws() -> None:
    """The brute force used above is worth something only if it is strict."""
    script = Script([0])
    script.suggest_int("a", 0, 1)
    with pytest.raises(AssertionError):
        script.suggest_int("a", 0, 1)
    with pytest.raises(MoreError):
        script.suggest_int("b", 0, 1)
    three = list(outcomes(lambda t: [t.suggest_int("x", 0, 1) and t.suggest_int("y", 5, 6)]))
    assert sorted(map(str, (p for p, _ in three))) == sorted(
        map(str, ({"x": 0}, {"x": 1, "y": 5}, {"x": 1, "y": 6}))
    )
    assert len(list(itertools.islice(outcomes(lambda t: 1), 5))) == 1


def test_data_that_is_missing_is_no_fault_of_the_space() -> None:
    """`check cifar10` needs no pictures; a folder that is not there is told with its place."""
    assert SearchSpace.load("cifar").dataset.name == "cifar10"
    text = TINY.replace(
        "{name: digits, train_size: 96, validation_size: 40}", "{name: npz, path: x.npz}"
    )
    with pytest.raises(SpaceError, match=r"t.yaml:3:28: .*x.npz"):
        SearchSpace.parse(Source("t.yaml", text))
    assert issubclass(DataError, ValueError)
