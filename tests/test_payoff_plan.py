"""Which twins are trained: the plan, seeds, own rates, best candidates, and what is added later."""

from collections import Counter
from dataclasses import replace
from typing import Any

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.study import Study
from optuna.trial import TrialState
from report_studies import candidate, make_study, make_twins, twin_trial

from nas.common.errors import StudyError
from nas.payoff.additions import missing_runs, primary_runs
from nas.payoff.analysis import Payoff, analyse
from nas.payoff.own_rates import best_factors, shared_rates
from nas.payoff.plan import Plan, default_pairs, kept_plan, make_plan
from nas.payoff.queue import fresh_runs
from nas.payoff.records import Twin, run_keys_of
from nas.payoff.run import phases, settings_of
from nas.payoff.runs import ArmKey, every_run, first_runs, planned_keys
from nas.payoff.study import open_twins
from nas.payoff.tuning import best_rate, tuned_rates
from nas.payoff.variants import AS_FOUND, best_arms, same_network
from nas.payoff.verdict import verdict
from nas.search.baseline import OTHER_SEED
from nas.search.study import space_of
from nas.space.schema import PayoffSection, current
from nas.statistics import resolvable_effect
from nas.statistics.paired import decision_p
from nas.storage.handles import storage_of

SMALL = PayoffSection(
    top=0, seeds=3, depths=[1, 5], arms=["identity", "none"], lr_factors=[1.0], stages=False
)


@pytest.fixture
def parent() -> Study:
    return make_study(InMemoryStorage(), trials=4)


def opened(parent: Study, asked: PayoffSection) -> tuple[Study, Plan, Plan]:
    return open_twins(storage_of(parent), parent, space_of(parent), asked)


def run_all(twins: Study, plan: Plan, beyond: Plan) -> list[dict[str, Any]]:
    """Every run that is not there yet, in its phase, finished at once; what was laid out."""
    laid = []
    for fresh in phases(twins, plan, beyond):
        twins.add_trials([twin_trial(attrs, is_done=True) for attrs in fresh])
        laid += fresh
    return laid


def ask(parent: Study, asked: PayoffSection) -> tuple[Study, list[dict[str, Any]]]:
    """Open the twins and train all that was asked for."""
    twins, plan, beyond = opened(parent, asked)
    return twins, run_all(twins, plan, beyond)


def grown(**changes: Any) -> PayoffSection:
    return PayoffSection.model_validate(SMALL.model_dump(exclude_unset=True) | changes)


# What is decided before the first twin.


@pytest.mark.parametrize(("comparisons", "pairs"), [(0, 5), (1, 5), (2, 6), (4, 7), (16, 8)])
def test_pairs_left_out_are_the_fewest_that_resolve_two_standard_deviations(
    comparisons: int, pairs: int
) -> None:
    assert default_pairs(comparisons) == pairs
    number = max(1, comparisons)
    assert resolvable_effect(pairs, number) <= 2 < resolvable_effect(pairs - 1, number)


def test_a_plan_says_all_that_a_section_leaves_out() -> None:
    plan = make_plan(PayoffSection(), [candidate(2, ["identity"] * 3, "pre_activation")])
    assert plan.depths == [1, 3]
    assert plan.settings.activation_orders == ["pre_activation"]
    assert plan.arms == ["identity", "projection", "none"]
    assert plan.comparisons == [
        ("pre_activation", role, "none", arm)
        for role in ("shared", "own")
        for arm in ("identity", "projection")
    ]
    assert plan.seeds == default_pairs(4)
    assert len(plan.settings.lr_factors) == 4
    assert plan.settings.tuning_seeds == 2


def test_the_plan_is_read_as_it_was_written(parent: Study) -> None:
    twins, plan, beyond = opened(parent, PayoffSection(top=2, seeds=3))
    assert kept_plan(twins.user_attrs) == plan == beyond
    fixed = twins.user_attrs["payoff"]["primary"]
    assert fixed["pairs"] == 3
    assert [tuple(one) for one in fixed["comparisons"]] == plan.comparisons


def test_a_damaged_plan_is_told_in_a_sentence(parent: Study) -> None:
    twins, _, _ = opened(parent, SMALL)
    twins.set_user_attr("plan", {"rules": 2, "candidates": 3, "settings": {}})
    with pytest.raises(StudyError, match="the plan of the twins cannot be read"):
        opened(parent, SMALL)


# Seeds.


def test_seeds_are_never_those_of_the_search_its_baseline_or_the_tuning(parent: Study) -> None:
    _, laid = ask(parent, PayoffSection(seeds=2, depths=[1, 2], stages=False, top=0))
    roles: dict[str, set[int]] = {}
    for attrs in laid:
        roles.setdefault(attrs["cells"][0]["role"], set()).add(attrs["seed"])
    assert roles.keys() == {"shared", "tune", "own"}
    assert roles["own"] <= roles["shared"]
    most_trials, most_pairs = 1_000_000, 1_000  # a trial may have a seed of its own
    assert min(map(min, roles.values())) >= OTHER_SEED + most_trials
    assert min(roles["tune"]) >= min(roles["shared"]) + most_pairs


# Own learning rates.


def tune(lr: float, seed: int, error: float, arm: str = "none") -> Twin:
    place = ArmKey("ladder", "post_activation", 5, arm, 1)
    return Twin(
        **place._asdict(),
        role="tune",
        lr=lr,
        seed=seed,
        trial=0,
        layers=32,
        parameters=1,
        epochs=4,
        steps=80,
        outcomes={"train_error": error, "val_error": 100 - error},
        failed=False,
        steps_to=None,
        initial_hash="",
        seconds=1.0,
    )


def test_the_own_rate_has_the_least_mean_training_error_over_the_tuning_seeds() -> None:
    grid = [tune(0.01, 0, 9), tune(0.01, 1, 9), tune(0.1, 0, 1), tune(0.1, 1, 30)]
    grid += [tune(0.3, 0, 20), tune(0.3, 1, 20), tune(1.0, 0, 0)]  # its other run failed
    (one,) = tuned_rates(grid, {"ladder": 0.1}, "train_error", {}).values()
    assert (one.best, one.edge, one.seeds) == (0.01, "lowest", 2)
    assert one.errors == {0.01: 9, 0.1: 15.5, 0.3: 20}
    (other,) = tuned_rates(grid, {"ladder": 0.1}, "val_error", {}).values()
    assert (other.best, other.edge) == (0.3, "highest")


def test_of_equal_rates_that_nearest_to_the_shared_one_is_taken() -> None:
    assert best_rate({0.01: 0.0, 0.03: 0.0, 0.1: 0.0, 0.3: 2.0}, 0.1) == 0.1
    assert best_rate({0.01: 0.0, 0.03: 0.0, 0.1: 1.0, 0.3: 0.0}, 0.1) == 0.3  # as a factor
    assert best_rate({0.01: 0.0, 0.03: 0.0, 0.1: 1.0, 0.3: 1.0}, 0.1) == 0.03


def test_a_rate_at_which_runs_are_there_is_kept() -> None:
    grid = [tune(lr, seed, lr) for lr in (0.1, 0.3) for seed in (0, 1)]
    (place,) = tuned_rates(grid, {"ladder": 0.1}, "train_error", {})
    (one,) = tuned_rates(grid, {"ladder": 0.1}, "train_error", {place: 0.3}).values()
    assert one.best == 0.3


def test_every_budget_has_rates_of_its_own(parent: Study) -> None:
    twins, laid = ask(parent, grown(seeds=2, budgets=[1, 4], lr_factors=[0.3, 1.0]))
    cells = [cell for trial in twins.trials for cell in run_keys_of(twins.user_attrs, trial)]
    number = Counter((cell.role, cell.budget) for cell in cells)
    places = 2 * 2  # depths, arms
    assert number == {
        **{("shared", budget): places * 2 for budget in (1, 4)},
        **{("tune", budget): places * 2 * 2 for budget in (1, 4)},
        **{("own", budget): places * 2 for budget in (1, 4)},
    }
    plan = kept_plan(twins.user_attrs)
    assert plan is not None
    assert {place.budget for place in best_factors(twins, plan)} == {1, 4}
    assert shared_rates(plan)["ladder"] == plan.base.training.optimizer.arguments["lr"]


def test_rates_at_an_edge_are_told(parent: Study) -> None:
    twins, _ = ask(parent, grown(lr_factors=[1.0, 3.0]))
    payoff = analyse(twins)
    assert {one.edge for one in payoff.tuned} <= {"lowest", "highest"}
    assert len(payoff.tuned) == 4
    told = [sentence for sentence in verdict(payoff) if "at the edge of its grid" in sentence]
    assert len(told) == 1
    assert "in 4 of 4 places; a better one may lie beyond." in told[0]
    assert all(one.edge for one in payoff.tuned)
    none_told = verdict(replace(payoff, tuned=[replace(one, edge=None) for one in payoff.tuned]))
    assert not any("at the edge of its grid" in sentence for sentence in none_told)


def test_runs_that_tune_may_have_a_share_of_the_epochs() -> None:
    section = current(PayoffSection).model_validate({"tuning_budget": 0.3, "seeds": 2, "top": 0})
    plan = make_plan(section, [candidate(1, ["identity"] * 3)])
    epochs = plan.base.training.epochs
    found = {run.cell.role: set() for run in first_runs(plan)}
    for run in first_runs(plan):
        found[run.cell.role].add(run.candidate.training.epochs)
    assert found == {"shared": {epochs}, "tune": {max(1, round(0.3 * epochs))}}
    assert max(1, round(0.3 * epochs)) < epochs


def test_the_range_of_rates_at_which_each_arm_trains_is_told(parent: Study) -> None:
    twins, _ = ask(parent, grown(lr_factors=[1.0, 3.0]))
    rates, errors = (
        (0.003, 0.01, 0.03, 0.1, 0.3),
        {"none": (60, 30, 33, 70, 90), "identity": (4, 0, 0, 1, 5)},
    )
    grid = [
        tune(lr, seed, error + seed, arm)
        for arm, row in errors.items()
        for lr, error in zip(rates, row, strict=True)
        for seed in (0, 1)
    ]
    broken = [replace(one, failed=one.lr == 0.3 and one.seed == 1) for one in grid]
    tuned = list(tuned_rates(broken, {"ladder": 0.1}, "train_error", {}).values())
    (told,) = (one for one in verdict(replace(analyse(twins), tuned=tuned)) if "Usable" in one)
    assert "plain networks at 2 of 5, 0.01 to 0.03, 0.5 factors of ten" in told
    shortcuts = (
        "networks with identity shortcuts at 4 of 5, 0.003 to 0.1, at least 1.5 factors of ten"
    )
    assert shortcuts in told
    four = [replace(one, errors=dict(list(one.errors.items())[:4])) for one in tuned]
    assert not any("Usable" in one for one in verdict(replace(analyse(twins), tuned=four)))


def test_a_grid_that_is_not_finished_tells_no_edge(parent: Study) -> None:
    twins, plan, beyond = opened(parent, grown(lr_factors=[1.0, 3.0]))
    first = next(phases(twins, plan, beyond))
    twins.add_trials([twin_trial(attrs, is_done=True) for attrs in first[:-3]])
    assert analyse(twins).tuned == []


# Best candidates.


def test_a_candidate_stands_beside_itself_without_shortcuts_and_with_each_kind() -> None:
    found = candidate(2, ["identity", "none", "projection"])
    arms = {arm: twin for (_, _, arm), twin in best_arms(found, PayoffSection()).items()}
    assert list(arms) == [AS_FOUND, "identity", "projection", "none"]
    assert arms[AS_FOUND] == found
    kinds = {
        arm: {block.shortcut for block in twin.architecture.blocks()} for arm, twin in arms.items()
    }
    assert kinds["none"] == {"none"}
    assert kinds["identity"] == {"identity", "zero_pad"}
    assert kinds["projection"] == {"projection"}
    assert kinds[AS_FOUND] == {"identity", "none", "projection", "zero_pad"}


@pytest.mark.parametrize(
    ("shortcuts", "depth", "expected"),
    [
        (["identity"] * 3, 2, [AS_FOUND, "projection", "none"]),
        (["none"] * 3, 2, ["identity", "projection", "none"]),
        (["identity", "projection", "projection"], 1, [AS_FOUND, "projection", "none"]),
    ],
    ids=["uniform", "plain", "a kind no block takes"],
)
def test_an_arm_that_is_the_candidate_does_not_stand_there_twice(
    shortcuts: list[str], depth: int, expected: list[str]
) -> None:
    found = candidate(depth, shortcuts)
    arms = best_arms(found, PayoffSection())
    assert [arm for _, _, arm in arms] == expected
    assert sum(same_network(twin, found) for twin in arms.values()) == 1


def test_arms_left_out_are_left_out_of_the_kinds_alone() -> None:
    found = candidate(2, ["identity", "none", "projection"])
    arms = best_arms(found, PayoffSection(arms=["projection"]))
    assert [arm for _, _, arm in arms] == [AS_FOUND, "projection", "none"]


def test_activation_orders_stand_against_the_candidate_as_found(parent: Study) -> None:
    asked = PayoffSection(
        vary="activation_order", top=1, seeds=2, depths=[1, 2], lr_factors=[1.0], stages=False
    )
    payoff = analyse(ask(parent, asked)[0])
    assert {one.reference for one in payoff.candidates["top 1"]} == {AS_FOUND}
    assert len(payoff.candidates["top 1"]) == 4


def test_contrasts_of_a_candidate_have_its_plain_twin_as_reference() -> None:
    twins = make_twins(make_study(InMemoryStorage(), trials=4), depths=[1, 3], seeds=2, top=1)
    found = {(one.reference, one.arm) for one in analyse(twins).candidates["top 1"]}
    assert found == {
        ("none", AS_FOUND),
        ("none", "identity"),
        ("none", "projection"),
        ("projection", "identity"),
        (AS_FOUND, "identity"),
        (AS_FOUND, "projection"),
    }


# What is asked for later.


def test_as_long_as_no_twin_has_finished_the_plan_is_what_is_asked_for(parent: Study) -> None:
    twins, plan, beyond = opened(parent, SMALL)
    first = next(phases(twins, plan, beyond))
    twins.add_trials([twin_trial(attrs, is_done=False) for attrs in first[:4]])
    twins, plan, beyond = opened(parent, grown(seeds=2, depths=[1, 3]))
    assert (plan.seeds, plan.depths, beyond) == (2, [1, 3], plan)
    assert {trial.state for trial in twins.trials} == {TrialState.PRUNED}
    run_all(twins, plan, beyond)
    payoff = analyse(twins)
    assert (payoff.missing, payoff.waiting, payoff.failures) == (0, 0, 0)
    assert payoff.added == []
    assert sorted(max(one.blocks.values()) for one in payoff.ladder) == [3]


def test_once_a_twin_has_finished_the_plan_stands_and_the_rest_is_marked(parent: Study) -> None:
    twins, plan, beyond = opened(parent, SMALL)
    (first, *others) = next(phases(twins, plan, beyond))
    twins.add_trial(twin_trial(first, is_done=True))
    twins, plan, beyond = opened(parent, grown(seeds=5, depths=[1, 3, 5]))
    assert (plan.seeds, plan.depths) == (3, [1, 5])
    assert (beyond.seeds, beyond.depths) == (5, [1, 3, 5])
    laid = run_all(twins, plan, beyond)
    planned = {
        (cell["depth"], cell["seed"])
        for attrs in laid
        for cell in attrs["cells"]
        if "added" not in cell
    }
    assert planned <= {(depth, seed) for depth in (1, 5) for seed in range(3)}
    assert len(laid) == len(others) + 2 * (5 * 3 - 3 * 2)


def test_no_run_after_a_look_resolves_or_unsettles_a_primary_comparison(parent: Study) -> None:
    twins, _ = ask(parent, SMALL)
    before = analyse(twins)
    twins, laid = ask(parent, grown(seeds=12, arms=["identity", "projection", "none"]))
    assert len(laid) == 2 * (12 * 3 - 3 * 2) + 12  # the control of projections at the deepest
    after = analyse(twins)
    assert after.claims == before.claims
    assert after.ladder == before.ladder
    assert {twin.seed for twin in after.twins} == {0, 1, 2}
    together = {one.arm: one for one in after.with_added["ladder"] if one.reference == "none"}
    assert {arm: one.interaction["train_error"].n for arm, one in together.items()} == {
        "identity": 12,
        "projection": 12,
    }
    told = verdict(after)
    assert told[: len(verdict(before))] == verdict(before)
    assert told[-1].startswith(f"{len(laid)} runs were added after results could be seen")


def test_a_comparison_without_planned_runs_is_shown_as_added_alone(parent: Study) -> None:
    ask(parent, SMALL)
    twins, _ = ask(parent, grown(widths=[2], stages=True))
    payoff = analyse(twins)
    assert payoff.variants == {"width × 2": []}
    assert [one.arm for one in payoff.with_added["width × 2"]] == ["identity"]
    assert payoff.stages
    assert payoff.stage_claims == {}


@pytest.mark.parametrize(
    ("key", "value"),
    [("vary", "transition"), ("smallest_effect", 1.0), ("lr_factors", [0.3, 1.0])],
)
def test_what_cannot_be_added_is_refused(key: str, value: Any, parent: Study) -> None:
    ask(parent, SMALL)
    with pytest.raises(StudyError, match=f"begun with another {key}, which may not change"):
        opened(parent, grown(**{key: value}))


def test_a_command_without_options_resumes_what_was_asked_for(parent: Study) -> None:
    twins, _ = ask(parent, SMALL)
    twins, plan, beyond = opened(parent, settings_of(parent, {"seeds": 4}))
    assert (plan.seeds, beyond.seeds) == (3, 4)
    twins, plan, beyond = opened(parent, settings_of(parent, {"seeds": None}))
    assert (plan.seeds, beyond.seeds) == (3, 4)
    run_all(twins, plan, beyond)
    assert {twin.seed for twin in analyse(twins).added} == {3}


def test_the_best_candidates_of_the_plan_stay_when_the_search_goes_on(parent: Study) -> None:
    _, plan, _ = opened(parent, PayoffSection(top=1, seeds=2, stages=False))
    twins, plan, beyond = opened(parent, PayoffSection(top=1, seeds=2, stages=False))
    twins.add_trial(twin_trial(next(phases(twins, plan, beyond))[0], is_done=True))
    better = next(t for t in make_study(InMemoryStorage(), "other", seed=5).trials if t.values)
    better.values = [2.0]
    parent.add_trial(better)
    _, again, _ = opened(parent, PayoffSection(top=1, seeds=2, stages=False))
    assert again == plan


def test_two_candidates_never_share_a_place() -> None:
    plan = make_plan(SMALL, [candidate(1, ["identity"] * 3)])
    twins = optuna.create_study()
    laid = fresh_runs(twins, first_runs(plan), plan.first_seed, planned_keys(plan))
    twins.add_trials([twin_trial(attrs, is_done=True) for attrs in laid])
    other = make_plan(SMALL, [candidate(1, ["identity"] * 3, lr=0.05)])
    with pytest.raises(StudyError, match="is there already, as another network"):
        fresh_runs(twins, first_runs(other), plan.first_seed, planned_keys(plan))


# When a primary comparison is decided.


def resolved(payoff: Payoff) -> list[str]:
    return [name for name, claim in payoff.claims.items() if claim.status == "resolved"]


def test_no_primary_comparison_is_decided_before_all_its_runs_have_ended(parent: Study) -> None:
    twins, plan, beyond = opened(parent, grown(seeds=8))
    (laid,) = [fresh for fresh in phases(twins, plan, beyond) if fresh]
    trials = [twin_trial(attrs, is_done=True) for attrs in laid]
    for trial in trials:  # as large an effect as there is
        plain = "none" in trial.user_attrs["arm"] and trial.user_attrs["depth"] == 5
        result = trial.user_attrs["result"]
        start = result.index('"train_error": ') + len('"train_error": ')
        end = result.index(",", start)
        error = 0.5 + trial.user_attrs["seed"] % 10 / 100 if plain else 0.01
        trial.user_attrs["result"] = f"{result[:start]}{error}{result[end:]}"
    twins.add_trials(trials[:-1])
    payoff = analyse(twins)
    assert payoff.missing == 1
    assert resolved(payoff) == []
    assert any("1 planned run of theirs to come" in sentence for sentence in verdict(payoff))
    failed = trials[-1]
    failed.state, failed.values = TrialState.FAIL, None
    twins.add_trial(failed)
    payoff = analyse(twins)
    assert (payoff.missing, payoff.failures) == (0, 1)
    assert len(resolved(payoff)) == 1
    twins.add_trial(twin_trial(laid[-1], is_done=True))  # its cause was mended
    assert analyse(twins).failures == 0


def test_a_planned_comparison_that_has_no_pair_counts_in_the_correction(parent: Study) -> None:
    asked = grown(seeds=5, arms=["identity", "projection", "none"])
    twins, plan, beyond = opened(parent, asked)
    (laid,) = [fresh for fresh in phases(twins, plan, beyond) if fresh]
    for attrs in laid:
        trial = twin_trial(attrs, is_done=True)
        if attrs["arm"].startswith("projection"):
            trial.state, trial.values = TrialState.FAIL, None
        twins.add_trial(trial)
    payoff = analyse(twins)
    assert payoff.missing == 0
    (claim,) = [one for one in payoff.claims.values() if one.status != "exploratory"]
    assert claim.p_adjusted == pytest.approx(min(1, 2 * decision_p(claim.effect)[0]))


def test_without_a_plan_no_run_is_missing() -> None:
    assert missing_runs(primary_runs({"depths": [1, 5], "roles": ["shared"]}), set()) == 0


# Studies of versions that kept no plan.


def test_a_study_without_a_plan_is_analysed_and_resumed_by_its_own_rules(parent: Study) -> None:
    options: dict[str, Any] = {"depths": [1, 5], "seeds": 3, "orders": ("post_activation",)}
    twins = make_twins(parent, **options, rules=1, top=0, unfinished=2)
    before = analyse(twins)
    assert (before.missing, before.waiting) == (0, 2)
    assert {claim.status for claim in before.claims.values()} <= {
        *("resolved", "not resolved", "exploratory")
    }
    assert {trial.user_attrs["seed"] for trial in twins.trials} == {0, 1, 2, 10_000, 10_001}


def test_a_study_without_a_plan_gets_nothing_but_what_it_lacks(parent: Study) -> None:
    """Its rates were tuned on one seed, and every candidate of its time is the first one."""
    former = {"top": 0, "seeds": 3, "depths": [1, 5], "lr_factors": [0.3, 1.0], "stages": False}
    asked = PayoffSection.model_validate(former | {"arms": ["identity", "none"]})
    space = replace_payoff(parent, asked)
    base = opened(make_study(InMemoryStorage(), trials=4), asked)[1].base
    old = make_plan(
        PayoffSection.model_validate(dict(asked) | {"tuning_seeds": 1}), [base], rules=1
    )
    twins = optuna.create_study(
        study_name=f"{parent.study_name}-twins", storage=storage_of(parent), direction="maximize"
    )
    primary = {"depths": [1, 5], "orders": None, "roles": ["shared", "own"]}
    twins.set_user_attr("payoff", {"vary": "shortcut", "smallest_effect": 2.0, "primary": primary})
    twins.set_user_attr("seed", 0)
    twins.set_user_attr("twins_of", parent.study_name)
    laid = fresh_runs(twins, first_runs(old), 0, planned_keys(old))
    twins.add_trials([twin_trial(attrs, is_done=i < 9) for i, attrs in enumerate(laid)])
    _, plan, beyond = open_twins(storage_of(parent), parent, space, PayoffSection())
    assert (plan.rules, plan.seeds, plan.settings.tuning_seeds, beyond) == (1, 3, 1, plan)
    first, own, *rest = phases(twins, plan, beyond)
    assert first == [] == [attrs for fresh in rest for attrs in fresh]
    assert {attrs["seed"] for attrs in own} <= {0, 1, 2}
    assert {run.cell.role for run in every_run(plan, 1.0)} == {"shared", "tune", "own"}


def replace_payoff(parent: Study, section: PayoffSection) -> Any:
    """The space of a study with another payoff section."""
    space = space_of(parent)
    space.section.payoff = section
    return space
