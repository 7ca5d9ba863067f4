"""What twins can resolve and cost, told before they run."""

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import create_trial
from report_studies import candidate, make_study, make_twins

import nas.space.estimate
from nas.payoff.analysis import analyse
from nas.payoff.costs import cost_line, power_line, trainings
from nas.payoff.forecast import (
    forecast,
    known_spread,
    over_budget,
    seconds_by_trials,
    size_of,
)
from nas.payoff.plan import Plan, kept_plan, make_plan
from nas.payoff.preview import cost_lines, preview
from nas.space.schema import PayoffSection
from nas.space.space import SearchSpace
from nas.statistics import resolvable_effect

Make = Callable[..., SearchSpace]


def plan(**asked: Any) -> Plan:
    given = {"top": 0, "seeds": 3, "depths": [1, 5], "arms": ["identity", "none"]}
    settings = given | {"lr_factors": [1.0], "stages": False} | asked
    return make_plan(PayoffSection.model_validate(settings), [candidate(2, ["identity"] * 3)])


# How many trainings.


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, 2 * 2 * 3),
        ({"lr_factors": [0.1, 0.3, 1.0, 3.0]}, 2 * 2 * (3 + 4 * 2 + 3)),
        ({"lr_factors": [0.3, 1.0], "tuning_seeds": 1, "budgets": [1, 4]}, 2 * 2 * 2 * (3 + 2 + 3)),
        ({"stages": True}, 2 * 2 * 3 + (8 - 2) * 3),  # all and none are arms of the ladder
        ({"arms": ["projection", "none"]}, 2 * 2 * 3 + 3),  # and a control at the deepest
        ({"top": 1, "depths": [1, 2]}, 2 * 2 * 3),  # the candidate is an arm of the ladder
    ],
)
def test_a_training_that_serves_several_comparisons_counts_once(
    asked: dict[str, Any], expected: int
) -> None:
    assert len(trainings(plan(**asked))) == expected


def test_what_is_there_is_not_counted() -> None:
    search = make_study(InMemoryStorage(), trials=4)
    twins = make_twins(search, depths=[1, 2], seeds=3, top=0, orders=("post_activation",))
    whole = kept_plan(twins.user_attrs)
    assert whole is not None
    assert forecast(whole, whole, twins, search, workers=2) == []
    more = make_plan(whole.settings.model_copy(update={"seeds": 5}), whole.candidates)
    lines = forecast(whole, more, twins, search, workers=2)
    places = 2 * 3  # depths, arms; stages at the deepest, two of which are arms; a control
    assert f"at most {2 * (2 * places + 8 - 2 + 1)} trainings" in lines[0]
    assert "decide no primary comparison" in lines[-1]


# What they resolve.


def test_the_effect_is_the_one_that_so_many_pairs_resolve_among_so_many_comparisons() -> None:
    one, four = plan(seeds=6), plan(seeds=8, arms=None, lr_factors=[0.3, 1.0])
    assert power_line(one) == (
        "With 80% probability 6 pairs resolve an effect of 1.4 standard deviations of a pair, as "
        "one comparison."
    )
    assert f"8 pairs resolve an effect of {resolvable_effect(8, 4):.1f} standard" in power_line(
        four
    )
    assert "as one of 4 primary comparisons" in power_line(four)


def test_pairs_that_can_resolve_nothing_are_told_so() -> None:
    assert power_line(plan(seeds=3)) == (
        "3 pairs can resolve no effect as one comparison, however large: that takes 4."
    )


def test_in_points_where_pairs_are_there_to_tell_how_far_they_lie_apart() -> None:
    search = make_study(InMemoryStorage(), trials=4)
    options: dict[str, Any] = {"depths": [1, 5], "seeds": 6, "orders": ("post_activation",)}
    twins = make_twins(search, **options, top=0, lr_factors=(1.0,))
    kept = kept_plan(twins.user_attrs)
    assert kept is not None
    spread = known_spread(kept, twins)
    arms = ("identity", "projection")
    contrasts = [o for o in analyse(twins).ladder if o.reference == "none" and o.arm in arms]
    assert spread == [one.interaction["train_error"].sd for one in contrasts]
    effect = resolvable_effect(6, 2)
    low, high = effect * min(spread), effect * max(spread)
    assert f": {low:.1f} to {high:.1f} points of training error" in power_line(kept, spread)
    assert "points" not in power_line(kept)


# What they cost.


def trial(depth: int, seconds: float, **changes: Any) -> Any:
    attrs = {"candidate": candidate(depth, ["identity"] * 3).to_json(), "seconds": seconds}
    return create_trial(value=0.5, user_attrs=attrs | changes)


def test_time_is_a_share_of_the_layers_and_one_of_the_multiply_adds() -> None:
    def true(depth: int) -> float:
        layers, multiply_adds = size_of(candidate(depth, ["identity"] * 3))
        return 4 * (0.01 * layers + 1e-6 * multiply_adds)

    seconds = seconds_by_trials([trial(depth, true(depth)) for depth in (1, 2, 3)])
    assert seconds is not None
    assert seconds(candidate(9, ["identity"] * 3)) == pytest.approx(true(9), rel=1e-3)


def test_of_one_trial_time_is_in_proportion_to_its_size() -> None:
    seconds = seconds_by_trials([trial(2, 6.0), trial(9, 1.0, pruned=True)])
    assert seconds is not None
    assert seconds(candidate(2, ["identity"] * 3)) == pytest.approx(6.0)
    assert 12.0 < seconds(candidate(5, ["identity"] * 3)) < 18.0


def test_without_a_trial_no_time_is_told() -> None:
    assert seconds_by_trials([]) is None
    assert "how long they take is told when a trial has finished" in cost_line(
        "Twins", plan(), trainings(plan()), None, 2
    )


@pytest.mark.parametrize(
    ("workers", "told"),
    [(2, "about 60 seconds with 2 workers."), (0, "about 2.0 minutes of one worker.")],
)
def test_the_time_is_that_of_all_trainings_by_workers(workers: int, told: str) -> None:
    line = cost_line("Twins", plan(), trainings(plan()), lambda candidate: 10.0, workers)
    assert line == f"Twins: 3 pairs, at most 12 trainings, {told}"


# Before a search.


def test_a_check_tells_the_twins_of_a_space(
    space: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """96 pictures in batches of 32, 2 epochs: 6 steps of 10 seconds a training."""
    monkeypatch.setattr(nas.space.estimate, "step_times", lambda *_: [10.0])
    ladder = "top: 0, seeds: 6, depths: [1, 2], arms: [identity, none], lr_factors: [1.0]"
    lines = preview(
        space(f"payoff={{{ladder}, stages: false}}", "search.workers=2"), tmp_path
    ).lines
    assert lines == [
        "Twins after the search: 6 pairs, at most 24 trainings, about 12.0 minutes with 2 workers.",
        power_line(plan(seeds=6)),
    ]


def test_a_space_without_twins_is_told_what_nas_payoff_would_train(
    space: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nas.space.estimate, "step_times", lambda *_: [10.0])
    assert (
        preview(space(), tmp_path).lines[0].startswith("Twins, by `nas payoff`: 7 pairs, at most ")
    )


def test_twins_that_go_beyond_a_budget_are_told_before_they_run() -> None:
    assert over_budget(100, 90) == []  # what an estimate can miss
    assert over_budget(300, 180)[0].startswith("That is 2.0 minutes beyond the budget")
    assert over_budget(300, -60)[0].startswith("That is 5.0 minutes beyond the budget")


def test_longer_budgets_cost_more(
    space: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nas.space.estimate, "step_times", lambda *_: [10.0])
    ladder = "top: 0, seeds: 4, depths: [1, 2], arms: [identity, none], lr_factors: [1.0]"
    one, both = (
        preview(space(f"payoff={{{ladder}, stages: false, budgets: {budgets}}}"), tmp_path).lines[0]
        for budgets in ("[1]", "[1, 4]")
    )
    assert "at most 16 trainings" in one
    assert "at most 32 trainings" in both
    minutes = [float(line.split("about ")[1].split(" minutes")[0]) for line in (one, both)]
    assert math.isclose(minutes[1], 5 * minutes[0], rel_tol=0.02)


def test_a_check_counts_twins_and_baseline_in_one_number(
    space: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4 trials of 60 seconds, as many of random search, 24 twins; two workers."""
    monkeypatch.setattr(nas.space.estimate, "step_times", lambda *_: [10.0])
    ladder = "top: 0, seeds: 6, depths: [1, 2], arms: [identity, none], lr_factors: [1.0]"
    settings = ["search.workers=2", "search.duplicates=new_seed", "search.baseline=random"]
    lines = cost_lines(space(f"payoff={{{ladder}, stages: false}}", *settings), tmp_path)
    assert lines[-1] == (
        "In all about 16.0 ± 0.0 minutes with 2 workers: search 2.0 minutes, "
        "random search 2.0 minutes, twins 12.0 minutes."
    )
    assert cost_lines(space(*settings[:2]), tmp_path)[-1] == (
        "In all about 2.0 ± 0.0 minutes with 2 workers."
    )


def test_a_check_of_the_cost_loads_little() -> None:
    """Neither the compiler of torch nor Optuna, Lightning and the optimisers of scipy."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from nas.payoff.preview import cost_lines\n"
        "from nas.space.space import SearchSpace\n"
        "cost_lines(SearchSpace.load('digits'), Path())\n"
        "heavy = {'torch._dynamo', 'optuna', 'lightning', 'scipy.optimize', 'scipy.stats'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
