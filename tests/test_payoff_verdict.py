"""What the twins are compared in, and what the verdict says of it."""

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.storages import InMemoryStorage
from report_studies import candidate, make_study, make_twins

from nas import statistics as st
from nas.model.architecture import Architecture, Stage
from nas.model.cost import cost
from nas.payoff.analysis import Payoff, analyse, stage_claims
from nas.payoff.contrasts import Contrast
from nas.payoff.own_rates import best_factors
from nas.payoff.plan import kept_plan, make_plan, stage_family
from nas.payoff.records import Twin, failures_by_arm
from nas.payoff.runs import ArmKey, first_runs, further_runs, own_runs
from nas.payoff.text import interval, signed
from nas.payoff.variants import MOST_STAGES, masks, scaled, stage_arms, variants
from nas.payoff.verdict import onset_words, verdict
from nas.payoff.verdict_details import leading, stage_sentences
from nas.space.schema import PayoffSection

ONE_ORDER: dict[str, Any] = {"orders": ("post_activation",), "top": 0}


def analysed(**options: Any) -> Payoff:
    """The twins of a study, analysed."""
    return analyse(make_twins(make_study(InMemoryStorage(), trials=4), **options))


@pytest.fixture(scope="module")
def payoff() -> Payoff:
    """Two orders, other blocks, other widths, two budgets, three pairs."""
    return analysed(depths=[1, 2, 5], seeds=3, blocks=("bottleneck",), widths=(2,), budgets=(1, 4))


def errors(payoff: Payoff, **place: Any) -> dict[int, float]:
    """Seed -> training error at a place of the comparison."""
    return {
        twin.seed: twin.outcomes["train_error"]
        for twin in payoff.twins
        if all(getattr(twin, key) == value for key, value in place.items())
    }


def ladder_place(**place: Any) -> dict[str, Any]:
    return {"comparison": "ladder", "budget": 1, "role": "shared", "depth": 5} | place


# Activation orders.


def test_orders_are_compared_seed_by_seed_in_networks_with_shortcuts(payoff: Payoff) -> None:
    assert {one.order for one in payoff.orders} == {"identity", "projection"}
    one = next(o for o in payoff.orders if (o.order, o.role) == ("identity", "shared"))
    assert (one.reference, one.arm) == ("post_activation", "pre_activation")
    post, pre = (
        errors(payoff, **ladder_place(arm="identity", order=order))
        for order in ("post_activation", "pre_activation")
    )
    found = one.gains["train_error"][max(one.blocks)]
    assert found.pairs == pytest.approx([post[seed] - pre[seed] for seed in range(3)])


def test_an_order_is_not_resolvable_here_unless_its_interval_leaves_zero_out(
    payoff: Payoff,
) -> None:
    told = [sentence for sentence in verdict(payoff) if sentence.startswith("Activation order: ")]
    assert len(told) == 2
    for sentence, arm in zip(told, ("identity", "projection"), strict=True):
        own = next(o for o in payoff.orders if (o.order, o.role) == (arm, "own"))
        effect = own.gains["train_error"][max(own.blocks)]
        assert ("not resolvable here" in sentence) == (not effect.resolved)
        assert interval(effect, 1 if effect.mean > 0 or not effect.resolved else -1) in sentence


def test_a_single_order_is_compared_with_none() -> None:
    assert analysed(depths=[1, 5], seeds=2, **ONE_ORDER).orders == []


# Block types and widths.


def test_variants_repeat_the_ends_of_the_ladder_at_the_shared_rate() -> None:
    settings = PayoffSection(
        seeds=2, top=0, depths=[1, 3, 5], blocks=["basic", "bottleneck"], widths=[2]
    )
    base = candidate(2, ["identity"] * 3)
    assert list(variants(base, settings)) == ["block bottleneck", "width × 2"]
    cells = [run.cell for run in further_runs(make_plan(settings, [base]))]
    varied = [cell for cell in cells if cell.comparison in variants(base, settings)]
    assert {cell.depth for cell in varied} == {1, 5}
    assert {cell.role for cell in varied} == {"shared"}
    assert len(varied) == 2 * 2 * 2 * 3


def test_twice_the_width_changes_no_shape_that_was_kept() -> None:
    narrow = candidate(2, ["identity"] * 3).architecture
    wide = scaled(narrow, 2)
    assert [stage.width for stage in wide.stages] == [16, 32, 64]
    assert [b.shortcut for b in wide.blocks()] == [b.shortcut for b in narrow.blocks()]


def test_a_variant_tells_how_much_more_its_arm_gains_than_in_the_ladder(payoff: Payoff) -> None:
    row = next(
        row
        for row in payoff.variants["width × 2"]
        if (row.contrast.arm, row.contrast.order) == ("identity", "post_activation")
    )
    at = {"order": "post_activation", "role": "shared", "depth": 5, "budget": 1}
    gain = {
        name: {
            seed: error - errors(payoff, comparison=name, arm="identity", **at)[seed]
            for seed, error in errors(payoff, comparison=name, arm="none", **at).items()
        }
        for name in ("width × 2", "ladder")
    }
    assert row.change is not None
    expected = [gain["width × 2"][seed] - gain["ladder"][seed] for seed in range(3)]
    assert row.change.pairs == pytest.approx(expected)
    told = "\n".join(verdict(payoff))
    assert "With all widths × 2, post-activation: identity against none at 32 layers" in told
    assert "With bottleneck blocks, post-activation: identity against none at 47 layers" in told


# Budgets.


def test_the_order_of_the_arms_is_judged_by_all_contrasts_at_once(payoff: Payoff) -> None:
    """At the own best learning rates of each budget."""
    place = "post_activation, 32 layers"
    names = ("none → identity", "none → projection", "projection → identity")
    expected = st.order_verdict({name: payoff.budgets[f"{name}, {place}"] for name in names})
    assert payoff.rankings[place] == expected
    told = [sentence for sentence in verdict(payoff) if place in sentence]
    assert told[-1].startswith("Compared after 4 and 16 epochs, post_activation, 32 layers: ")
    assert expected.reason in told[-1]


def test_a_gain_at_several_budgets_is_judged_by_the_effects_at_each(payoff: Payoff) -> None:
    by_budget = {
        one.budget: one.gains["val_error"][32]
        for one in payoff.ladder
        if (one.order, one.role) == ("post_activation", "own")
        and (one.reference, one.arm) == ("none", "identity")
    }
    found = payoff.budgets["none → identity, post_activation, 32 layers"]
    assert sorted(by_budget) == [1, 4]
    assert found.trend == st.budget_verdict(by_budget).trend


def test_at_the_shared_rate_nobody_knows_whether_a_gain_is_one_of_accuracy() -> None:
    shared = analysed(depths=[1, 5], seeds=4, budgets=(1, 4), lr_factors=(1.0,), **ONE_ORDER)
    assert shared.budgets
    assert all(one.verdict != "accuracy" for one in shared.budgets.values())


# Best candidates.


def test_best_candidates_stand_at_their_own_best_rates_too() -> None:
    base = [candidate(2, ["identity"] * 3, lr=0.05), candidate(1, ["none"] * 3, lr=0.1)]
    plan = make_plan(PayoffSection(seeds=2, top=2, depths=[1, 2], lr_factors=[0.5, 1.0]), base)
    tuned = [run.cell for run in first_runs(plan) if run.cell.role == "tune"]
    assert {cell.comparison for cell in tuned} == {"ladder", "top 1", "top 2"}
    own = [run.cell for run in own_runs(plan, {cell.place: 0.5 for cell in tuned})]
    assert {(c.comparison, c.lr) for c in own} == {
        ("ladder", 0.025),
        ("top 1", 0.025),
        ("top 2", 0.05),
    }


def test_the_factor_is_told_by_the_rate_of_the_candidate_itself() -> None:
    study = make_twins(make_study(InMemoryStorage(), trials=4), depths=[1, 2], seeds=1)
    plan = kept_plan(study.user_attrs)
    assert plan is not None
    found = best_factors(study, plan)
    assert set(map(round, (10 * np.array(list(found.values()))).tolist())) <= {3, 10}
    assert ArmKey("top 1", "post_activation", 0, "none", 1) in found


def test_a_verdict_has_one_sentence_for_each_arm_of_a_candidate_at_its_best_rate() -> None:
    told = verdict(analysed(depths=[1, 2], seeds=2, top=1))
    sentences = [sentence for sentence in told if sentence.startswith("Best candidate 1 ")]
    arms = [sentence.partition("), ")[2].partition(" against ")[0] for sentence in sentences]
    assert arms == ["as found", "identity", "projection"]
    assert all("own best learning rates" in sentence for sentence in sentences)


# Stages.


def five_stages() -> Architecture:
    one = candidate(1, ["identity"] * 3).architecture
    more = tuple(Stage(depth=1, width=32, transition="none") for _ in range(2))
    return replace(one, stages=one.stages + more)


def test_every_combination_of_few_stages_and_single_ones_of_many() -> None:
    assert len(masks(MOST_STAGES)) == 2**MOST_STAGES
    assert len(set(masks(64))) == 2 + 2 * 64
    base = replace(candidate(1, ["identity"] * 3), architecture=five_stages())
    arms = stage_arms(base, 2)
    assert len(arms) == 2 + 2 * 5
    assert len({cost(arm.architecture).parameters for arm in arms.values()}) == 1


def test_single_effects_agree_with_the_factorial() -> None:
    table = np.random.default_rng(0).normal(size=(4, 2, 2, 2))
    whole = st.stage_effects(table)
    few = st.single_effects({mask: table[(slice(None), *mask)] for mask in np.ndindex(2, 2, 2)})
    assert (few.removal, few.alone, few.total) == (whole.removal, whole.alone, whole.total)
    assert few.main == {}


def test_of_many_stages_the_cost_of_removing_is_what_is_tested_and_told(payoff: Payoff) -> None:
    rows = {
        mask: [10.0 - 2 * sum(mask) + seed / 10 * mask[0] for seed in range(3)] for mask in masks(5)
    }
    few = st.single_effects(rows)
    claims = stage_claims({"train_error": few})
    assert {stage: claim.effect for stage, claim in claims.items()} == few.removal
    told = stage_sentences(replace(payoff, stages={"train_error": few}, stage_claims=claims))
    assert "(training error, cost of removing them): stage 1 +1.9 points" in told[0]
    assert "cost of removing" in stage_family(5)
    assert "main effect" in stage_family(MOST_STAGES)


def effect(mean: float, noise: float) -> st.Effect:
    return st.paired_effect([mean - noise, mean, mean + noise, mean + noise / 2])


def test_no_stage_is_said_to_gain_most_where_another_gains_about_as_much() -> None:
    far, near, other = effect(30, 2), effect(10, 1), effect(11, 6)
    assert leading({}) == "No single stage was shown to gain by its shortcuts"
    assert leading({1: far}) == "Stage 2 gains by its shortcuts"
    assert leading({0: near, 1: far}) == "Stage 2 gains most by its shortcuts"
    assert leading({0: near, 2: other}) == (
        "Stages 1 and 3 gain by their shortcuts, and which of them gains most is not resolved"
    )


# Words.


def test_the_primary_comparisons_are_told_with_their_pairs_and_p_values_stand_in_tables(
    payoff: Payoff,
) -> None:
    told = verdict(payoff)
    starts = ("Networks with identity shortcuts against plain", "The same at")
    details = [sentence for sentence in told if sentence.startswith(starts)]
    assert len(details) >= 4
    assert all(re.search(r"3 pairs: [+−]?[\d.]+, [+−]?[\d.]+, [+−]?[\d.]+", s) for s in details)
    assert not any(re.search(r"\bp [=<]|Holm|paired t", sentence) for sentence in told)
    assert all(
        c.p_adjusted is not None for c in payoff.claims.values() if c.status != "exploratory"
    )


def test_nothing_is_said_to_pay_where_no_primary_comparison_is_resolved(payoff: Payoff) -> None:
    headlines = verdict(payoff)[:2]
    assert all("Undecided whether depth costs plain networks at least" in one for one in headlines)
    assert not any("pay off" in one for one in headlines)
    assert all(
        "3 pairs cannot decide one of 8 comparisons, however large the difference: 6" in one
        for one in headlines
    )


def at_one_rate(seeds: int = 6) -> Payoff:
    """One order and one learning rate."""
    return analysed(depths=[1, 5], seeds=seeds, lr_factors=(1.0,), **ONE_ORDER)


def test_the_headline_has_one_number_and_one_sign() -> None:
    six = at_one_rate()
    one = next(o for o in six.ladder if (o.arm, o.reference) == ("identity", "none"))
    gain = one.gains["train_error"][max(one.gains["train_error"])]
    assert gain.resolved
    headline = verdict(six)[0]
    assert headline.startswith(
        "Shortcuts pay off in deep networks: at 32 layers, the deepest tried, networks with "
        f"identity shortcuts have {gain.mean:.1f} points less training error than plain networks "
        f"({interval(gain)})"
    )
    turned = replace(six, ladder=[reversed_contrast(one) for one in six.ladder])
    assert verdict(turned)[0].startswith(
        "Shortcuts do harm in deep networks: at 32 layers, the deepest tried, networks with "
        f"identity shortcuts have {gain.mean:.1f} points more training error than plain networks "
    )


def turned_effect(effect: st.Effect) -> st.Effect:
    """The same effect of the opposite sign."""
    pairs = tuple(-pair for pair in effect.pairs)
    return replace(effect, mean=-effect.mean, low=-effect.high, high=-effect.low, pairs=pairs)


@cache
def turned_once(key: int, effect: st.Effect) -> st.Effect:
    return turned_effect(effect)


def reversed_contrast(one: Contrast) -> Contrast:
    gains = {
        outcome: {layers: turned_effect(effect) for layers, effect in row.items()}
        for outcome, row in one.gains.items()
    }
    interaction = {name: turned_once(id(e), e) for name, e in one.interaction.items()}
    return replace(one, gains=gains, interaction=interaction)


def test_what_depth_costs_is_the_headline_where_the_deepest_gain_is_not_sure() -> None:
    six = at_one_rate()
    unsure = st.paired_effect([1.0, -1.0, 2.0, -2.0, 3.0, -3.0])
    ladder = [
        replace(one, gains=one.gains | {"train_error": one.gains["train_error"] | {32: unsure}})
        for one in six.ladder
    ]
    assert verdict(replace(six, ladder=ladder))[0].startswith(
        "Depth costs networks with identity shortcuts less than plain networks, but at 32 layers "
        "which are better is not resolved: from 8 to 32 layers the training error of plain "
        "networks rises by "
    )


def test_a_gain_over_networks_that_only_guess_is_told_as_the_most_there_can_be() -> None:
    six = at_one_rate()
    guessing = st.hurdle([90.0] * 6, [20.0] * 6, [False] * 6, [True] * 6)
    ladder = [replace(one, hurdle=one.hurdle | {32: guessing}) for one in six.ladder]
    told = verdict(replace(six, ladder=ladder))
    assert "; none of the 6 plain networks of that depth learns more than guessing" in told[0]
    detail = next(one for one in told if one.startswith("Networks with identity"))
    assert "6 of 6 (61 to 100%) of networks with identity shortcuts train at all" in detail
    assert "and 0 of 6 (0 to 39%) of plain networks, so the gain is what guessing loses" in detail


def test_what_lies_between_and_was_not_tried_is_told() -> None:
    def words(depth: int | None, *, holds: bool = True, deepest: bool = False) -> str:
        onset = st.OnsetDepth(depth, holds, 2.0, deepest)
        gains = dict.fromkeys((8, 20, 32), effect(1, 1))
        one = replace(at_one_rate(2).ladder[0], onset=onset, gains={"train_error": gains})
        return onset_words(one)[0]

    size = "the gain is surely above the smallest effect of interest, 2 points, "
    assert words(32, deepest=True) == (
        size + "at 32 layers and not at 20; what lies between was not tried"
    )
    assert words(20) == (
        size
        + "at 20 layers and at all deeper ones tried and not at 8; what lies between was not tried"
    )
    assert words(8) == (
        size + "already at 8 layers, the shallowest tried, and at all deeper ones tried"
    )
    assert words(None).startswith("at no depth is the gain surely above")


def test_what_was_tested_and_what_was_not_is_told() -> None:
    sentence = next(one for one in verdict(at_one_rate()) if one.startswith("Tested: "))
    assert "8 and 32 layers, post-activation, 6 pairs of each" in sentence
    assert "all arms at learning rate 0.1" in sentence
    assert "Not tried: other depths, longer trainings or other data." in sentence


def test_what_is_still_missing_comes_before_the_details() -> None:
    told = verdict(analysed(depths=[1, 5], seeds=2, unfinished=3, **ONE_ORDER))
    assert told[1] == "3 twins in training or queued."


def test_arms_without_a_shortcut_at_transitions_are_not_called_plain() -> None:
    told = verdict(analysed(depths=[1, 3], seeds=2, lr_factors=(1.0,), vary="transition"))
    assert not any("plain" in sentence for sentence in told)
    assert any("no shortcut where the shape changes" in sentence for sentence in told)


def test_zero_has_no_sign_and_equal_pairs_no_interval() -> None:
    assert [signed(0.04), signed(-0.04), signed(-1)] == ["0.0", "0.0", "−1.0"]
    assert interval(st.paired_effect([0.2, 0.2, 0.2])) == "all 3 pairs alike"
    assert interval(st.paired_effect([1.0])) == "no interval from 1 pair"


def test_numbers_of_the_verdict_are_those_of_the_effects() -> None:
    six = at_one_rate()
    one = next(o for o in six.ladder if (o.arm, o.reference) == ("identity", "none"))
    effect = one.interaction["train_error"]
    sentence = next(s for s in verdict(six) if s.startswith("Networks with identity shortcuts ag"))
    more, sign = ("more", 1) if effect.mean >= 0 else ("less", -1)
    assert f"rises by {abs(effect.mean):.1f} points {more} than that of networks with" in sentence
    assert interval(effect, sign) in sentence


def test_a_p_of_one_hypothesis_is_not_told_beside_a_smaller_corrected_one() -> None:
    six = at_one_rate()
    assert not any("sign-flip" in sentence for sentence in verdict(six))
    for claim in six.claims.values():
        if claim.p_adjusted is not None:
            assert claim.p_adjusted >= st.decision_p(claim.effect)[0] >= claim.effect.unpaired_p


def test_each_gain_knows_how_often_both_arms_train(payoff: Payoff) -> None:
    one = next(o for o in payoff.ladder if (o.arm, o.reference) == ("identity", "none"))
    assert set(one.hurdle) == set(one.gains["train_error"])
    for layers, found in one.hurdle.items():
        failed = [t for t in at(payoff, one, layers) if t.arm == one.reference and t.failed]
        assert found.trains.plain.count == len(failed)
        assert found.is_ceiling == (len(failed) == found.trains.n)


def at(payoff: Payoff, one: Contrast, layers: int) -> list[Twin]:
    """The runs of a contrast at one depth."""
    place = ("ladder", one.order, one.role, one.budget, one.blocks[layers])
    return [t for t in payoff.twins if (t.comparison, t.order, t.role, t.budget, t.depth) == place]


def test_failures_are_counted_from_all_places_of_a_run(payoff: Payoff) -> None:
    run = payoff.twins[0]
    places = [
        (0, "ladder", "none"), (0, "stages", "0-0-0"), (1, "ladder", "none"),
        (2, "stages", "1-1-1"), (2, "ladder", "identity"), (3, "stages", "1-0-1"),
        (4, "top 1", "none"), (4, "ladder", "none"),
    ]  # fmt: skip
    twins = [
        replace(run, trial=trial, comparison=comparison, arm=arm, failed=True)
        for trial, comparison, arm in places
    ]
    assert failures_by_arm([*twins, replace(run, trial=5, failed=False)]) == {
        "none": 3, "identity": 1, "with shortcuts in some stages": 1,
    }  # fmt: skip


def test_the_failures_of_the_published_depth_ladder(payoff: Payoff) -> None:
    """The last place of a run won: none 9, with shortcuts in some stages 8."""
    written = Path(__file__).parents[1] / "experiments" / "depth_ladder" / "results"
    rows = json.loads((written / "payoff.json").read_text(encoding="utf-8"))["twins"]["twins"]
    twins = [Twin(**row) for row in rows]
    assert failures_by_arm(twins) == {
        "none": 14, "none, wider": 5, "identity": 3, "projection": 1,
    }  # fmt: skip
