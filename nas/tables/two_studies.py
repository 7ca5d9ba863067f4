"""Two studies against each other: paired where a candidate was trained with the same seed in both,
else as two distributions.

The studies may differ in data, recipe or version of `nas`: candidates meet if their architectures
are the same but for the shape of the pictures and the number of classes, and the parameters that
both studies searched have the same values.

Distributions are compared of the trials that were drawn at random: what a sampler that learns draws
later hangs on what it drew before, so that two searches of which nothing differs but the seed have
other means more often than a test of trials allows for (`tests/test_tables_two_studies.py`).
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial
from scipy.special import stdtrit

from nas import statistics as st
from nas.common.errors import UserError
from nas.search.study import objective_names, space_of
from nas.search.trial_attributes import is_complete, is_number, is_reused
from nas.space.methods import SAMPLERS
from nas.statistics import Array, Word, where
from nas.storage.bulk_read import trials_of
from nas.tables.read import TableError

#: pairs from which on they are compared and not the distributions: fewer decide nothing
FEWEST_PAIRS = st.fewest_pairs()
#: trials of each study from which on their distributions are compared
FEWEST_TRIALS = 4
#: trials that samplers draw at random before they learn
STARTUP = 10
#: what of an architecture depends on the data
OF_DATA = ("image_shape", "num_classes")
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Trials:
    """The trials of a study that were trained to their end: what they reached, by where they meet
    those of another study, and of those that were `drawn` at random.
    """

    name: str
    objective: str
    higher_is_better: bool
    values: Mapping[Key, Sequence[float]]
    drawn: Sequence[float]

    @property
    def all_values(self) -> list[float]:
        """The values of all trials."""
        return [value for some in self.values.values() for value in some]


@dataclass(frozen=True)
class Difference:
    """The second study less the first, and in `answer` whether the second is better.

    Over pairs if candidates and seeds meet: `num_pairs` is above 0 then. Else of the means of the
    trials drawn at random, with Welch's interval and the p of the permutation test of labels.
    `sizes` and `means` are those of the trials compared, `best` is of all.
    """

    first: str
    second: str
    objective: str
    higher_is_better: bool
    mean: float
    low: float
    high: float
    p_value: float
    num_pairs: int
    sizes: tuple[int, int]
    means: tuple[float, float]
    best: tuple[float, float]
    smallest_effect: float
    answer: Word
    more_pairs: int | None = None


def both(first: Study, second: Study) -> tuple[Trials, Trials]:
    """The trials of two studies, by what both of them searched; TableError if they cannot be
    compared.
    """
    trials = [complete(study) for study in (first, second)]
    searched = [{name for trial in some for name in trial.params} for some in trials]
    common = sorted(searched[0] & searched[1])
    a, b = (
        gathered(study, some, common) for study, some in zip((first, second), trials, strict=True)
    )
    if (a.objective, a.higher_is_better) != (b.objective, b.higher_is_better):
        raise TableError(
            f"{a.name!r} optimises {a.objective} and {b.name!r} {b.objective}: only studies of one "
            "objective can be compared."
        )
    return a, b


def complete(study: Study) -> list[FrozenTrial]:
    """The trials that were trained to their end and have a value."""
    read = trials_of(study, only=("candidate", "pruned", "seed", "reused_from"))
    ended = (trial for trial in read if is_complete(trial) and not is_reused(trial))
    return [trial for trial in ended if trial.values and is_number(trial.values[0])]


def gathered(study: Study, trials: Sequence[FrozenTrial], common: Sequence[str]) -> Trials:
    """What the trials of a study reached in its first objective."""
    values: dict[Key, list[float]] = defaultdict(list)
    for trial in trials:
        values[key_of(study.study_name, trial, common)].append(float(trial.values[0]))
    return Trials(
        name=study.study_name,
        objective=objective_names(study)[0],
        higher_is_better=study.directions[0] == StudyDirection.MAXIMIZE,
        values=dict(values),
        drawn=[float(trial.values[0]) for trial in trials if was_drawn(study, trial)],
    )


def was_drawn(study: Study, trial: FrozenTrial) -> bool:
    """Whether a trial was drawn at random: each by a sampler that does not learn, else the first
    few.
    """
    return trial.number < STARTUP or not learns(study)


def learns(study: Study) -> bool:
    """Whether the sampler of a study may choose by the trials before; so it is taken to do in
    studies of other programs.
    """
    try:
        return SAMPLERS[space_of(study).sampler.name].learns
    except (UserError, ValueError, TypeError, KeyError, AttributeError):
        return True


def key_of(study: str, trial: FrozenTrial, common: Sequence[str]) -> Key:
    """Where a trial meets one of another study: architecture, parameters that both searched, seed;
    one without a seed meets none.
    """
    params = {name: trial.params[name] for name in common if name in trial.params}
    seed = trial.user_attrs.get("seed")
    return (
        architecture_of(trial.user_attrs.get("candidate")),
        json.dumps(params, sort_keys=True, default=str),
        str(seed) if seed is not None else f"trial {trial.number} of {study}",
    )


def architecture_of(text: Any) -> str:
    """The architecture of a stored candidate without what depends on the data; empty where there is
    none to read.
    """
    try:
        found = json.loads(text)["architecture"]
        kept = {name: value for name, value in found.items() if name not in OF_DATA}
    except (TypeError, ValueError, KeyError, AttributeError):
        return ""
    return json.dumps(kept, sort_keys=True)


def difference(first: Trials, second: Trials, *, smallest_effect: float = 0.0) -> Difference:
    """The second study less the first."""
    common = len(met(first, second))
    if common >= FEWEST_PAIRS:
        return paired(first, second, smallest_effect)
    for one in (first, second):
        if len(one.drawn) < FEWEST_TRIALS:
            raise TableError(
                f"{first.name!r} and {second.name!r} have {common} trials of one candidate and "
                f"seed in common, and {FEWEST_PAIRS} are needed; and {one.name!r} has "
                f"{len(one.drawn)} trials that were drawn at random and trained to their end, of "
                f"which {FEWEST_TRIALS} are needed. Search with `--set search.sampler=random`, or "
                "with the same seed."
            )
    return unpaired(first, second, smallest_effect)


def met(first: Trials, second: Trials) -> list[tuple[float, float]]:
    """The values of both studies where candidate and seed meet, means of several trials."""
    return [
        (float(np.mean(first.values[key])), float(np.mean(second.values[key])))
        for key in first.values
        if key in second.values
    ]


def paired(first: Trials, second: Trials, smallest_effect: float) -> Difference:
    """Candidate by candidate and seed by seed."""
    before, after = np.array(met(first, second)).T
    effect = st.twin_effect(after, before)
    better = effect if second.higher_is_better else st.twin_effect(before, after)
    answer = st.answers({"it": better}, smallest_effect)["it"]
    return Difference(
        **in_numbers(first, second),
        sizes=(len(before), len(after)),
        means=(float(before.mean()), float(after.mean())),
        mean=effect.mean,
        low=effect.low,
        high=effect.high,
        p_value=answer.p_adjusted,
        num_pairs=len(before),
        smallest_effect=smallest_effect,
        answer=answer.answer,
        more_pairs=answer.more_pairs,
    )


def unpaired(first: Trials, second: Trials, smallest_effect: float) -> Difference:
    """The trials of one study that were drawn at random against those of the other."""
    before, after = np.array(first.drawn), np.array(second.drawn)
    low, high = welch(before, after)
    ends = (low, high) if second.higher_is_better else (-high, -low)
    p_value = st.permutation_p(after, before)
    word = where(*ends, smallest_effect)
    return Difference(
        **in_numbers(first, second),
        sizes=(len(before), len(after)),
        means=(float(before.mean()), float(after.mean())),
        mean=float(after.mean() - before.mean()),
        low=low,
        high=high,
        p_value=p_value,
        num_pairs=0,
        smallest_effect=smallest_effect,
        answer="undecided" if word in ("pays", "costs") and p_value > 0.05 else word,
    )


def welch(first: Array, second: Array) -> tuple[float, float]:
    """The 95% interval of a difference of means (Welch, 1947)."""
    a, b = first.var(ddof=1) / len(first), second.var(ddof=1) / len(second)
    size = float(second.mean() - first.mean())
    if not a + b:
        return size, size
    freedom = (a + b) ** 2 / (a**2 / (len(first) - 1) + b**2 / (len(second) - 1))
    half = float(stdtrit(freedom, 0.975)) * sqrt(a + b)
    return size - half, size + half


def in_numbers(first: Trials, second: Trials) -> dict[str, Any]:
    """The two studies in a few numbers."""
    sets = [first.all_values, second.all_values]
    best = max if second.higher_is_better else min
    return {
        "first": first.name,
        "second": second.name,
        "objective": second.objective,
        "higher_is_better": second.higher_is_better,
        "best": (best(sets[0]), best(sets[1])),
    }
