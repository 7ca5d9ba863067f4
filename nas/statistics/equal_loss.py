"""A gain in validation error in three parts: does a network train at all, how fast, and what is
left where both twins have the same training loss.

The mean training loss of an epoch is that of its middle, its validation error that of its end. Put
together as they are, they favour the arm that learns faster: of made-up curves with 2 points at
equal loss, 12 epochs and three times the speed they give 6.6. So both are taken at the same times,
in the middle of epochs and at their ends: the error in the middle is the mean of those before and
after it, the loss at the end the geometric mean of those of the epochs around it, as losses fall in
proportion. That gives 2.2. Of fewer than 8 epochs the rest of that error can be a point.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan, sqrt
from statistics import fmean
from typing import NamedTuple

from nas.statistics.paired import Effect, paired_effect

#: epochs from which on a curve is fine enough
FEWEST_EPOCHS = 8
#: training loss and validation error by epoch
Curve = Sequence[Sequence[float]]
Point = tuple[float, float]


class Meeting(NamedTuple):
    """The lowest training loss that both twins reached, in nats, and the validation errors in
    points that they had when they first did.
    """

    loss: float
    reference: float
    arm: float


class Pair(NamedTuple):
    """Twins of one seed: their curves, whether both train, and the gain at the end of the training,
    reference less arm.
    """

    reference: Curve
    arm: Curve
    train: bool
    gain: float


@dataclass(frozen=True)
class EqualLoss:
    """Where the points of a gain in validation error come from: total = trains + sooner + equal, as
    means over the pairs that can be told apart.

    trains: of pairs of which a run does not train, all of the gain. sooner: of the others, what is
    not left at equal training loss. equal: what is left there, 0 in pairs of which a run does not
    train; `failed` are so many. both: the same among the pairs that both train, None without any.
    `apart` further pairs both train and have no training loss in common, as one twin got below all
    of the other's within its first epochs; if there are no others, nothing is known. epochs: the
    fewest of a curve.
    """

    total: float
    trains: float
    sooner: float
    equal: Effect | None
    both: Effect | None
    failed: int
    apart: int
    epochs: int

    @property
    def is_coarse(self) -> bool:
        """Whether the curves have so few epochs that the parts are rough."""
        return self.epochs < FEWEST_EPOCHS


class Parts(NamedTuple):
    """Those of one pair, in points; `train` tells whether both its runs do."""

    trains: float
    sooner: float
    equal: float
    train: bool


def equal_loss(pairs: Iterable[Pair], *, largest: float = 100.0) -> EqualLoss:
    """The parts of a gain, from twins of several seeds, whose errors are `largest` at most."""
    every = list(pairs)
    parts = [found for pair in every if (found := parts_of(pair))]
    trains, sooner = (fmean(part[index] for part in parts) if parts else nan for index in (0, 1))
    equal = effect([part.equal for part in parts], largest)
    return EqualLoss(
        total=trains + sooner + equal.mean if equal else nan,
        trains=trains,
        sooner=sooner,
        equal=equal,
        both=effect([part.equal for part in parts if part.train], largest),
        failed=sum(not part.train for part in parts),
        apart=len(every) - len(parts),
        epochs=min((len(curve) for pair in every for curve in pair[:2] if curve), default=0),
    )


def effect(points: list[float], largest: float) -> Effect | None:
    """The mean of some pairs, with its interval; None of no pairs."""
    return paired_effect(points, bounds=(-largest, largest)) if points else None


def parts_of(pair: Pair) -> Parts | None:
    """The parts of one gain; None if both train and their losses have nothing in common."""
    if not pair.train:
        return Parts(pair.gain, 0.0, 0.0, False)
    met = meeting(pair.reference, pair.arm)
    if met is None:
        return None
    left = met.reference - met.arm
    return Parts(0.0, pair.gain - left, left, True)


def meeting(reference: Curve, arm: Curve) -> Meeting | None:
    """Where both twins have the lowest training loss that both reached, each at the first time;
    None if one was below it from its first point on.
    """
    first, second = matched(reference), matched(arm)
    if not first or not second:
        return None
    loss = max(min(loss for loss, _ in points) for points in (first, second))
    ends = error_at(first, loss), error_at(second, loss)
    if ends[0] is None or ends[1] is None:
        return None
    return Meeting(loss, ends[0], ends[1])


def matched(curve: Curve) -> list[Point]:
    """Training loss and validation error at the end of the first epoch, in the middle of the second
    one, and so on up to the middle of the last one.
    """
    points = []
    for (first, before), (second, after) in zip(curve, curve[1:], strict=False):
        points.append((sqrt(max(0.0, first * second)), before))
        points.append((second, (before + after) / 2))
    return points


def error_at(points: Sequence[Point], loss: float) -> float | None:
    """The validation error when the training loss first was as low, between two points by a
    straight line; None if it was lower from the first point on.
    """
    if points[0][0] <= loss:
        return points[0][1] if points[0][0] == loss else None
    for (high, before), (low, after) in zip(points, points[1:], strict=False):
        if low <= loss:
            return before + (high - loss) / (high - low) * (after - before)
    return None
