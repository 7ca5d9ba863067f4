"""A candidate as data: records, JSON, hashes."""

import dataclasses
import json

import pytest
from conftest import COMBINATIONS, small

from nas.model.architecture import Architecture, Named, Stage
from nas.model.blocks import ACTIVATIONS, NORMS, STEMS


def cifar(n: int, **choices: object) -> Architecture:
    """He et al. 2015, section 4.2: 6n + 2 layers."""
    stages = tuple(
        Stage(depth=n, width=width, stride=stride, transition="zero_pad")
        for width, stride in ((16, 1), (32, 2), (64, 2))
    )
    values = {
        "image_shape": (3, 32, 32),
        "num_classes": 10,
        "stem": Named.of("conv3x3", width=16),
        "stages": stages,
    }
    return Architecture(**values | choices)


@pytest.mark.parametrize("combination", COMBINATIONS, ids="-".join)
def test_json_and_back(combination: tuple[str, ...]) -> None:
    architecture = small(*combination)
    again = Architecture.from_json(architecture.to_json())
    assert again == architecture
    assert again.to_json() == architecture.to_json()
    assert again.hash == architecture.hash
    assert again.blocks() == architecture.blocks()


def test_json_keeps_every_option() -> None:
    block = Named.of("bottleneck", ratio=0.5, groups=4, stride_first=True)
    stage = Stage(depth=3, width=16, stride=2, block=block, shortcut="none", transition="none")
    for stem in STEMS:
        for norm in NORMS:
            for activation in ACTIVATIONS:
                architecture = small(
                    stem=Named.of(stem, width=4),
                    norm=Named(norm),
                    activation=activation,
                    stages=(stage,),
                )
                assert Architecture.from_json(architecture.to_json()) == architecture


def test_equal_architectures_have_equal_hashes_and_others_do_not() -> None:
    assert small().hash == small().hash
    found = {small(*combination).hash for combination in COMBINATIONS}
    assert len(found) == len(COMBINATIONS)
    assert Named.of("bottleneck", ratio=0.5, groups=2) == Named.of(
        "bottleneck", groups=2, ratio=0.5
    )
    assert len(small().hash) == 16
    assert int(small().hash, 16) >= 0


def test_json_of_a_fixed_network_is_known() -> None:
    """Stored trials must be readable tomorrow: change this text only with a way to read the old."""
    text = (
        '{"activation": "relu", "activation_order": "post_activation", "image_shape": [3, 32, 32], '
        '"norm": "batch", "num_classes": 10, "stages": [{"block": "basic", "depth": 3, "shortcut": '
        '"identity", "stride": 1, "transition": "zero_pad", "width": 16}, {"block": "basic", '
        '"depth": 3, "shortcut": "identity", "stride": 2, "transition": "zero_pad", "width": 32}, '
        '{"block": "basic", "depth": 3, "shortcut": "identity", "stride": 2, "transition": '
        '"zero_pad", "width": 64}], "stem": {"conv3x3": {"width": 16}}}'
    )
    assert cifar(3).to_json() == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        "3",
        '"resnet"',
        "[" * 100_000,
        '{"stages": 3}',
        cifar(1).to_json().replace('"depth"', '"deptj"'),
        cifar(1).to_json().replace("[3, 32, 32]", "[3, 32]"),
        cifar(1).to_json().replace('"num_classes": 10, ', ""),
        cifar(1).to_json().replace('{"conv3x3": {"width": 16}}', "{}"),
        cifar(1).to_json()[:-5],
    ],
)
def test_other_json_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSON|Expecting|Unterminated|unpack"):
        Architecture.from_json(text)


def test_a_candidate_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        small().activation = "gelu"  # type: ignore[misc]
    assert len({small(), small(), small("bottleneck")}) == 2


@pytest.mark.parametrize("written", ["basic", {"bottleneck": {"ratio": 0.5}}])
def test_named_parts_are_written_as_they_are_read(written: object) -> None:
    assert Named.parse(written).written() == written
    assert Named.parse(json.loads(json.dumps(written))) == Named.parse(written)


def test_records_say_what_every_block_is() -> None:
    records = cifar(2).blocks()
    assert [(r.stage, r.in_channels, r.out_channels, r.stride) for r in records] == [
        (0, 16, 16, 1),
        (0, 16, 16, 1),
        (1, 16, 32, 2),
        (1, 32, 32, 1),
        (2, 32, 64, 2),
        (2, 64, 64, 1),
    ]
    kinds = ["identity", "identity", "zero_pad", "identity", "zero_pad", "identity"]
    assert [record.shortcut for record in records] == kinds


@pytest.mark.parametrize("shortcut", ["identity", "projection", "none"])
@pytest.mark.parametrize("transition", ["projection", "zero_pad", "none"])
def test_a_transition_stands_where_the_shape_changes(shortcut: str, transition: str) -> None:
    """Wider, narrower or strided; and `none` removes every shortcut of a stage."""
    for width, stride in ((32, 1), (4, 1), (16, 2)):
        stage = Stage(depth=3, width=width, stride=stride, shortcut=shortcut, transition=transition)
        first, *others = small(stages=(stage,)).blocks()
        assert first.shortcut == ("none" if shortcut == "none" else transition)
        assert {record.shortcut for record in others} == {shortcut}
    same = small(stages=(Stage(depth=2, width=16, shortcut=shortcut, transition=transition),))
    assert {record.shortcut for record in same.blocks()} == {shortcut}
