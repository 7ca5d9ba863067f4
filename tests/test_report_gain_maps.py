"""Maps of the gain over depth and width or budget, on twins whose gains are planted."""

from dataclasses import replace
from math import log2

import pytest
from optuna.storages import InMemoryStorage
from report_studies import make_study, make_twins

from nas.payoff.analysis import Payoff, analyse, compare
from nas.payoff.gain_maps import width_of
from nas.payoff.records import Twin
from nas.report.depth_sweep import Twins
from nas.report.document import Drawing
from nas.report.sections.gain_maps import gain_map_parts

SMALLEST = 5.0


def gain(twin: Twin) -> float:
    """Six points a doubling of depth from eight layers on, less in wide networks."""
    return 6 * (log2(twin.layers) - 3) * (1 - 0.4 * log2(width_of(twin.comparison) or 1))


def planted(twin: Twin) -> Twin:
    error = 4 + 0.1 * twin.seed + (gain(twin) if twin.arm == "none" else 0)
    return replace(twin, outcomes=twin.outcomes | {"train_error": error})


@pytest.fixture(scope="module")
def payoff() -> Payoff:
    study = make_study(InMemoryStorage(), trials=2)
    options = {"orders": ("post_activation",), "top": 0, "lr_factors": (1.0,), "seeds": 4}
    found = analyse(make_twins(study, depths=[1, 3, 5], widths=(2,), **options))
    twins = [twin for twin in found.twins if twin.arm in ("none", "identity")]
    fixed = {"vary": "shortcut", "smallest_effect": SMALLEST, "primary": found.primary}
    return compare([planted(twin) for twin in twins], fixed)


def test_the_contour_lies_where_the_planted_gain_is_the_smallest_effect(payoff: Payoff) -> None:
    ((name, model),) = payoff.maps.items()
    assert name == "none → identity, post_activation"
    assert model.dimensions == ("depth", "width")
    assert set(model.places) == {(8, 1), (20, 1), (32, 1), (8, 2), (32, 2)}
    (drawing,) = (part for part in gain_map_parts(Twins(payoff, {})) if isinstance(part, Drawing))
    heat, contour, surely, circles = drawing.figure.data
    assert contour.contours.start == contour.contours.end == SMALLEST
    row = list(heat.z[0])  # the width of the ladder
    reached = next(x for x, value in zip(heat.x, row, strict=True) if value >= SMALLEST)
    assert reached == pytest.approx(8 * 2 ** (SMALLEST / 6), rel=0.04)
    assert (surely.z <= contour.z).all()
    assert len(circles.x) == 5
    assert circles.text[0] == "0.0"


def test_a_ladder_alone_has_no_such_map(payoff: Payoff) -> None:
    ladder = [twin for twin in payoff.twins if twin.comparison == "ladder"]
    fixed = {"vary": "shortcut", "smallest_effect": SMALLEST, "primary": payoff.primary}
    bare = compare(ladder, fixed)
    assert bare.maps == {}
    assert gain_map_parts(Twins(bare, {})) == []
