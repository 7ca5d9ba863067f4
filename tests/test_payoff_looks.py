"""Pairs added until the primary comparisons are decided: what is trained, when it stops."""

import pytest
from laid_out_twins import opened, places, section, train
from optuna.study import Study
from report_studies import make_study, twin_trial

from nas.payoff.analysis import analyse
from nas.payoff.answers import finding
from nas.payoff.forecast import trainings_left
from nas.payoff.run import ALL_TRAINED, phases, plan_lines
from nas.payoff.verdict import verdict
from nas.storage.open import open_storage


@pytest.fixture
def study(tmp_path) -> Study:
    return make_study(open_storage(f"sqlite:///{tmp_path}/nas.db", create=True), trials=4)


def test_it_stops_when_all_is_decided_and_looks_for_the_onset(study: Study) -> None:
    twins, plan = opened(study, section(smallest_effect=5.0, seeds=5))
    train(twins, plan)
    found = finding(analyse(twins))
    (row,) = found.comparisons
    assert row.answer == "pays"
    assert 5 <= row.effect.n < plan.most_pairs
    assert "95% confidence sequence" in found.sentence
    cells = places(twins)
    assert not any(cell.added for cell in cells)
    ends = {cell.seed for cell in cells if cell.depth in (1, 9)}
    assert ends == set(range(row.effect.n))
    between = {cell.depth for cell in cells} - {1, 9}
    assert 0 < len(between) < 3
    assert {cell.seed for cell in cells if cell.depth in between} == set(range(5))
    assert trainings_left(plan, twins) == []
    assert plan_lines(study, section(smallest_effect=5.0, seeds=5), 1) == [ALL_TRAINED]
    told = verdict(analyse(twins))
    assert told[0].startswith("Shortcuts pay off in deep networks: from ")
    assert not any("still to come" in sentence for sentence in told)


def test_what_was_trained_is_not_laid_out_again(study: Study) -> None:
    twins, plan = opened(study, section())
    train(twins, plan)
    before = len(twins.get_trials(deepcopy=False))
    assert sum(train(twins, plan)) == 0
    assert len(twins.get_trials(deepcopy=False)) == before


def test_a_search_that_was_stopped_goes_on_to_the_same_runs(study: Study, tmp_path) -> None:
    twins, plan = opened(study, section())
    train(twins, plan, most=4)
    train(twins, plan)
    other = make_study(open_storage(f"sqlite:///{tmp_path}/other.db", create=True), trials=4)
    whole, _ = opened(other, section())
    train(whole, plan)
    assert sorted(cell.key for cell in places(twins)) == sorted(cell.key for cell in places(whole))


def test_what_cannot_be_decided_ends_at_the_most_pairs(study: Study) -> None:
    twins, plan = opened(study, section(smallest_effect=24.0, max_seeds=6))
    train(twins, plan)
    found = finding(analyse(twins))
    (row,) = found.comparisons
    assert (row.answer, row.effect.n) == ("undecided", 6)
    assert found.missing == 0
    assert {cell.depth for cell in places(twins)} == {1, 9}  # no onset of what is not sure


def test_a_plan_counts_no_pairs_of_what_is_decided(study: Study) -> None:
    twins, plan = opened(study, section(smallest_effect=5.0, seeds=5, stages=True))
    train(twins, plan, most=3)
    soon, before = len(trainings_left(plan, twins)), len(places(twins))
    for runs in phases(twins, plan, plan):
        if any(cell["comparison"] == "stages" for run in runs for cell in run["cells"]):
            break
        twins.add_trials([twin_trial(attrs, is_done=True) for attrs in runs])
    assert len(trainings_left(plan, twins)) == len(runs) > 0
    assert len(places(twins)) - before + len(runs) <= soon
    (line,) = plan_lines(study, section(), 1)
    assert line.startswith("Twins: every primary comparison is decided, at most ")


def test_own_rates_are_tuned_before_their_pairs(study: Study) -> None:
    twins, plan = opened(study, section(lr_factors=[0.3, 1.0], depths=[1, 9]))
    for runs in phases(twins, plan, plan):
        roles = {cell["role"] for run in runs for cell in run["cells"]}
        assert roles == {"tune"}
        assert {cell["depth"] for run in runs for cell in run["cells"]} == {1, 9}
        break
    train(twins, plan)
    rows = finding(analyse(twins)).comparisons
    assert {row.role for row in rows} == {"shared", "own"}
    assert {row.answer for row in rows} == {"pays"}


@pytest.mark.parametrize(("smallest", "answer"), [(5.0, "pays"), (60.0, "no difference")])
def test_of_one_depth_the_gain_there_is_decided(study: Study, smallest: float, answer: str) -> None:
    twins, plan = opened(study, section(depths=[9], seeds=5, smallest_effect=smallest))
    train(twins, plan)
    (row,) = finding(analyse(twins)).comparisons
    assert row.answer == answer
    assert row.layers == [56]
    assert 4 < row.effect.n < plan.most_pairs
    assert trainings_left(plan, twins) == []
    assert {(cell.depth, cell.seed) for cell in places(twins)} == {
        (9, seed) for seed in range(row.effect.n)
    }
