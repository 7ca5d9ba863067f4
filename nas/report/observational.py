"""The observational view: what the trials of the search show, and how far that can be trusted."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from statistics import quantiles
from typing import Any
from warnings import catch_warnings

from optuna.study import create_study
from optuna.trial import FrozenTrial, create_trial

from nas import statistics as st
from nas.model.architecture import Architecture
from nas.report.parameter_names import label
from nas.report.trial_rows import Row, candidate

#: options a numeric parameter may have before its values are put into thirds
MOST_OPTIONS = 6
#: rows a surrogate is fitted to at most, and places on its depth axis
MOST_SURFACE_ROWS, MOST_DEPTHS = 1_000, 8
Choices = Mapping[str, Sequence[str | None]]


@dataclass(frozen=True)
class Observed:
    """What each choice went with, on the rows where it was active; errors in points."""

    effects: list[st.MarginalEffect]
    importance: dict[str, float]
    best_quarter: dict[str, dict[str, st.Rate]]
    trained: dict[str, dict[str, st.Rate]]
    labels: dict[str, str]
    n: int
    n_evaluated: int


def observe(rows: Sequence[Row]) -> Observed:
    """Marginal effects on the candidates trained to their end; success rates on all evaluated."""
    evaluated = [row for row in rows if row.was_evaluated and row.val_error is not None]
    trained = [row for row in evaluated if row.outcome == "trained"]
    errors = [row.val_error or 0.0 for row in trained]
    choices = _choices_of(evaluated)
    ended = [row.outcome == "trained" for row in evaluated]
    own = {
        name: [v for v, keep in zip(c, ended, strict=True) if keep] for name, c in choices.items()
    }
    best, trains = _best_quarter(evaluated), [row.trains for row in evaluated]
    return Observed(
        effects=st.marginal_effects(own, errors) if len(trained) > 3 else [],
        importance=importance(trained),
        best_quarter={name: st.success_rates(column, best) for name, column in choices.items()},
        trained={name: st.success_rates(column, trains) for name, column in choices.items()},
        labels={name: label(name) for name in choices},
        n=len(trained),
        n_evaluated=len(evaluated),
    )


def _best_quarter(rows: Sequence[Row]) -> list[bool]:
    """Whether each row was trained to its end with an error among the lowest quarter of all."""
    errors = sorted(row.val_error or 0.0 for row in rows)
    bar = errors[(len(errors) - 1) // 4] if errors else 0.0
    return [row.outcome == "trained" and (row.val_error or 0.0) <= bar for row in rows]


def _choices_of(rows: Sequence[Row], without: Sequence[str] = ()) -> Choices:
    """Every searched parameter with the option of each row, None where it was not active; less
    those with one of the words in their names.
    """
    known = sorted({name for row in rows for name in row.trial.params})
    names = [name for name in known if not any(word in name for word in without)]
    columns = {name: _column(name, rows) for name in names}
    return {name: one for name, one in columns.items() if len(set(one) - {None}) > 1}


def _column(name: str, rows: Sequence[Row]) -> list[str | None]:
    """The options of one parameter: shortcuts as built, numbers of many values in thirds."""
    if re.fullmatch(r"(stages\.\d+\.)?shortcut", name):
        return [_built(name, row) for row in rows]
    values = [row.trial.params.get(name) for row in rows]
    numbers = {value for value in values if isinstance(value, int | float)}
    if len(numbers) > MOST_OPTIONS:
        return _thirds(values)
    return [None if value is None else str(value) for value in values]


def _built(name: str, row: Row) -> str | None:
    """The shortcut a choice led to. Where all blocks of a stage change shape the transition stands
    in its place, whatever was chosen, so it is an option of its own.
    """
    if name not in row.trial.params:
        return None
    match = re.match(r"stages\.(\d+)", name)
    kinds = _kinds_written(row.text).get(int(match[1]) if match else None)
    return " and ".join(kinds) if kinds else None


@lru_cache(maxsize=65536)
def _kinds_written(text: str) -> dict[int | None, list[str]]:
    """The same for every stage of a stored candidate that can be read, and for all of them (None):
    a text tells quickly whether it was asked before, an architecture does not.
    """
    found = candidate(text)
    return {} if found is None else kinds_built(found.architecture)


def kinds_built(architecture: Architecture) -> dict[int | None, list[str]]:
    """The kinds of the blocks that keep their shape; where there are none the transition `only`."""
    kept: dict[int | None, set[str]] = defaultdict(set)
    changed: dict[int | None, set[str]] = defaultdict(set)
    for block in architecture.blocks():
        for stage in (block.stage, None):
            (changed if block.changes_shape else kept)[stage].add(block.shortcut)
    only = {
        stage: {kind if kind == "none" else f"{kind} only" for kind in kinds}
        for stage, kinds in changed.items()
    }
    return {stage: sorted(kinds) for stage, kinds in (only | kept).items()}


def _thirds(values: Sequence[Any]) -> list[str | None]:
    """Numbers as low, middle or high third, with the ends of the third."""
    known = [value for value in values if value is not None]
    low, high = quantiles(known, n=3)
    names = (f"up to {low:.3g}", f"{low:.3g} to {high:.3g}", f"above {high:.3g}")
    return [None if value is None else names[(value > low) + (value > high)] for value in values]


def importance(rows: Sequence[Row]) -> dict[str, float]:
    """PED-ANOVA's share of each parameter in reaching the best tenth by validation error.

    It has neither sign nor uncertainty and leaves pruned trials out. Parameters that few trials
    had are no warning: the report tells how many there were. It sees a study in memory that
    minimises the error, as the study itself may optimise something else.
    """
    from optuna.importance import PedAnovaImportanceEvaluator

    errors = [row.val_error or 0.0 for row in rows]
    if len(rows) < 10 or len(set(errors)) < 2:
        return {}
    study = create_study()
    for row, error in zip(rows, errors, strict=True):
        with suppress(ValueError, TypeError):  # outside of its range, or no choice: damaged
            study.add_trial(_as_trial(row, error))
    with catch_warnings(action="ignore", category=UserWarning):
        found = PedAnovaImportanceEvaluator().evaluate(study)
    total = sum(found.values())
    return {name: value / total for name, value in found.items()} if total else {}


def _as_trial(row: Row, error: float) -> FrozenTrial:
    """The choices of a row, with its error as their value; TypeError if they cannot be compared."""
    trial = row.trial
    hash(tuple(trial.distributions.values()))
    return create_trial(value=error, params=trial.params, distributions=trial.distributions)


def plain_and_residual(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Candidates trained to their end without any shortcut, and those with some."""
    trained = [
        row
        for row in rows
        if row.outcome == "trained" and row.val_error is not None and row.shortcut is not None
    ]
    return (
        [row for row in trained if row.shortcut == "none"],
        [row for row in trained if row.shortcut != "none"],
    )


def compare_distributions(first: Sequence[Row], second: Sequence[Row]) -> st.Separation | None:
    """How far apart the errors of two groups are, at equal parameters where these are known."""
    if min(len(first), len(second)) < 5:
        return None
    errors = [[row.val_error or 0.0 for row in group] for group in (first, second)]
    sizes = [[row.value("parameters") or 1.0 for row in group] for group in (first, second)]
    few = len(first) + len(second) < 2_000
    return st.separation(
        *errors, complexity=(sizes[0], sizes[1]), permutations=2_000 if few else 400
    )


def pruned_by_kind(rows: Sequence[Row]) -> dict[str, tuple[int, int]]:
    """Kind of shortcut -> how many candidates were pruned, and of how many."""
    evaluated = [row for row in rows if row.was_evaluated and row.shortcut]
    total = Counter(str(row.shortcut) for row in evaluated)
    cut = Counter(str(row.shortcut) for row in evaluated if row.outcome == "pruned")
    return {kind: (cut[kind], count) for kind, count in sorted(total.items())}


def surface(rows: Sequence[Row]) -> st.Surface | None:
    """Surrogate of the validation error over depth and shortcut; None without rows to fit."""
    known = fittable(rows)
    step = -(-len(known) // MOST_SURFACE_ROWS) or 1
    known = known[::step]
    if not known:
        return None
    return st.depth_surface(
        binned([int(row.value("layers") or 0) for row in known]),
        [str(row.shortcut) for row in known],
        [row.val_error or 0.0 for row in known],
        others=_choices_of(known, without=("shortcut", "depth")),
    )


def fittable(rows: Sequence[Row]) -> list[Row]:
    """Candidates trained to their end of which all is known that a surrogate needs."""
    return [
        row
        for row in rows
        if row.outcome == "trained" and row.val_error is not None and row.architecture is not None
    ]


def binned(depths: Sequence[int]) -> list[int]:
    """Depths; where there are many, each as the middle one of its group of neighbours."""
    distinct = sorted(set(depths))
    if len(distinct) <= MOST_DEPTHS:
        return list(depths)
    size = -(-len(distinct) // MOST_DEPTHS)
    groups = [distinct[i : i + size] for i in range(0, len(distinct), size)]
    middle = {depth: group[len(group) // 2] for group in groups for depth in group}
    return [middle[depth] for depth in depths]
