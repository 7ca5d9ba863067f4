"""Placements: which blocks have their shortcut, from YAML to the exported module."""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
import torch
from conftest import CONV_ORDERS, small
from exported import assert_same_function, export
from placed import candidate, load
from torch import nn

from nas.common.errors import SpaceError
from nas.model.architecture import Architecture, Named, Stage, shortcut_kinds, with_shortcuts
from nas.model.blocks import BLOCKS, NORMS, STEMS
from nas.model.network import Network, Plain, Residual
from nas.model.placements import PLACEMENTS, mask_of
from nas.payoff.plan import make_plan
from nas.payoff.runs import first_runs
from nas.payoff.variants import AS_FOUND, best_arms, deepened, ladder, twins, with_mask
from nas.report.sections.best import _key_facts
from nas.report.trial_markers import trial_text
from nas.report.trial_rows import MIXED, Row, _kind_of
from nas.report.trial_text import shortcuts_text
from nas.report.writers.trial_notes import _architecture_table
from nas.search.progress import describe
from nas.space.enumeration import all_draws, all_values
from nas.space.schema import PayoffSection
from nas.space.space import SearchSpace
from nas.training.candidate import OPTIMIZERS, Candidate


def kinds(placement: str, own: str = "", *settings: str) -> set[str]:
    """The kinds of the blocks of every network of a space, by their first letters."""
    found = [
        network for _, network in all_draws(load(placement, own, *settings).sample, all_values)
    ]
    return {"".join(block.shortcut[0] for block in one.blocks()) for one in found}


# What each placement leaves.


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        ("all", "iiizii"),
        ("none", "nnnnnn"),
        ("every", "ninzni"),
        ("{every: 3}", "nninni"),
        ("{every: {step: 3}}", "nninni"),
        ("{name: every, step: 3}", "nninni"),
        ("{first: 4}", "iiiznn"),
        ("{last: 4}", "nnizii"),
        ("{last: 3}", "nnnzii"),
        ("{first: 99}", "iiizii"),
        ("first_half", "iiinnn"),
        ("last_half", "nnnzii"),
        ("{random: 0.0}", "nnnnnn"),
        ("{random: {share: 1.0, seed: 5}}", "iiizii"),
    ],
)
def test_a_placement_of_the_network_counts_its_blocks_through(
    placement: str, expected: str
) -> None:
    assert kinds(placement) == {expected}


def test_a_stage_has_a_placement_of_its_own_and_the_others_share() -> None:
    assert kinds("{first: 1}", "placement: {last: 1}") == {"nniznn"}
    assert kinds("all", "placement: {last: [1, 2]}") == {"nnizii", "niizii"}
    assert kinds("{last: {low: 1, high: 2}}") == {"nnnnni", "nnnnii"}


def test_the_seed_of_a_random_placement_is_searched_like_any_number() -> None:
    space = load("{random: {share: 0.5, seed: {low: 0, high: 30}}}")
    assert set(space.parameters()) == {"placement.random.seed"}
    found = kinds("{random: {share: 0.5, seed: {low: 0, high: 30}}}")
    assert len(found) > 10
    assert {sum(kind != "n" for kind in one) for one in found} == {3}
    drawn = [mask_of(Named.of("random", share=share), 9) or () for share in (0.2, 0.5, 0.8)]
    assert [sum(mask) for mask in drawn] == [2, 4, 7]
    assert all(
        low <= high
        for few, many in zip(drawn, drawn[1:], strict=False)
        for low, high in zip(few, many, strict=True)
    )


def test_each_block_has_a_free_choice_of_yes_or_no() -> None:
    first = {"".join(one) for one in product("in", repeat=3)}
    second = {"".join(one) for one in product("zn", "in", "in")}
    assert kinds("per_block") == {a + b for a in first for b in second}
    assert load("per_block").num_architectures() == (64, True)


def test_each_block_has_a_free_choice_of_the_kinds_where_they_are_a_list() -> None:
    listed = "architecture.shortcut=[identity, projection]"
    assert kinds("all", "placement: per_block", listed) == {
        "".join(one) + end for one in product("ip", repeat=3) for end in ("zii", "zpp")
    }
    assert load("all", "placement: per_block", listed).num_architectures() == (16, True)


def test_free_choices_are_counted_without_being_walked() -> None:
    space = load("per_block", "", "architecture.depth={low: 1, high: 20}")
    assert space.num_architectures() == (sum(4**depth for depth in range(1, 21)), True)
    assert len(space.parameters()) == 41
    mixed = load("[per_block, every]", "", "architecture.depth=20")
    assert not mixed.num_architectures()[1]


def test_a_placement_of_a_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PLACEMENTS, "_parts", dict(PLACEMENTS._parts))

    @PLACEMENTS.register("ends")
    def ends(num_blocks: int, *, blocks: int = 1) -> list[bool]:
        """The blocks at both ends."""
        return [min(i, num_blocks - 1 - i) < blocks for i in range(num_blocks)]

    @PLACEMENTS.register("short")
    def short(num_blocks: int) -> list[bool]:
        return [True]

    assert kinds("{ends: [1, 2]}") == {"innnni", "iinnii"}
    with pytest.raises(
        SpaceError, match=r"t.yaml:8:14: placement short must say yes or no for each of 2"
    ):
        load("short")


@pytest.mark.parametrize(
    ("placement", "fault"),
    [
        ("{every: 0}", "t.yaml:8:14: step must be at least 1, found 0."),
        ("{every: [2, 0]}", "step must be at least 1"),
        ("{random: 1.5}", "share must lie between 0 and 1, found 1.5."),
        ("{every: {stepp: 2}}", "Did you mean 'step'"),
        ("{evry: 2}", "Did you mean 'every'"),
        ("{first: -1}", "greater than or equal to 0"),
        ("{every: two}", "t.yaml:8:22: every: should be a valid integer"),
    ],
)
def test_impossible_placements_are_refused(placement: str, fault: str) -> None:
    with pytest.raises(SpaceError) as refusal:
        load(placement)
    assert fault in str(refusal.value)


# Equal networks are equal data, and what was stored before stays as it was.


def test_every_way_to_the_same_network_is_the_same_data() -> None:
    def only(placement: str, *settings: str) -> Architecture:
        ((_, found),) = all_draws(load(placement, "", *settings).sample, all_values)
        return found

    assert only("{first: 6}") == only("{random: 1.0}") == only("all")
    assert only("{last: 0}") == only("none") == only("all", "architecture.shortcut=none")
    assert only("{last: 5}") != only("all")
    assert "shortcuts" not in only("all").to_json()
    masked = only("{last: 5}")
    assert masked.stages[0].shortcuts == ("none", "identity", "identity")
    assert masked.stages[1].shortcuts == ()
    assert Architecture.from_json(masked.to_json()) == masked
    assert masked.hash != only("all").hash
    without_first = with_mask(only("all"), (True, True, True, False, True, True))
    assert without_first == only("all", "architecture.transition=none")


def test_the_hash_of_a_space_without_later_keys_is_what_it_was() -> None:
    assert "placement" not in json.dumps(load("all").drawn)
    assert SearchSpace.load("digits").hash == "02ad3a7d613cb579"
    assert SearchSpace.load("cifar").hash == "13f3a20cd4219637"


def test_parts_that_a_plugin_adds_change_no_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    twins = Path(__file__).parents[1] / "experiments/digits_twins/digits_twins.yaml"
    before = SearchSpace.load(twins).drawn
    for registry in (BLOCKS, NORMS, OPTIMIZERS, STEMS):
        parts = registry.parts()
        monkeypatch.setattr(registry, "_parts", parts | {"later": next(iter(parts.values()))})
    assert SearchSpace.load(twins).drawn == before


@pytest.mark.parametrize(
    "kinds",
    [
        ["identity"],
        ["identity", "none", "none"],
        ["identity", "identity"],
        ["none", "none"],
        [["none"], "identity"],
        "no",
        {"none": 1},
        [1, 2],
        None,
    ],
)
def test_stored_kinds_that_are_no_canonical_ones_are_refused(kinds: Any) -> None:
    data = json.loads(small().to_json())
    data["stages"][0]["shortcuts"] = kinds
    with pytest.raises(ValueError, match="shortcuts"):
        Architecture.from_json(json.dumps(data))


def test_an_unknown_stored_kind_is_refused_by_name() -> None:
    stage = Stage(depth=2, width=16, transition="none", shortcuts=("identity", "identiti"))
    stored = Architecture.from_json(small(stages=(stage,)).to_json())
    with pytest.raises(ValueError, match="Did you mean 'identity'"):
        Network(stored)


# The network: same weights, a block without a shortcut where the mask says so.


@pytest.mark.parametrize("order", list(CONV_ORDERS))
def test_twins_of_all_placements_share_all_weights(order: str) -> None:
    full = small(order=order, transition="zero_pad")
    whole = Network(full, seed=3).state_dict()
    for mask in product((True, False), repeat=5):
        network = Network(with_mask(full, mask), seed=3)
        made = [isinstance(block, Residual) for block in network.blocks()]
        assert made == list(mask)
        assert all(isinstance(block, Plain | Residual) for block in network.blocks())
        state = network.state_dict()
        assert sum(tensor.numel() for tensor in state.values()) == sum(
            tensor.numel() for tensor in whole.values()
        )
        convs = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        again = [m for m in Network(full, seed=3).modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        for mine, theirs in zip(convs, again, strict=True):
            assert torch.equal(mine.weight, theirs.weight)


@pytest.mark.parametrize("order", list(CONV_ORDERS))
@pytest.mark.parametrize("transition", ["projection", "zero_pad"])
def test_a_masked_network_is_exported_to_the_bit(order: str, transition: str) -> None:
    full = small(order=order, transition=transition)
    for mask in [(True, False, True, True, False), (False, True, False, False, True)]:
        assert_same_function(with_mask(full, mask))


def test_the_module_shows_which_blocks_have_a_shortcut() -> None:
    source = export(with_mask(small(transition="zero_pad"), (True, False, True, True, False)))
    lines = [line.strip() for line in source.splitlines() if "block(basic(" in line]
    assert [line.partition("(")[0] for line in lines] == [
        *("block", "plain_block", "block", "block", "plain_block"),
    ]


# Twins.


def test_arms_of_placements() -> None:
    asked = PayoffSection(vary="placement", depths=[1, 4], seeds=2, lr_factors=[1.0])
    plan = make_plan(asked, [candidate()])
    assert plan.arms == ["all", "none", "every", "first_half", "last_half"]
    assert plan.reference == "none"
    arms = ladder(plan.base, plan.settings, [4])
    named = {arm: one.architecture.blocks() for (_, _, arm), one in arms.items()}
    letters = {arm: "".join(b.shortcut[0] for b in row) for arm, row in named.items()}
    assert letters == {
        "all": "iiiiziii",
        "none": "nnnnnnnn",
        "every": "nininini",
        "first_half": "iiiinnnn",
        "last_half": "nnnnziii",
    }
    assert len(list(first_runs(plan))) > 0
    some = make_plan(asked.model_copy(update={"arms": ["all", "random"]}), [candidate()])
    assert some.arms == ["all", "random"]
    assert some.reference == "all"


def test_arms_of_placements_with_options() -> None:
    """Each is called by what is not at its default, and that one by its name."""
    arms = "arms: [none, {every: 3}, every, {random: {share: 0.25, seed: 2}}, {first: {blocks: 1}}]"
    payoff = f"payoff={{vary: placement, depths: [4], seeds: 2, {arms}}}"
    asked = load("all", "", payoff).section.payoff
    assert asked is not None
    names = ["none", "every(step=3)", "every", "random(seed=2, share=0.25)", "first"]
    assert asked.arms == names
    assert PayoffSection.model_validate(asked.model_dump(mode="json")) == asked
    plan = make_plan(asked, [candidate()])
    assert sorted(plan.arms) == sorted(names)
    twins = {arm: one for (_, _, arm), one in ladder(plan.base, plan.settings, [4]).items()}
    letters = ["".join(b.shortcut[0] for b in twins[arm].architecture.blocks()) for arm in names]
    assert letters[:3] == ["nnnnnnnn", "nninninn", "nininini"]
    assert letters[3].count("n") == 6
    assert letters[4] == "innnnnnn"
    found = best_arms(plan.base, plan.settings)
    assert {arm for _, _, arm in found} == {*names, AS_FOUND}


@pytest.mark.parametrize(
    ("arms", "said"),
    [
        ("{every: 0}", "step must be at least 1, found 0"),
        ("{evry: 2}", "Did you mean 'every'"),
        ("{every: {stepp: 2}}", "Did you mean 'step'"),
        ("every(stepp=2)", "Did you mean 'step'"),
        ("{per_block: {}}", "per_block"),
    ],
)
def test_arms_that_are_no_placements_are_refused(arms: str, said: str) -> None:
    with pytest.raises(SpaceError, match=said):
        load("all", "", f"payoff={{vary: placement, arms: [all, {arms}]}}")


def test_arms_of_joins_with_options() -> None:
    """As with placements; a join by its name alone has its defaults, or those of the candidate."""
    arms = "arms: [add, {shortcut_gate: {bias: -3}}, shortcut_gate, {drop_path: 0.2}]"
    asked = load("all", "", f"payoff={{vary: join, depths: [4], seeds: 2, {arms}}}").section.payoff
    assert asked is not None
    assert asked.arms == ["add", "shortcut_gate(bias=-3.0)", "shortcut_gate", "drop_path(rate=0.2)"]
    plan = make_plan(asked, [candidate()])
    twins = {arm: one for (_, _, arm), one in ladder(plan.base, plan.settings, [4]).items()}
    found = {arm: one.architecture.stages[0].join.arguments for arm, one in twins.items()}
    assert found["shortcut_gate(bias=-3.0)"] == {"bias": -3.0}
    assert found["shortcut_gate"] == {"bias": -6.0}
    assert found["drop_path(rate=0.2)"] == {"rate": 0.2}
    with pytest.raises(SpaceError, match="rate of the join drop_path must be below 1, found 2"):
        load("all", "", "payoff={vary: join, arms: [add, {drop_path: {rate: 2}}]}")
    with pytest.raises(SpaceError, match="Did you mean 'bias'"):
        load("all", "", "payoff={vary: join, arms: [add, {shortcut_gate: {bia: 2}}]}")


def test_arms_are_those_of_what_varies() -> None:
    assert PayoffSection(vary="placement", arms=["all", "first_half"]).arms
    with pytest.raises(ValueError, match="unknown shortcut 'every'"):
        PayoffSection(arms=["every"])
    with pytest.raises(ValueError, match="unknown placement 'identity'"):
        PayoffSection(vary="placement", arms=["identity"])


def test_a_masked_candidate_stands_as_found_beside_the_others() -> None:
    base = candidate()
    masked = replace(base, architecture=with_mask(base.architecture, (True, True, False) * 2))
    arms = {arm for _, _, arm in best_arms(masked, PayoffSection(arms=["identity", "none"]))}
    assert arms == {"as found", "identity", "none"}
    placed = best_arms(masked, PayoffSection(vary="placement", arms=["all"]))
    assert {arm for _, _, arm in placed} == {"as found", "all", "none"}
    blocks = twins(masked, "block")["bottleneck"].architecture.blocks()
    assert "".join(block.shortcut[0] for block in blocks) == "iinzin"
    moved = twins(masked, "transition", own_shortcuts=True)["projection"].architecture.blocks()
    assert "".join(block.shortcut[0] for block in moved) == "iinpin"


def test_deeper_twins_keep_the_pattern() -> None:
    base = with_mask(candidate().architecture, (True, True, False) * 2)
    blocks = deepened(base, 6).blocks()
    assert "".join(block.shortcut[0] for block in blocks) == "iiiinn" + "ziiinn"


# What people see.


def test_a_masked_stage_is_told_in_runs() -> None:
    base = candidate()
    masked = replace(base, architecture=with_mask(base.architecture, (True, True, False) * 2))
    assert _kind_of(masked.architecture) == MIXED
    assert "2 identity + 1 none" in describe(masked)
    assert shortcuts_text(masked.architecture) == "shortcut in 4 of 6 blocks, join add"


def test_a_join_is_told_wherever_a_candidate_is() -> None:
    """A usual one in the lines of a trial alone."""
    plain = candidate()
    joined = with_join(plain, Named.of("damped", factor=0.5))
    assert "add" not in describe(plain)
    assert ", damped(factor=0.5), post_activation" in describe(joined)
    told = shortcuts_text(joined.architecture)
    assert told == "shortcut in 6 of 6 blocks, join damped(factor=0.5)"
    without = replace(plain, architecture=with_mask(plain.architecture, (False,) * 6))
    assert shortcuts_text(without.architecture) == "shortcut in 0 of 6 blocks"
    assert told in trial_note(joined)
    assert ("join of shortcut and branch", "damped(factor=0.5)") in key_facts(joined)
    assert ("shortcut in", "6 of 6 blocks") in key_facts(joined)
    assert "join damped(factor=0.5)" in trial_text(row_of(joined))


def with_join(base: Candidate, join: Named) -> Candidate:
    stages = tuple(replace(stage, join=join) for stage in base.architecture.stages)
    return replace(base, architecture=replace(base.architecture, stages=stages))


def row_of(one: Candidate) -> Row:
    attrs = {"candidate": one.to_json()}
    return Row(optuna.trial.create_trial(value=0.5, user_attrs=attrs), "trained")


def trial_note(one: Candidate) -> str:
    return _architecture_table(one.architecture)


def key_facts(one: Candidate) -> list[tuple[str, str]]:
    data = SimpleNamespace(objectives=["val_accuracy"], attrs={})
    return _key_facts(data, row_of(one))  # type: ignore[arg-type]


def test_kinds_and_stage_turn_into_each_other() -> None:
    for stride, depth in ((1, 1), (1, 3), (2, 1), (2, 3)):
        stage = Stage(depth=depth, width=8, stride=stride)
        for some in product(("identity", "projection", "none"), repeat=depth):
            placed = with_shortcuts(stage, some, 8)
            assert shortcut_kinds(placed, 8) == some
            assert with_shortcuts(placed, some, 8) == placed
            if set(some) == {"none"}:
                assert (placed.shortcut, placed.transition, placed.shortcuts) == (
                    "none",
                    "none",
                    (),
                )
