"""The range of usable learning rates on errors whose dependence on the rate is planted."""

import math

import pytest

from nas.statistics import usable_rates

#: ten rates to a factor of ten, from 1e-4 to 10
FINE = [10 ** (k / 10 - 4) for k in range(51)]


def bowl(rate: float, best: float, curvature: float) -> float:
    """Error over the logarithm of the rate, 10 points at the best one."""
    return 10 + curvature * math.log10(rate / best) ** 2


@pytest.mark.parametrize(("curvature", "distance"), [(5.0, 5.0), (20.0, 5.0), (20.0, 1.25)])
def test_the_width_of_a_bowl_is_that_of_its_curvature(curvature: float, distance: float) -> None:
    errors = {rate: bowl(rate, 1e-2, curvature) for rate in FINE}
    found = usable_rates(errors, dict.fromkeys(FINE, True), distance=distance + 1e-6)
    assert found is not None
    assert found.width == pytest.approx(2 * math.sqrt(distance / curvature), abs=0.21)
    assert found.low * found.high == pytest.approx(1e-4, rel=0.01)
    assert not found.open_low
    assert not found.open_high
    assert found.usable == round(10 * found.width) + 1
    assert found.tried == 51


def test_a_range_that_reaches_an_end_may_go_on() -> None:
    errors = {0.01: 3.0, 0.03: 1.0, 0.1: 2.0, 0.3: 60.0}
    found = usable_rates(errors, dict.fromkeys(errors, True))
    assert found is not None
    assert (found.low, found.high, found.open_low, found.open_high) == (0.01, 0.1, True, False)
    assert found.width == pytest.approx(1)


def test_what_does_not_train_is_not_usable_however_near_its_error_is() -> None:
    errors = {0.01: 89.0, 0.03: 90.0, 0.1: 88.0}
    assert usable_rates(errors, dict.fromkeys(errors, False)) is None
    found = usable_rates(errors, {0.01: True, 0.03: False, 0.1: False})
    assert found is not None
    assert (found.low, found.high, found.width, found.usable) == (0.01, 0.01, 0.0, 1)


def test_rates_beyond_one_that_is_not_usable_do_not_count() -> None:
    errors = {0.01: 1.0, 0.03: 50.0, 0.1: 0.0, 0.3: 1.0}
    found = usable_rates(errors, dict.fromkeys(errors, True))
    assert found is not None
    assert (found.low, found.high) == (0.1, 0.3)
