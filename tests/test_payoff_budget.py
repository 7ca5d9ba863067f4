"""What fits into a budget of time."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from nas.common.errors import UserError
from nas.payoff.budget import (
    FEWEST_PICTURES,
    FEWEST_TRIALS,
    MOST_TRIALS,
    START,
    TWINS_SHARE,
    Load,
    Rates,
    fill,
    twins_take,
)
from nas.search.pruners.trained import PRUNED, share_trained

TOP_PERCENT = Path(__file__).parents[1] / "experiments" / "top_percent"
DIGITS = Load(
    rates={8: Rates(candidate=0.0004, twins=0.03, each=0.6)},
    pictures=1_298,
    workers=2,
    candidates=540,
    twins=62,
    pruner="median",
)
CIFAR = Load(
    rates={32: Rates(candidate=0.004, each=1.0), 16: Rates(candidate=0.0012, each=1.0)},
    pictures=45_000,
    workers=2,
    pruner="halving",
)
BUDGETS = [120, 180, 600, 1800, 7200, 8 * 3600, 48 * 3600]


@pytest.mark.parametrize("load", [DIGITS, CIFAR], ids=["digits", "cifar"])
@pytest.mark.parametrize("seconds", BUDGETS[2:])
def test_a_budget_is_filled_and_not_exceeded(load: Load, seconds: float) -> None:
    found = fill(seconds, load)
    assert found.seconds <= seconds
    assert found.seconds > 0.9 * seconds or found.trials in (MOST_TRIALS, load.candidates)
    assert found.trials >= FEWEST_TRIALS


@pytest.mark.parametrize("load", [DIGITS, CIFAR], ids=["digits", "cifar"])
def test_more_time_never_buys_shorter_trainings_on_fewer_or_smaller_pictures(load: Load) -> None:
    found = [fill(seconds, load) for seconds in BUDGETS[2:]]
    for less, more in pairwise(found):
        assert less.side <= more.side
        assert less.pictures <= more.pictures
        if (less.side, less.pictures) == (more.side, more.pictures):
            assert less.epochs <= more.epochs
    assert found[-1].epochs > found[0].epochs


def test_a_short_budget_has_small_pictures_and_few_of_them() -> None:
    short, long = fill(150, CIFAR), fill(24 * 3600, CIFAR)
    assert (short.side, long.side) == (16, 32)
    assert short.pictures >= FEWEST_PICTURES
    assert long.pictures == 45_000
    assert short.rungs[0] == 1
    assert long.rungs[-1] < long.epochs


def test_twins_have_their_share() -> None:
    found = fill(180, DIGITS)
    took = twins_take(DIGITS, found.side, found.pictures, found.epochs)
    assert 0 < took <= TWINS_SHARE * 2 * (180 - START)
    without = replace(DIGITS, twins=0, rates={8: Rates(candidate=0.0004, each=0.6)})
    assert fill(180, without).epochs > found.epochs
    assert fill(180, replace(without, searches=2)).epochs < fill(180, without).epochs


def test_twins_are_left_out_where_there_is_no_time_for_them() -> None:
    found = fill(60, DIGITS)
    assert not found.has_twins
    assert found.seconds <= 60
    assert fill(180, DIGITS).has_twins


def test_what_is_too_short_is_told_with_the_least() -> None:
    with pytest.raises(UserError, match=r"--budget: 12 seconds are too short .* least is about "):
        fill(12, DIGITS)


def test_a_space_of_one_candidate_is_trained_for_long() -> None:
    found = fill(3600, replace(CIFAR, candidates=1, pruner="none"))
    assert found.trials == 1
    assert found.pictures == 45_000


def test_pruners_leave_a_part_of_the_epochs() -> None:
    assert share_trained("none", 12, 30) == 1
    epochs = 1.48 * (1 + 1 / 2 * 1 + 1 / 3 * 1 + 1 / 12 * 9)  # rungs after 1, 2 and 3
    halving = pytest.approx((epochs + 0.05 * (12 - epochs)) / 12)
    assert share_trained("halving", 12, 30) == halving
    assert share_trained("median", 12, 4) == 1


def test_what_pruners_leave_is_bounded_by_what_was_measured() -> None:
    """Of 30 and 100 trials in 95% of the replays, of 12 on the average."""
    measured = json.loads((TOP_PERCENT / "pruned.json").read_text())["mean and 95% quantile"]
    assert set(measured) == {*PRUNED, "halving"}
    for pruner, rows in measured.items():
        for name, (mean, most) in rows.items():
            trials, epochs = (int(word) for word in name.split() if word.isdigit())
            told = share_trained(pruner, epochs, trials)
            assert told >= (most if trials >= 30 else mean), (pruner, name)
            assert told < 0.85
