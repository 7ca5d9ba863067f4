"""The pool of real runs in experiments/coverage: which runs, resumed after a kill, balanced."""

import sys
from pathlib import Path

import pytest
from optuna.trial import FixedTrial

from nas.payoff.variants import ladder
from nas.space.schema import PayoffSection
from nas.space.space import SearchSpace

sys.path.insert(0, str(Path(__file__).parents[1]))
from experiments.coverage import run  # noqa: E402

SHORT = ["training.epochs=1", "dataset.train_size=128"]


def test_the_networks_are_those_of_the_digits_twins():
    base = SearchSpace.load(run.SPACE).candidate(FixedTrial({}))
    arms = ladder(base, PayoffSection(), [3, 5, 9])
    for layers, depth in zip(run.LAYERS, (3, 5, 9), strict=True):
        for arm in run.ARMS:
            network = run.candidate(layers, arm)
            assert network == arms["post_activation", depth, arm]
            assert network.cost().depth == layers


def test_any_part_of_the_table_is_balanced_up_to_one_seed():
    first = list(run.keys(3))
    assert [key.seed for key in first] == [1000] * 6 + [1001] * 6 + [1002] * 6
    assert {(key.layers, key.arm) for key in first[:6]} == {
        (layers, arm) for layers in (20, 32, 56) for arm in ("none", "identity")
    }


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    table = tmp_path_factory.mktemp("coverage") / "runs.csv"
    assert run.fill(table, 1, settings=SHORT) == 6
    return table


def test_a_line_is_kept_for_each_run_and_none_is_trained_twice(filled):
    runs = run.read(filled)
    assert [(one.seed, one.layers, one.arm) for one in runs] == [
        (key.seed, key.layers, key.arm) for key in run.keys(1)
    ]
    assert all(0 <= one.train_error <= 100 and one.loss_area > 0 for one in runs)
    assert run.fill(filled, 1, settings=SHORT) == 0


def test_a_line_cut_short_by_a_kill_is_trained_again_to_the_same_numbers(filled, tmp_path):
    whole, cut = run.read(filled), tmp_path / "runs.csv"
    cut.write_bytes(filled.read_bytes()[:-40])
    assert run.read(cut) == whole[:5]
    assert run.fill(cut, 1, settings=SHORT) == 1
    again = run.read(cut)
    assert again[:5] == whole[:5]
    assert (again[5].train_error, again[5].loss_area) == (whole[5].train_error, whole[5].loss_area)


def test_no_run_is_started_after_the_time_is_over(tmp_path):
    assert run.fill(tmp_path / "runs.csv", 1, max_seconds=0, settings=SHORT) == 0
