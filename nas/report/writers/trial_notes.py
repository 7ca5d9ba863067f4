"""Notes of the best trials in the Optuna dashboard: architecture, cost and curve in Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any

from nas.model.architecture import Architecture
from nas.report.data import StudyData, pareto_front
from nas.report.trial_rows import Row, finite_number
from nas.report.trial_text import shape_cells, shape_head, shortcuts_text
from nas.storage.handles import storage_of, trial_id_of
from nas.storage.readable import DAMAGE
from nas.training.candidate import Candidate

#: best trials that have a note
MOST_TRIALS = 10
#: epochs shown in a note; longer curves are thinned
MOST_EPOCHS = 12


def best_trial_notes(data: StudyData) -> dict[int, str]:
    """The best trials, or the first of the Pareto front, by their ids in the storage."""
    storage, found = storage_of(data.study), {}
    for row in _best(data):
        trial_id = trial_id_of(row.trial)
        with suppress(*DAMAGE):
            stored = Row(storage.get_trial(trial_id), row.outcome)
            if stored.candidate is not None and stored.curve:
                found[trial_id] = _note(stored, stored.candidate)
    return found


def _best(data: StudyData) -> list[Row]:
    """The best rows by the objective, or those of the Pareto front."""
    if len(data.objectives) > 1:
        return pareto_front(data.rows, data.maximise)[:MOST_TRIALS]
    rows = [row for row in data.rows if row.outcome == "trained"]
    known = [(value, row) for row in rows if (value := row.objective(0)) is not None]
    sign = -1 if data.maximise[0] else 1
    ranked = sorted(known, key=lambda pair: (sign * pair[0], pair[1].number))
    return [row for _, row in ranked[:MOST_TRIALS]]


def _note(row: Row, candidate: Candidate) -> str:
    """One trial."""
    architecture = _architecture_table(candidate.architecture)
    of_number = candidate.architecture.predicts_number
    return "\n\n".join(
        [architecture, _summary(row, candidate), _curve_table(row.curve, of_number=of_number)]
    )


def _architecture_table(architecture: Architecture) -> str:
    """The blocks, runs of equal blocks in one row."""
    head = (
        f"**{architecture.activation_order}**, {architecture.activation}, "
        f"norm {architecture.norm}, stem {architecture.stem}{architecture.start_text}, "
        f"{shortcuts_text(architecture)}"
    )
    titles = ("stage", "blocks", "type", *shape_head(architecture), "shortcut")
    rows = [markdown_row(titles), markdown_row(["---"] * len(titles))]
    for one, group in groupby(architecture.blocks()):
        count, shape = f"{len(list(group))} ×", shape_cells(architecture, one)
        rows.append(markdown_row((one.stage + 1, count, one.type, *shape, one.shortcut)))
    return head + "\n\n" + "\n".join(rows)


def markdown_row(cells: Iterable[object]) -> str:
    """One row of a table in Markdown."""
    return f"| {' | '.join(map(str, cells))} |"


def _summary(row: Row, candidate: Candidate) -> str:
    """Cost and settings in one paragraph."""
    training, counts = candidate.training, [row.value(key) or 0 for key in ("layers", "parameters")]
    return (
        f"{counts[0]:.0f} layers, {counts[1]:,.0f} parameters, "
        f"{row.value('multiply_adds') or 0:,.0f} multiply-adds. {training.optimizer}, batch "
        f"{training.batch_size}, {len(row.curve)} of {training.epochs} epochs in "
        f"{row.value('seconds') or 0:.1f} s, seed {row.trial.user_attrs.get('seed', '–')}."
    )


def _curve_table(curve: Sequence[Mapping[str, Any]], *, of_number: bool) -> str:
    """The learning curve, with its first and last epoch."""
    step = max(1, -(-(len(curve) - 1) // (MOST_EPOCHS - 1)))
    keys = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
    right = "R²" if of_number else "accuracy"
    titles = ("training loss", f"training {right}", "validation loss", f"validation {right}")
    rows = [markdown_row(("epoch", *titles)), markdown_row(["---"] * 5)]
    for record in [*curve[:-1:step], curve[-1]]:
        numbers = [finite_number(record.get(key)) for key in keys]
        cells = " | ".join("–" if one is None else f"{one:.4f}" for one in numbers)
        rows.append(f"| {finite_number(record.get('epoch')) or 0:.0f} | {cells} |")
    return "\n".join(rows)
