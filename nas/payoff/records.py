"""Twins that have finished: one run at one place of the comparison, with what was measured."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from nas.payoff.random_parts import random_parts
from nas.payoff.runs import RunKey
from nas.training.metrics.run import in_steps_made, trains

#: measures in which arms are compared: name -> (label, unit); all are better when smaller
OUTCOMES = {
    "train_error": ("training error", "points"),
    "val_error": ("validation error", "points"),
    "loss_area": ("mean training loss", "nats"),
}
#: comparisons of networks with some of their shortcuts, and what an arm of theirs is called that is
#: none of the other arms
SOME_SHORTCUTS = {
    "stages": "with shortcuts in some stages",
    "masks": "with shortcuts in some blocks",
    "orders": "with shortcuts in some blocks",
}


def in_points(error: float | None, *, of_number: bool) -> float:
    """An error in points. Where a number is predicted it is 1 - R^2 and counts as 100 points at
    most, those of guessing the mean: also of networks that are worse, or whose outputs are no
    numbers (None).
    """
    if of_number:
        return 100.0 if error is None else min(100.0, 100 * error)
    assert error is not None
    return 100 * error


def lost(accuracy: float | None) -> float | None:
    """What is missing to 1; None of None."""
    return None if accuracy is None else 1 - accuracy


def largest(outcome: str) -> float:
    """The largest value an outcome can have."""
    return 100.0 if OUTCOMES[outcome][1] == "points" else math.inf


@dataclass(frozen=True, kw_only=True)
class Twin(RunKey):
    """A finished run at one place; errors in points (per cent). curve: training loss and validation
    error by epoch; empty where they are not known. finished: what was measured of the finished
    network, on request. left_out: what it left out of itself at random in training.
    """

    trial: int
    layers: int
    parameters: int
    epochs: int
    steps: int
    outcomes: dict[str, float]
    failed: bool
    steps_to: int | None
    initial_hash: str
    seconds: float
    curve: Sequence[Sequence[float]] = ()
    finished: Mapping[str, Any] = field(default_factory=dict)
    left_out: str = ""


def shortened(text: Any) -> Any:
    """A stored result with the last of its losses alone: they are most of it, and not compared.
    What is no text, as in a damaged study, stays as it is."""
    if not isinstance(text, str):
        return text
    head, found, rest = text.partition('"losses": [[')
    losses, ended, tail = rest.partition("]]")
    return f"{head}{found}{losses.rpartition('[')[2]}{ended}{tail}" if ended else text


def run_keys_of(noted: Mapping[str, Any], trial: FrozenTrial) -> list[RunKey]:
    """All places of a run in the comparison; `noted` are the attributes of the study."""
    kept = trial.user_attrs.get("cells", []) + noted.get(f"cells_{trial.number}", [])
    return [RunKey(**cell) for cell in kept]


def finished_twins(noted: Mapping[str, Any], trials: Iterable[FrozenTrial]) -> list[Twin]:
    """Every finished run at each of its places; `noted` are the attributes of the study."""
    done = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    measured = [trial for trial in done if "result" in trial.user_attrs]
    return [twin(trial, cell) for trial in measured for cell in run_keys_of(noted, trial)]


def twin(trial: FrozenTrial, cell: RunKey) -> Twin:
    """A trial at one place."""
    attrs, result = trial.user_attrs, json.loads(trial.user_attrs["result"])
    measures, steps = result["measures"], result.get("steps")
    of_number = any("val_r2" in record for record in result["curve"][-1:])
    if steps is None:
        measures, steps = in_steps_made(measures), steps_of(result)
    return Twin(
        trial=trial.number,
        **vars(cell),
        layers=attrs["layers"],
        parameters=attrs["parameters"],
        epochs=len(result["curve"]),
        steps=steps,
        outcomes={
            "train_error": in_points(measures["train_error"], of_number=of_number),
            "val_error": in_points(lost(attrs["val_accuracy"]), of_number=of_number),
            "loss_area": measures["loss_area"],
        },
        failed=not trains(measures),
        steps_to=measures["steps_to_75"],
        initial_hash=result["initial_hash"],
        seconds=result["seconds"],
        curve=curve_of(result["curve"]),
        finished=finished if isinstance(finished := result.get("finished"), dict) else {},
        left_out=random_parts(attrs.get("candidate")),
    )


def curve_of(records: Iterable[Any]) -> tuple[tuple[float, float], ...]:
    """Training loss in nats and validation error in points by epoch, to five digits; none where one
    of them is missing or not finite. Of numbers the loss is a mean square.
    """
    try:
        values = [
            (one["train_loss"], in_points(1 - one["val_accuracy"], of_number="val_r2" in one))
            for one in records
        ]
        found = [(round(float(loss), 5), round(float(error), 5)) for loss, error in values]
    except (KeyError, TypeError, ValueError):
        return ()
    return tuple(found) if all(map(math.isfinite, (x for row in found for x in row))) else ()


def steps_of(result: dict[str, Any]) -> int:
    """The steps of a result stored without them: epochs have equally many, and the last of the
    thinned losses stands at the step that its stretch began with.
    """
    epochs = len(result["curve"])
    at_least = result["losses"][-1][0] + 1 if result["losses"] else 0
    return -(-at_least // epochs) * epochs


def whole_epochs(twins: Iterable[Twin]) -> list[int]:
    """The epochs of trainings that ran to their end; runs that diverge break off before."""
    known = list(twins)
    return sorted({one.epochs for one in known if not one.failed} or {t.epochs for t in known})


def failures_by_arm(twins: Iterable[Twin]) -> dict[str, int]:
    """Arm -> how many of its runs did not train, from all places of a run, most first.

    A run may stand at several places. As one with shortcuts in some stages or blocks it counts
    under the arm that it is elsewhere, and only else as one with some of the shortcuts.
    """
    arms: dict[int, set[str]] = {}
    for one in twins:
        if one.failed:
            arms.setdefault(one.trial, set()).add(SOME_SHORTCUTS.get(one.comparison, one.arm))
    counts = Counter(
        arm for names in arms.values() for arm in names - set(SOME_SHORTCUTS.values()) or names
    )
    return dict(counts.most_common())
