"""What is measured of signal and gradient: one function for each measure, which tells formula and
source, with how it is printed and read.

Those of a run read the losses it recorded, those of a probe a few training pictures, those of a
finished network validation pictures. Loads neither torch nor numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from nas.common.registry import Entry, Registry

#: steps of training after which the probes are taken, besides the end: readings of one step are
#: compared with readings of the same step only, as gradient ratios turn over within ten steps
PROBE_STEPS = (0, 1, 10, 50)


@dataclass(frozen=True, kw_only=True)
class Measure(Entry):
    """A function of a `Run`, of probes of a `nas.training.metrics.subject.Subject`, of finished
    networks of a `nas.training.metrics.finished.Finished`; how the measure is named, printed and
    read.

    A direction of None means that neither more nor less of it is good. With by_block the value is
    a list, from input to output. A measure that is not default is taken on request only; one of
    pictures has no meaning for rows of a table.
    """

    label: str
    source: Literal["run", "probe", "finished"]
    unit: str = ""
    format: str = ".3g"
    direction: Literal["minimize", "maximize"] | None = None
    by_block: bool = False
    default: bool = True
    of_pictures: bool = False


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run as it was recorded: the cross-entropies of its training batches in nats, one for each
    step, and its errors; num_steps where it was to be longer and broke off. Where the losses are
    squares of standardised numbers, guessing has a loss of 1, as of e classes.
    """

    losses: Sequence[float]
    num_classes: float
    train_error: float | None = None
    val_error: float | None = None
    num_steps: int | None = None


MEASURES: Registry[Measure] = Registry("measure", Measure, home="nas.training.metrics.measures")


def run_measures() -> dict[str, Measure]:
    """Name -> measure of a run."""
    return {name: one for name, one in MEASURES.parts().items() if one.source == "run"}


def measure_run(run: Run) -> dict[str, float | int | bool | None]:
    """All measures of one run by name."""
    return {name: one(run) for name, one in run_measures().items()}


def probe_measures() -> dict[str, Measure]:
    """Name -> measure from a few pictures."""
    return {name: one for name, one in MEASURES.parts().items() if one.source == "probe"}


def default_probes() -> tuple[str, ...]:
    """The probes that are taken where none are named."""
    return tuple(name for name, one in probe_measures().items() if one.default)


def probe_names() -> list[str]:
    """All probes that there are."""
    return list(probe_measures())


def finished_measures() -> dict[str, Measure]:
    """Name -> measure of a finished network."""
    return {name: one for name, one in MEASURES.parts().items() if one.source == "finished"}


def finished_names() -> list[str]:
    """All measures of a finished network that there are."""
    return list(finished_measures())
