"""Twins picture by picture."""

import numpy as np
import pytest

from nas import statistics as st


def test_shares_add_up_and_mcnemar_is_told_where_six_pictures_disagree() -> None:
    reference = [[True] * 6 + [False] * 14, [True] * 10 + [False] * 10]
    arm = [[True] * 14 + [False] * 6, [True] * 10 + [False] * 10]
    found = st.agreement(reference, arm)
    assert (found.both, found.only_reference, found.only_arm, found.neither) == (40, 0, 20, 40)
    assert found.gain == 20
    assert found.p_values == (pytest.approx(2 / 2**8), None)
    assert (found.n, found.pictures) == (2, 20)
    assert st.agreement(reference[:1], arm[:1]).low is None


def twins(
    rng: np.random.Generator, gain: float, seeds: int, pictures: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures are easy or hard and seeds lucky or not; the arm is better by `gain` logits."""
    hard, luck = rng.normal(0, 2, pictures), rng.normal(0, 0.4, (2, seeds, 1))
    own = rng.logistic(size=(2, seeds, pictures))
    skill = np.array([1.0, 1.0 + gain])[:, None, None]
    right = skill + luck - hard + own > 0
    return right[0], right[1]


@pytest.mark.parametrize(("gain", "seeds"), [(0.0, 5), (0.6, 5), (0.6, 8)])
def test_the_interval_over_seeds_and_pictures_holds_the_truth_of_all_pictures(
    gain: float, seeds: int
) -> None:
    rng = np.random.default_rng(seeds)
    many = twins(np.random.default_rng(99), gain, 400, 4000)
    true = 100 * (many[1].mean() - many[0].mean())
    studies = [st.agreement(*twins(rng, gain, seeds, 150)) for _ in range(150)]
    held = np.mean([one.low <= true <= one.high for one in studies])
    assert held >= 0.92
    widths = np.median([one.high - one.low for one in studies])
    spread = np.std([one.gain for one in studies])
    assert widths < 9 * spread  # conservative, and no wider than it must be
