"""Measures of a run, from the training losses it recorded: plain Python, at no cost.

`losses` are the cross-entropies of the training batches in nats, one for each step. Guessing has a
loss of ln(num_classes), against which every threshold is set.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

Losses = Sequence[float]

#: steps in a moving average
WINDOW = 10
#: thresholds of the loss, as shares of ln(num_classes)
THRESHOLDS = {"steps_to_90": 0.9, "steps_to_75": 0.75, "steps_to_50": 0.5, "steps_to_25": 0.25}
#: the share of ln(num_classes) under which a run has started
STARTED = 0.95


def moving_average(losses: Losses, window: int = WINDOW) -> list[float]:
    """Entry t is the mean of steps t to t + window - 1; of all steps where there are fewer."""
    window = min(window, len(losses))
    return [sum(losses[t : t + window]) / window for t in range(len(losses) - window + 1) if window]


def loss_area(losses: Losses, num_classes: float, *, num_steps: int | None = None) -> float | None:
    """Area under the training-loss curve, as its mean: (1/T) sum_t loss_t.

    The training speed estimate of Ru et al. 2021 (TSE), divided by the number of steps. So that a
    run that broke is not the better for it, a step without a finite loss counts as guessing,
    ln(num_classes), and so do steps missing from `num_steps`.
    """
    guessing = math.log(num_classes)
    counted = [loss if math.isfinite(loss) else guessing for loss in losses]
    counted += [guessing] * ((num_steps or 0) - len(counted))
    return math.fsum(counted) / len(counted) if counted else None


def steps_to_threshold(losses: Losses, threshold: float, window: int = WINDOW) -> int | None:
    """The steps made when the mean loss of the last `window` is first under the threshold.

    min {t: mean(loss_t-window .. loss_t-1) < threshold}, so `window` at least; None if it never is.
    None is censored at the end of the run: such runs belong in a restricted mean, never dropped
    (compare DAWNBench, Coleman et al. 2017).
    """
    averages = enumerate(moving_average(losses, window), start=min(window, len(losses)))
    return next((made for made, average in averages if average < threshold), None)


def in_steps_made(measures: dict[str, Any]) -> dict[str, Any]:
    """The measures of a result that was stored without its number of steps: its steps to a
    threshold are those before the window of the moving average, which was made too.
    """
    steps = {name: measures.get(name) for name in THRESHOLDS}
    return measures | {name: made + WINDOW for name, made in steps.items() if isinstance(made, int)}


def started(losses: Losses, num_classes: float) -> bool:
    """Whether a moving average of the loss was ever under 0.95 ln(num_classes).

    Guessing in the proportions of the classes gives ln(num_classes) at best where they are
    balanced; a run that never gets clearly under it did not start (the plain 110-layer network
    of He et al. 2015, section 4.2, is of this kind).
    """
    return steps_to_threshold(losses, STARTED * math.log(num_classes)) is not None


def diverged(losses: Losses, num_classes: float) -> bool:
    """Whether a loss was not finite, or the run started and ended at ln(num_classes) or above.

    The end is the last moving average. A run that stayed finite without ever starting did not
    diverge: the two failures have different causes and are counted apart.
    """
    if not all(map(math.isfinite, losses)):
        return True
    return started(losses, num_classes) and moving_average(losses)[-1] >= math.log(num_classes)


def trains(measures: Mapping[str, Any]) -> bool:
    """Whether a run, by its measures, is more than guessing: `started` and not `diverged`, as far
    as is known. The one definition of a network that trains.

    The loss decides and not the error: the 23 runs of experiments/depth_ladder that guess by their
    loss have training errors of 83 to 90%, where guessing has 90 and no other run more than 83.
    """
    return bool(measures.get("started", True)) and not measures.get("diverged")


def generalisation_gap(train_error: float | None, val_error: float | None) -> float | None:
    """Validation error less training error, both in evaluation mode; None where one is missing.

    Degradation is an effect on the training error (He et al. 2015, section 1): a gap tells how much
    of a gain in validation error is something else.
    """
    if train_error is None or val_error is None:
        return None
    gap = val_error - train_error
    return gap if math.isfinite(gap) else None
