"""The parts of a gain in validation error, on curves whose parts are known by construction."""

from collections.abc import Callable

import numpy as np
import pytest

from nas import statistics as st
from nas.statistics.equal_loss import Curve

GUESSING = np.log(10)
FINE = 200
Loss = Callable[[np.ndarray], np.ndarray]


def falling(speed: float, epochs: int, shape: str) -> Loss:
    """A training loss over time in epochs: an exponential under a cosine schedule, or a power."""
    pace = speed * 4 / epochs

    def cosine(time: np.ndarray) -> np.ndarray:
        rate = time / 2 + epochs / (2 * np.pi) * np.sin(np.pi * time / epochs)
        return GUESSING * np.exp(-pace * rate)

    def power(time: np.ndarray) -> np.ndarray:
        return GUESSING / (1 + pace * time)

    return cosine if shape == "cosine" else power


def curve(loss: Loss, epochs: int, offset: float = 0.0) -> Curve:
    """What a trial stores of such a training, whose validation error hangs on its loss alone: mean
    loss of each epoch, error at its end.
    """
    time = np.linspace(0, epochs, epochs * FINE + 1)
    losses = loss(time)
    means = losses[:-1].reshape(epochs, FINE).mean(axis=1)
    errors = offset + 70 * (1 - np.exp(-1.2 * losses[FINE::FINE] / GUESSING))
    return list(zip(means.tolist(), errors.tolist(), strict=True))


@pytest.mark.parametrize("shape", ["cosine", "power"])
@pytest.mark.parametrize("epochs", [8, 12, 30])
@pytest.mark.parametrize(("slow", "fast"), [(0.5, 1.5), (1.0, 1.3), (1.3, 1.0)])
def test_what_is_left_at_equal_loss_is_recovered_whichever_twin_is_faster(
    shape: str, epochs: int, slow: float, fast: float
) -> None:
    reference = curve(falling(slow, epochs, shape), epochs, offset=2.0)
    arm = curve(falling(fast, epochs, shape), epochs)
    met = st.meeting(reference, arm)
    assert met is not None
    assert met.reference - met.arm == pytest.approx(2.0, abs=0.3)
    naive = reference[-1][1] - np.interp(-met.loss, [-x for x, _ in arm], [y for _, y in arm])
    if fast > slow:  # an epoch's mean loss beside the error at its end favours the faster twin
        assert naive - 2 > abs(met.reference - met.arm - 2)


def planted(rng: np.random.Generator, left: float, *, trains: bool = True) -> st.Pair:
    """Twins of a seed: the arm is faster, `left` points stay at equal loss, both with noise."""
    reference = curve(falling(0.8 * rng.uniform(0.9, 1.1), 15, "power"), 15, left)
    arm = curve(falling(1.5 * rng.uniform(0.9, 1.1), 15, "power"), 15)
    if not trains:
        reference = [(GUESSING, 90.0)] * 15
    reference = [(loss, error + rng.normal(0, 0.5)) for loss, error in reference]
    return st.Pair(reference, arm, trains, reference[-1][1] - arm[-1][1])


def test_planted_parts_are_recovered_with_their_interval_and_add_up() -> None:
    rng = np.random.default_rng(0)
    studies = [[planted(rng, 3.0) for _ in range(6)] for _ in range(100)]
    found = [st.equal_loss(study) for study in studies]
    covered = [one.equal.low <= 3.0 <= one.equal.high for one in found if one.equal]
    assert len(covered) == 100
    assert sum(covered) >= 88
    none = [st.equal_loss([planted(rng, 0.0) for _ in range(6)]) for _ in range(100)]
    assert sum(one.equal.resolved for one in none if one.equal) <= 12
    for one, study in zip(found, studies, strict=True):
        assert one.total == pytest.approx(np.mean([pair.gain for pair in study]))
        assert one.trains == 0
        assert one.sooner > 5


def test_of_twins_that_do_not_train_all_of_the_gain_is_that() -> None:
    rng = np.random.default_rng(1)
    failing, whole = planted(rng, 3.0, trains=False), [planted(rng, 3.0) for _ in range(3)]
    mixed = st.equal_loss([failing, *whole])
    assert mixed.both is not None
    assert mixed.equal is not None
    assert (mixed.failed, mixed.both.n, mixed.equal.n) == (1, 3, 4)
    assert mixed.trains == pytest.approx(failing.gain / 4)
    assert mixed.equal.mean == pytest.approx(mixed.both.mean * 3 / 4)
    alone = st.equal_loss([failing])
    assert alone.both is None
    assert alone.trains == alone.total == failing.gain


def test_twins_whose_losses_never_meet_are_counted_and_left_out() -> None:
    slow = [(2.2, 80.0), (2.0, 70.0), (1.9, 60.0)]
    fast = [(1.5, 40.0), (0.5, 20.0), (0.3, 15.0)]
    assert st.meeting(slow, fast) is None
    assert st.meeting(fast, slow) is None
    pair = st.Pair(slow, fast, True, 45.0)
    alone = st.equal_loss([pair])
    assert (alone.equal, alone.apart, np.isnan(alone.total)) == (None, 1, True)
    found = st.equal_loss([pair, planted(np.random.default_rng(2), 3.0)])
    assert found.equal is not None
    assert (found.apart, found.equal.n, found.epochs, found.is_coarse) == (1, 1, 3, True)


def test_of_a_loss_that_rises_again_the_first_time_counts() -> None:
    reference = [(2.0, 70.0), (1.0, 50.0), (0.9, 40.0)]
    arm = [(2.0, 60.0), (1.5, 50.0), (0.5, 30.0), (1.2, 90.0), (0.4, 20.0)]
    met = st.meeting(reference, arm)
    # reference: ends and middles (1.41, 70), (1.0, 60), (0.95, 50), (0.9, 45)
    # arm: (1.73, 60), (1.5, 55), (0.87, 50), ...
    end = (1.5 * 0.5) ** 0.5
    assert met == (0.9, 45.0, pytest.approx(55 - (1.5 - 0.9) / (1.5 - end) * 5))
