"""What finished twins stand: noise, rounding, changed pictures; and where they differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas import statistics as st

#: keys of what a run stored beside its measures, as in `nas.training.metrics.finished`
RIGHT, PICTURES, SPLIT = "right", "pictures", "split"
#: of a run: measure -> value, of some a list by block
Measured = Mapping[str, Any]


@dataclass(frozen=True)
class AfterTraining:
    """Finished twins at one depth, on the same pictures of one split; gains are reference less arm
    in points, positive where the arm is better. clean: in the error as it is. gains: in each
    measure.
    """

    clean: st.Effect
    gains: dict[str, st.Effect]
    agreement: st.Agreement
    split: str = "validation"


def after_training(rows: Sequence[tuple[Measured, Measured]]) -> AfterTraining | None:
    """The twins of several seeds that were measured on equally many pictures of one split; None
    without any.
    """
    measured = [pair for pair in rows if all(map(is_measured, pair))]
    alike = [(a, b) for a, b in measured if pictures_of(a) == pictures_of(b)]
    known = [(a, b) for a, b in alike if pictures_of(a) == pictures_of(alike[0][0])]
    if not known:
        return None
    reference, arm = ([bits(pair[side]) for pair in known] for side in (0, 1))
    errors = [100 * (1 - np.mean(side, axis=1)) for side in (reference, arm)]
    return AfterTraining(
        clean=effect(errors[0] - errors[1]),
        gains=gains(known),
        agreement=st.agreement(reference, arm),
        split=split_of(known[0][0]),
    )


def gains(known: Sequence[tuple[Measured, Measured]]) -> dict[str, st.Effect]:
    """The gain in each measure that is a number of every run."""
    names = [name for name in known[0][0] if name not in (RIGHT, PICTURES, SPLIT)]
    found = {}
    for name in names:
        values = [pair[side].get(name) for pair in known for side in (0, 1)]
        numbers = [x for x in values if isinstance(x, int | float)]
        if len(numbers) == len(values):
            found[name] = effect(100 * (np.array(numbers[::2]) - np.array(numbers[1::2])))
    return found


def effect(differences: st.Array) -> st.Effect:
    """In points."""
    return st.paired_effect(differences, bounds=(-100.0, 100.0))


def pictures_of(run: Measured) -> tuple[int, str]:
    """How many pictures a run was measured on, of which split."""
    return run[PICTURES], split_of(run)


def split_of(run: Measured) -> str:
    """The split that a run was measured on."""
    return str(run.get(SPLIT, "validation"))


def is_measured(run: Measured) -> bool:
    """Whether a run says which pictures it classifies rightly."""
    return isinstance(run.get(RIGHT), str) and isinstance(run.get(PICTURES), int)


def bits(run: Measured) -> list[bool]:
    """Which pictures a run classifies rightly."""
    every = np.unpackbits(np.frombuffer(bytes.fromhex(run[RIGHT]), dtype=np.uint8))
    return every[: run[PICTURES]].astype(bool).tolist()


def lesions(runs: Sequence[Measured], name: str) -> list[st.Effect | None]:
    """By how many points the error rises without each block, the mean over the runs with Student's
    interval; None for a block that cannot be left out.
    """
    rows = [
        (run[name], 100 * (1 - float(np.mean(bits(run)))))
        for run in runs
        if is_measured(run) and isinstance(run.get(name), list)
    ]
    columns = zip(*([(x, clean) for x in errors] for errors, clean in rows), strict=False)
    return [
        None
        if any(x is None for x, _ in column)
        else st.paired_effect([100 * x - clean for x, clean in column], method="Student t")
        for column in columns
    ]
