"""Accuracy apart from trainability, in twins, verdict, answer and report."""

import math
from dataclasses import replace
from typing import Any

import pytest
from optuna.storages import InMemoryStorage
from report_studies import candidate, make_study, make_twins

from nas.model.architecture import Named
from nas.payoff.analysis import Payoff, analyse, compare
from nas.payoff.answers import finding
from nas.payoff.random_parts import random_parts
from nas.payoff.records import Twin, curve_of, in_points
from nas.payoff.verdict import verdict
from nas.report.depth_sweep import Twins
from nas.report.document import Drawing, Table
from nas.report.sections.accuracy import accuracy_section

EPOCHS, LEFT, GUESSING = 12, 2.0, 90.0
#: how fast the training loss falls by arm
PACE = {"none": 0.3, "identity": 0.9}


def planted(twin: Twin) -> Twin:
    """A run whose error hangs on its loss alone, but for plain ones, which have 2 points more; the
    deepest plain ones of odd seeds guess.
    """
    pace, left = PACE[twin.arm] * (1 + 0.02 * twin.seed), LEFT * (twin.arm == "none")
    failed = (twin.arm, twin.depth, twin.seed % 2) == ("none", 5, 1)
    curve = [
        (2.3 / (1 + pace * (e + 0.5)), left + 70 / (1 + pace * (e + 1))) for e in range(EPOCHS)
    ]
    curve = [(2.3, GUESSING)] * EPOCHS if failed else curve
    outcomes = twin.outcomes | {"val_error": curve[-1][1]}
    return replace(twin, curve=curve, epochs=EPOCHS, failed=failed, outcomes=outcomes)


@pytest.fixture(scope="module")
def payoff() -> Payoff:
    study = make_study(InMemoryStorage(), trials=2)
    options = {"orders": ("post_activation",), "top": 0, "lr_factors": (1.0,), "seeds": 4}
    found = analyse(make_twins(study, depths=[1, 5], **options))
    arms = [twin for twin in found.twins if twin.arm in PACE and twin.comparison == "ladder"]
    fixed = {"vary": "shortcut", "smallest_effect": 2.0, "primary": found.primary}
    return compare([planted(twin) for twin in arms], fixed)


def test_the_planted_points_are_left_and_the_rest_is_whether_and_how_fast(payoff: Payoff) -> None:
    (one,) = payoff.ladder
    shallow, deep = one.equal_loss[8], one.equal_loss[32]
    assert shallow.equal is not None
    assert shallow.equal.mean == pytest.approx(LEFT, abs=0.15)
    assert (shallow.trains, shallow.failed, shallow.epochs) == (0, 0, EPOCHS)
    assert shallow.total == pytest.approx(one.gains["val_error"][8].mean)
    assert deep.both is not None
    assert deep.both.mean == pytest.approx(LEFT, abs=0.15)
    assert (deep.failed, deep.both.n) == (2, 2)
    odd = [pair for pair in one.gains["val_error"][32].pairs if pair > 70]
    assert deep.trains == pytest.approx(sum(odd) / 4)


def test_verdict_answer_and_report_tell_the_same_numbers(payoff: Payoff) -> None:
    found = payoff.ladder[0].equal_loss[32]
    assert found.equal is not None
    (sentence,) = [text for text in verdict(payoff) if "equal training loss" in text]
    assert f"of +{found.total:.1f} points, +{found.trains + found.sooner:.1f} are" in sentence
    assert f"+{found.equal.mean:.1f} stay at equal training loss" in sentence
    assert "in 2 of them a run does not train" in sentence
    (told,) = finding(payoff).comparisons
    assert told.equal_loss == found
    section = accuracy_section(Twins(payoff, {}))
    bars, lines = (part.figure.data for part in section.parts if isinstance(part, Drawing))
    heights = {bar.name: list(bar.y) for bar in bars}
    assert heights["left at equal training loss"][1] == found.equal.mean
    assert sum(row[1] for row in heights.values()) == pytest.approx(found.total)
    assert {line.name for line in lines} == {"none", "identity"}
    (table,) = [part for part in section.parts if isinstance(part, Table)]
    assert table.rows[1][6:10] == ("32", "4", "4 of 4 (51 to 100%)", "2 of 4 (15 to 85%)")


def test_of_depths_that_never_meet_the_deepest_that_does_is_told_too(payoff: Payoff) -> None:
    """The deepest residual networks are below all of the plain ones' losses at once."""
    fast = [(0.1 / (end + 1), 5.0) for end in range(EPOCHS)]
    twins = [
        replace(twin, curve=fast) if (twin.arm, twin.depth) == ("identity", 5) else twin
        for twin in payoff.twins
        if (twin.depth, twin.seed % 2) != (5, 1)  # the pairs that both train
    ]
    fixed = {"vary": "shortcut", "smallest_effect": 2.0, "primary": payoff.primary}
    told = [text for text in verdict(compare(twins, fixed)) if "equal training loss" in text]
    assert ["32 layers" in text for text in told] == [True, False]
    assert "2 pairs that both train have no training loss in common" in told[0]
    assert "at 8 layers" in told[1]


def test_without_curves_nothing_is_said_of_equal_loss(payoff: Payoff) -> None:
    fixed = {"vary": "shortcut", "smallest_effect": 2.0, "primary": payoff.primary}
    bare = compare([replace(twin, curve=()) for twin in payoff.twins], fixed)
    assert bare.ladder[0].equal_loss == {}
    assert not [text for text in verdict(bare) if "equal training loss" in text]
    assert accuracy_section(Twins(bare, {})).parts == []


def test_networks_that_leave_parts_out_in_training_are_not_compared_at_equal_loss(
    payoff: Payoff,
) -> None:
    """Their training losses are not those of the whole network; where both arms do it, they are
    alike."""
    fixed = {"vary": "shortcut", "smallest_effect": 2.0, "primary": payoff.primary}
    part = "drop_path(rate=0.5)"
    one_arm = [replace(t, left_out=part * (t.arm == "identity")) for t in payoff.twins]
    both_arms = [replace(t, left_out=part) for t in payoff.twins]
    assert compare(one_arm, fixed).ladder[0].equal_loss == {}
    assert compare(both_arms, fixed).ladder[0].equal_loss == payoff.ladder[0].equal_loss


def test_what_is_left_out_follows_from_the_candidate() -> None:
    one = candidate(2, ["identity", "none"])
    stages = one.architecture.stages

    def text(**changes: Any) -> str:
        first = replace(stages[0], **changes)
        network = replace(one.architecture, stages=(first, *stages[1:]))
        return random_parts(replace(one, architecture=network).to_json())

    drop = Named.of("drop_path", rate=0.25)
    assert text() == text(join=Named("skip_init")) == text(join=drop, shortcut="none") == ""
    assert text(join=Named.of("drop_path", rate=0.0)) == ""
    assert text(join=drop) == random_parts("drop_path(rate=0.25)") == "drop_path(rate=0.25)"
    block = Named.of("basic", dropout=0.1)
    assert text(join=drop, block=block) == "drop_path(rate=0.25), dropout 0.1"
    mlp = Named.of("mlp", residual_dropout=0.2)
    assert text(block=mlp) == "residual_dropout 0.2"
    assert random_parts("{}") == random_parts(None) == ""


def test_a_damaged_curve_is_none() -> None:
    good = {"train_loss": 1.5, "val_accuracy": 0.25}
    assert curve_of([good]) == ((1.5, 75.0),)
    for bad in (
        good | {"train_loss": float("nan")},
        {"train_loss": 1},
        good | {"val_accuracy": "x"},
    ):
        assert curve_of([good, bad]) == ()


def test_of_numbers_no_error_is_above_that_of_guessing() -> None:
    shares = (0.25, 1.0, 7.5, math.inf, None)
    assert [in_points(share, of_number=True) for share in shares] == [25, 100, 100, 100, 100]
    assert in_points(7.5, of_number=False) == 750
    record = {"train_loss": 0.5, "val_accuracy": -3.0, "val_r2": -3.0}
    assert curve_of([record, record | {"val_accuracy": 0.25}]) == ((0.5, 100.0), (0.5, 75.0))
