"""Which block needs its shortcut: planted truths, the runs that are trained, the report."""

from itertools import combinations
from math import factorial

import numpy as np
import pytest
from placed import candidate

from nas import statistics as st
from nas.common.errors import StudyError
from nas.payoff.block_masks import MASKS, ORDERS, nested_masks, numbers, random_masks
from nas.payoff.plan import make_plan
from nas.payoff.runs import block_runs
from nas.report.sections.block_reliance import caption_of, points_of, scatter
from nas.report.sections.blocks import model_table, worth_by_block, worth_table
from nas.space.schema import PayoffSection
from nas.statistics.blocks import held_out_r2, levels, longest_run

#: what each block's shortcut is worth by itself
WORTH = np.array([6.0, 0.0, 3.0, 0.0, 1.0, 0.0, 2.0, 0.0])
NUM_BLOCKS = len(WORTH)


def planted(mask: tuple[int, ...], *, run: float = 0.0, both: float = 0.0) -> float:
    """The error of a mask: 40 less the worth of its shortcuts, more by the longest run without, and
    less by what the first two are worth together.
    """
    return float(40 - WORTH @ mask + run * longest_run(mask) - both * mask[0] * mask[1])


def drawn(number: int, seed: int, noise: float, **truth: float) -> st.BlockEffects:
    """Effects of masks drawn by a coin and of four random orders, with noise of runs and seeds."""
    random = np.random.default_rng(seed)
    masks = [tuple(map(int, random.integers(0, 2, NUM_BLOCKS))) for _ in range(number)]
    seeds = [index % 4 for index in range(number)]
    level = random.normal(0, 3, 4)
    errors = [
        planted(mask, **truth) + level[one] + random.normal(0, noise)
        for mask, one in zip(masks, seeds, strict=True)
    ]
    orders = []
    for _ in range(4):
        order = random.permutation(NUM_BLOCKS)
        nested = [
            tuple(int(b in order[:k]) for b in range(NUM_BLOCKS)) for k in range(NUM_BLOCKS + 1)
        ]
        shift = random.normal(0, 3)
        orders.append({m: planted(m, **truth) + shift + random.normal(0, noise) for m in nested})
    return st.block_effects(masks, seeds, errors, orders, largest=100)


def test_without_noise_the_planted_worths_come_out() -> None:
    found = drawn(24, 0, 0.0)
    assert [found.main[b].mean for b in range(NUM_BLOCKS)] == pytest.approx(WORTH)
    assert [found.shapley[b].mean for b in range(NUM_BLOCKS)] == pytest.approx(WORTH)
    assert found.total is not None
    assert found.total.mean == pytest.approx(WORTH.sum())
    assert found.r2["blocks"] == pytest.approx(1)
    assert found.r2["longest run"] < 0.9


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """95% of 2,400 intervals, between 93 and 96.5; blocks without worth are called sure in at most
    5% of studies, here of half of the blocks.
    """
    held, false = [], 0
    for seed in range(300):
        main = drawn(30, seed, 2.0).main
        held += [main[b].low <= WORTH[b] <= main[b].high for b in range(NUM_BLOCKS)]
        false += any(main[b].sure for b in range(NUM_BLOCKS) if WORTH[b] == 0)
    assert 0.93 <= np.mean(held) <= 0.965
    assert false / 300 <= 0.05


def test_the_longest_run_is_told_from_single_blocks() -> None:
    """Where the run alone matters it foretells held-out masks, and its slope is in its interval in
    about 95% of studies; where it does not, it is sure in about 5%.
    """
    inside, sure_without = [], []
    for seed in range(200):
        run = drawn(40, seed, 1.0, run=4.0).run
        assert run is not None
        inside.append(run.low <= 4 <= run.high)
        none = drawn(40, seed, 1.0).run
        assert none is not None
        sure_without.append(none.sure)
    assert np.mean(inside) >= 0.9
    assert np.mean(sure_without) <= 0.1
    found = drawn(40, 0, 1.0, run=4.0)
    assert found.r2["blocks and longest run"] > max(found.r2["blocks"], found.r2["longest run"])
    assert found.r2["blocks and longest run"] > 0.8


def test_nothing_is_foretold_of_noise() -> None:
    found = [drawn(30, seed, 1.0) for seed in range(3)]
    assert all(one.r2["blocks"] > 0.5 for one in found)
    random = np.random.default_rng(0)
    scores = []
    for _ in range(50):
        masks = random.integers(0, 2, (30, NUM_BLOCKS)).astype(float)
        level = levels([index % 4 for index in range(30)])
        scores.append(held_out_r2(level, masks, random.normal(size=30)) or 0.0)
    assert np.median(scores) < 0


def test_shapley_values_are_those_of_the_definition_in_the_mean() -> None:
    """Two blocks that help only together share their gain; each sampled order gives it to one."""
    exact = np.zeros(NUM_BLOCKS)
    for block in range(NUM_BLOCKS):
        others = [b for b in range(NUM_BLOCKS) if b != block]
        for size in range(NUM_BLOCKS):
            weight = factorial(size) * factorial(NUM_BLOCKS - size - 1) / factorial(NUM_BLOCKS)
            for some in combinations(others, size):
                off = tuple(int(b in some) for b in range(NUM_BLOCKS))
                on = tuple(int(b in some or b == block) for b in range(NUM_BLOCKS))
                exact[block] += weight * (planted(off, both=8) - planted(on, both=8))
    assert exact == pytest.approx(WORTH + [4, 4, 0, 0, 0, 0, 0, 0])
    means = [
        [one.shapley[b].mean for b in range(NUM_BLOCKS)]
        for one in (drawn(0, seed, 0.0, both=8) for seed in range(100))
    ]
    assert np.mean(means, axis=0) == pytest.approx(exact, abs=0.6)
    totals = [sum(row) for row in means]
    assert totals == pytest.approx([WORTH.sum() + 8] * 100)


def test_too_few_masks_say_nothing() -> None:
    found = drawn(12, 0, 1.0)
    assert found.main == {}
    assert found.run is None
    assert "blocks" not in found.r2
    assert all(drawn(st.enough_masks(NUM_BLOCKS, 4) + 3, seed, 1.0).main for seed in range(50))


# The runs.


def test_masks_are_all_different_and_more_of_them_go_on() -> None:
    masks = random_masks(12, 60)
    assert len(set(masks)) == 60
    assert random_masks(12, 40) == masks[:40]
    assert len(random_masks(3, 60)) == 8
    shares = np.mean(random_masks(12, 400), axis=0)
    assert all(0.4 < share < 0.6 for share in shares)


def test_orders_add_one_shortcut_after_the_other() -> None:
    nested = nested_masks(6, 0)
    assert [sum(mask) for mask in nested] == list(range(7))
    assert all(
        low <= high
        for a, b in zip(nested, nested[1:], strict=False)
        for low, high in zip(a, b, strict=True)
    )
    assert nested_masks(6, 1) != nested


def asked(**changes: object) -> PayoffSection:
    given = {"top": 0, "seeds": 2, "depths": [3], "arms": ["identity", "none"], "stages": False}
    return PayoffSection.model_validate(given | {"lr_factors": [1.0]} | changes)


def test_runs_of_masks_and_orders() -> None:
    plan = make_plan(asked(block_masks=14, block_orders=2), [candidate()])
    runs = list(block_runs(plan))
    masks = [run for run in runs if run.cell.comparison == MASKS]
    assert [run.cell.seed for run in masks] == [0, 1] * 7
    orders = [run for run in runs if run.cell.comparison == ORDERS]
    assert [run.cell.seed for run in orders] == [0] * 7 + [1] * 7
    for run in runs:
        blocks = run.candidate.architecture.blocks()
        assert tuple(int(block.shortcut != "none") for block in blocks) == numbers(run.cell.arm)
    assert list(block_runs(make_plan(asked(), [candidate()]))) == []


def test_too_few_masks_are_refused_before_anything_is_trained() -> None:
    with pytest.raises(StudyError, match="8 masks are too few for 6 blocks and 2 seeds: write 13"):
        make_plan(asked(block_masks=8), [candidate()])


# The report.


def test_the_report_shows_every_block_in_both_ways() -> None:
    found = drawn(30, 1, 2.0)
    figure = worth_by_block(found, [4])
    assert [trace.name for trace in figure.data] == [
        "main effect, random masks",
        "Shapley value, random orders",
    ]
    assert all(len(trace.x) == NUM_BLOCKS for trace in figure.data)
    assert len(worth_table(found, "title").rows) == NUM_BLOCKS
    assert [row[1] for row in model_table({"train_error": found}).rows] == list(found.r2)


def test_worth_and_reliance_stand_in_one_figure() -> None:
    """Blocks that cannot be left out are not in it; of losses in the order of the worths, all."""
    found = drawn(30, 0, 0.5)
    order = np.argsort([found.main[block].mean for block in range(NUM_BLOCKS)])
    rise = {int(block): float(place) for place, block in enumerate(order)}
    losses = [
        None if block == 3 else st.paired_effect([rise[block] - 0.1, rise[block] + 0.1])
        for block in range(NUM_BLOCKS)
    ]
    points = points_of(found, losses)
    assert [one.block for one in points] == [1, 2, 3, 5, 6, 7, 8]
    assert "rank correlation over 7 blocks: +1.00" in caption_of(points, "retaken")
    assert list(scatter(points).data[0].text) == [str(one.block) for one in points]
