"""The analysis against synthetic studies whose truth is known (`experiments/planted_truth`).

1,000 studies of each kind are known to a Monte-Carlo error of 0.7 points of coverage (0.95 x 0.05 /
1000, less where a study gives several intervals), 0.6 points of false claims and, over some 450
studies with an effect of 3 sd or more, 0.5 points of naming. The long form, with 20 other master
seeds, is in result.json.
"""

import ast
import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))

from experiments.planted_truth import check, search  # noqa: E402
from experiments.planted_truth import generator as truth  # noqa: E402

STUDIES = 1_000


@pytest.fixture(scope="module")
def found() -> check.Rates:
    return check.rates(STUDIES, seed=0)


@pytest.mark.parametrize("bar", check.BARS)
def test_the_analysis_is_as_right_as_it_says(found: check.Rates, bar: str) -> None:
    low, high = check.BARS[bar]
    rate, count = found[bar]
    assert count >= 300
    assert low <= rate <= high


@pytest.mark.parametrize("bar", check.NAIVE)
def test_a_careless_analysis_fails_the_same_bar(found: check.Rates, bar: str) -> None:
    low, high = check.NAIVE[bar]
    rate, count = found[bar]
    assert count >= 300
    assert not low <= rate <= high


@pytest.mark.parametrize("name", ["generator", "search"])
def test_the_truth_is_planted_without_the_analysis(name: str) -> None:
    tree = ast.parse((ROOT / "experiments" / "planted_truth" / f"{name}.py").read_text())
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules += [
        alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names
    ]
    assert not [module for module in modules if module.split(".")[0] == "nas"]


def test_the_synthetic_runs_look_like_the_measured_ones() -> None:
    """8x8 digits, 6 seeds: 0.2 (sd 0.1), 4.6 (2.9) and 64.7 (17)% at 20, 32 and 56 layers."""
    plain, residual = truth.draw_ladder(truth.DIGITS, 20_000, np.random.default_rng(0))
    assert [plain[d].mean() for d in (20, 32, 56)] == pytest.approx([0.2, 4.6, 64.7], rel=0.15)
    assert [plain[d].std() for d in (20, 32, 56)] == pytest.approx([0.15, 3.2, 16], rel=0.2)
    assert max(errors.mean() for errors in residual.values()) < 0.15


@pytest.mark.parametrize("seed", range(6))
def test_what_is_called_true_is_the_mean_of_many_runs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    world = truth.draw_world(rng)
    runs, deep = 40_000, world.depths[-1]
    plain, residual = truth.draw_ladder(world, runs, rng)
    for depth, gain in truth.true_gains(world).items():
        near(plain[depth] - residual[depth], gain)
    table = truth.draw_factorial(world, runs, rng)
    main, shapley = truth.true_stage_gains(world)
    near((table[:, :, 0] - table[:, :, 1]).mean(axis=(1, 2)), main[1])
    assert sum(shapley) == pytest.approx(truth.true_gains(world)[deep])
    steps = truth.draw_steps(world, deep, truth.NONE, runs, rng)
    near(np.log(np.minimum(steps, truth.HORIZON)), truth.true_log_steps(world, deep, truth.NONE))
    stuck = truth.draw_logits(world, deep, truth.NONE, rng.standard_normal(runs), rng) > world.stuck
    near(stuck.astype(float), truth.true_failure_rate(world, deep, truth.NONE))


def near(values: np.ndarray, mean: float) -> None:
    """Within 4.5 standard errors."""
    assert abs(values.mean() - mean) <= 4.5 * values.std() / len(values) ** 0.5 + 1e-3


def test_the_synthetic_search_chases_good_candidates_and_prunes_bad_ones() -> None:
    world = truth.DIGITS
    rows = [row for s in range(40) for row in search.run_search(world, np.random.default_rng(s))]
    assert 0.2 < np.mean([row.pruned for row in rows]) < 0.7
    late = [row for i, row in enumerate(rows) if i % 60 >= 30]
    assert np.mean([row.choices[1] != 0 for row in late]) > 0.75


def test_the_committed_long_form_kept_its_bars() -> None:
    result = json.loads((ROOT / "experiments" / "planted_truth" / "result.json").read_text())
    assert result["studies_of_each_kind"] >= 300
    assert all(result["bars_kept"].values())
    assert not any(result["careless_analyses_keep_their_bar"].values())
