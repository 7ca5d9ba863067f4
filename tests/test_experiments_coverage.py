"""The pool of real runs in experiments/coverage: which runs, resumed after a kill, balanced."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from optuna.trial import FixedTrial

from nas.payoff.variants import ladder
from nas.space.schema import PayoffSection
from nas.space.space import SearchSpace

sys.path.insert(0, str(Path(__file__).parents[1]))
from experiments.coverage import analyse, looks, populations, run  # noqa: E402
from experiments.coverage.methods import METHODS  # noqa: E402
from nas.statistics import Effect, sequential_answers  # noqa: E402
from nas.statistics.intervals import choose  # noqa: E402

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


def test_populations_have_the_mean_they_are_judged_by():
    rng = np.random.default_rng(0)
    for one in populations.made_up():
        reference, arm = one.draw(rng, 40_000)
        gains = reference - arm
        assert gains.mean() == pytest.approx(one.gain, abs=5 * gains.std() / 200)


@pytest.fixture(scope="module")
def known():
    """A pool of forty seeds of which the plain network of 56 layers fails in every fourth."""
    rng, runs = np.random.default_rng(1), []
    for key in run.keys(40):
        fails = key.layers == 56 and key.arm == "none" and key.seed % 4 == 0
        error = 90.0 if fails else (key.arm == "none") * rng.normal(key.layers / 4, 1)
        values = {"started": int(not fails), "diverged": 0, "loss_area": 1.0, "seconds": 1.0}
        steps = dict.fromkeys(run.MEASURED[1:], 20)
        texts = {"torch": "2", "commit": "a", "processor": "b"}
        own = {"train_error": float(error), "val_error": float(error + 1)}
        runs.append(run.Run(**vars(key), **own, **values, **steps, **texts))
    return populations.pool(runs[:-1])


def test_the_pool_takes_complete_seeds_and_knows_which_pairs_train(known):
    assert known.seeds == 39
    found = {one.name: one for one in populations.real(known)}
    assert found["56 layers, training error if both train"].gain == pytest.approx(14, abs=0.6)
    assert 25 < found["56 layers, training error"].gain < 40
    assert "32 layers, training error if both train" not in found


def test_two_samples_of_one_arm_share_no_seed(known):
    rng = np.random.default_rng(2)
    found = {one.name: one for one in populations.same_arm(known)}
    first, second = found["32 layers, none, training error"].draw(rng, 12)
    assert not set(first) & set(second)
    assert "32 layers, identity, training error" not in found


def test_a_population_is_judged_by_every_method():
    normal = next(populations.made_up())
    found = analyse.judged(normal, 6, draws=60)
    assert set(found) == {*METHODS, "resolved"}
    assert found["beta bootstrap t"]["covers"] >= 85
    assert found["percentile bootstrap"]["width"] < found["beta bootstrap t"]["width"]
    table = analyse.table({"a": {"kind": "b", "pairs": {str(n): found for n in analyse.PAIRS}}})
    assert table.count("**") == 2 * len(analyse.PAIRS)
    assert found["resolved"] == {"1": 100, "4": 100}


@pytest.fixture(scope="module")
def published():
    return json.loads(analyse.RESULT.read_text(encoding="utf-8"))["populations"]


def test_the_rule_covers_on_real_pairs_and_claims_little_that_is_false(published):
    for one in published.values():
        for pairs, row in one["pairs"].items():
            if one["kind"] == populations.REAL:
                assert row[choose(int(pairs))]["covers"] >= 91
            if one["kind"] == populations.SAME_ARM:
                assert row["resolved"]["1"] <= 6
                assert row["resolved"]["4"] <= 2


def test_the_tables_of_the_readme_are_those_of_the_result(published):
    text = (Path(run.HERE) / "README.md").read_text(encoding="utf-8")
    for table in (analyse.table, analyse.claims, analyse.power):
        assert table(published) in text


def test_the_published_pool_is_balanced_and_its_result_is_of_it(published):
    known = populations.pool(run.read())
    assert len(run.read()) - 6 * known.seeds < 6
    gains = {one.name: one.gain for one in populations.real(known)}
    told = {name: one["gain"] for name, one in published.items() if name in gains}
    assert set(told) <= set(gains)
    if known.seeds == json.loads(analyse.RESULT.read_text())["seeds_of_the_pool"]:
        assert told == pytest.approx(gains, abs=1e-3)


def test_a_study_that_looks_stops_where_the_rule_decides_first():
    """`looks` takes each look once; the rule of `nas` is asked anew after every pair here."""
    random = np.random.default_rng(0)
    for gain in (0.0, 1.5, 2.5, 4.0):
        pairs = random.normal(gain, 1.0, size=20).tolist()
        for smallest, comparisons in ((0.0, 1), (2.0, 4)):
            answered = [
                (decided(pairs[:number], smallest, comparisons), number) for number in range(2, 21)
            ]
            first = next((one for one in answered if one[0] != "undecided"), ("undecided", 20))
            assert looks.stopped(pairs, smallest, comparisons) == first


def decided(pairs, smallest, comparisons):
    effect = Effect(float(np.mean(pairs)), -1.0, 1.0, tuple(pairs), None, 0.95, "")
    ((_, answer),) = sequential_answers({"a": effect}, smallest, planned=comparisons).values()
    return answer.answer
