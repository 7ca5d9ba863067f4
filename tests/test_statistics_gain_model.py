"""A model of the gain over depth, width and budget, on gains that are known."""

from itertools import product

import numpy as np
import pytest

from nas import statistics as st

NAMES = ("depth", "width", "budget")
PLACES = [*product((8, 20, 32, 56), (1, 2), (1,)), (8, 1, 4), (56, 1, 4)]


def true_gain(place: tuple[float, ...]) -> float:
    """Rises with depth, the less the wider and the longer."""
    depth, width, budget = np.log2(place)
    return 6 * (depth - 3) * (1 - 0.5 * width) - 2 * budget


def drawn(rng: np.random.Generator, noise: float, seeds: int = 6) -> dict:
    lucky = rng.normal(0, noise, seeds)
    return {
        place: {s: true_gain(place) + lucky[s] + rng.normal(0, noise) for s in range(seeds)}
        for place in PLACES
    }


def test_without_noise_the_model_is_the_truth_between_the_places_too() -> None:
    found = st.gain_model(drawn(np.random.default_rng(0), 0.0), NAMES)
    assert found is not None
    assert found.dimensions == NAMES
    assert found.r2 == pytest.approx(1)
    assert 0 < found.left_out < len(PLACES)  # without a corner of the budget nothing is left of it
    new = np.array([(14.0, 1.5, 1.0), (40.0, 1.0, 1.0), (40.0, 2.0, 1.0)])
    mean, low, high = found.at(new)
    assert mean == pytest.approx([true_gain(place) for place in new])
    assert low == pytest.approx(high)


def test_the_interval_over_seeds_holds_the_truth() -> None:
    rng = np.random.default_rng(1)
    new = np.array([(28.0, 1.0, 1.0)])
    held = 0
    for _ in range(200):
        found = st.gain_model(drawn(rng, 2.0), NAMES)
        assert found is not None
        _, low, high = found.at(new)
        held += bool(low[0] <= true_gain(new[0]) <= high[0])
    assert 0.9 <= held / 200 <= 0.99


def test_a_dimension_that_does_not_vary_is_left_out_and_one_alone_is_no_map() -> None:
    every = drawn(np.random.default_rng(2), 1.0)
    two = {place: row for place, row in every.items() if place[2] == 1}
    found = st.gain_model(two, NAMES)
    assert found is not None
    assert found.dimensions == ("depth", "width")
    one = {place: row for place, row in two.items() if place[1] == 1}
    assert st.gain_model(one, NAMES) is None
    assert st.gain_model({}, NAMES) is None


def test_of_the_ends_alone_it_is_an_interpolation_through_them() -> None:
    rows = drawn(np.random.default_rng(4), 1.0)
    ends = {p: row for p, row in rows.items() if p[0] in (8, 56) and p[2] == 1}
    found = st.gain_model(ends, NAMES)
    assert found is not None
    assert (found.r2, found.left_out, found.holds) == (None, 0, True)
    assert found.at(np.array(found.places))[0] == pytest.approx(found.gains)


def test_a_model_of_noise_does_not_hold() -> None:
    rng = np.random.default_rng(3)
    places = [*product((8, 14, 20, 32, 44, 56), (1, 2), (1,))]
    noise = [
        st.gain_model({p: {s: rng.normal() for s in range(6)} for p in places}, NAMES)
        for _ in range(50)
    ]
    assert sum(one.holds for one in noise if one) <= 3
