"""The best architecture, block by block."""

from collections.abc import Sequence
from itertools import groupby
from statistics import mean, stdev

from nas.report.data import StudyData
from nas.report.document import Items, Kind, Part, Section, Table, Text, code
from nas.report.scales import scale
from nas.report.sections.leaderboard import leaderboard
from nas.report.style import number
from nas.report.trial_markers import trial_text
from nas.report.trial_rows import Row
from nas.report.trial_text import shape_cells, shape_head
from nas.search.boosting import BOOSTING

MOST_FRONT = 15


def best_section(data: StudyData, front: Sequence[Row]) -> Section:
    """The best trials, or the Pareto front, then the best candidate with its shortcuts."""
    if not front:
        return Section("best", "What is the best architecture?")
    is_front = len(data.objectives) > 1
    parts: list[Part] = [_front_table(data, front) if is_front else leaderboard(data)]
    best = front[0]
    parts.append(Items(_key_facts(data, best)))
    parts += _boosting(data, best)
    if best.architecture is not None:
        parts.append(_block_table(best))
    parts.append(
        Text(f"As a Python module that needs only torch: {code(f'nas export {data.name}')}")
    )
    return Section("best", "What is the best architecture?", parts)


def _boosting(data: StudyData, best: Row) -> list[Part]:
    """What gradient boosting reaches on the same rows, where it was fitted."""
    known = data.attrs.get(BOOSTING)
    name, own = data.objectives[0], best.objective(0)
    there = known.get(name) if isinstance(known, dict) else None
    if not isinstance(there, float) or own is None:
        return []
    factor, title = scale(name).factor, scale(name).title
    ahead = there > own if data.maximise[0] else there < own
    compared = "is ahead of" if ahead else "is level with" if there == own else "is behind"
    text = (
        f"scikit-learn's gradient boosting with its defaults {compared} the best network on the "
        f"same validation rows: {title} {number(factor * there, 4)} against "
        f"{number(factor * own, 4)}. It was fitted on the same training rows and not searched for; "
        "the network was chosen by these validation rows, which favours it."
    )
    return [Text(text, role="warning" if ahead else "text")]


def _key_facts(data: StudyData, best: Row) -> list[tuple[str, str]]:
    """What is known of the best candidate."""
    found = [("trial", str(best.number))]
    for index, name in enumerate(data.objectives):
        found.append((scale(name).title, objective_cell(best, index, name)))
    if best.train_error is not None:
        found.append(("training error (points)", f"{best.train_error:.2f}"))
    for key, label in (
        ("layers", "weighted layers"),
        ("parameters", "parameters"),
        ("multiply_adds", "multiply-adds"),
    ):
        value = best.value(key)
        if value is not None and label not in dict(found):
            found.append((label, f"{value:,.0f}"))
    if best.architecture is not None:
        found.append(("activation order", best.architecture.activation_order))
        found.append(
            ("norm, activation", f"{best.architecture.norm}, {best.architecture.activation}")
        )
        found.append(("initialisation", best.architecture.initialisation))
        found.append(("shortcut in", best.architecture.placement_text))
        found.append(("join of shortcut and branch", best.architecture.join_text or "–"))
    number = best.architecture is not None and best.architecture.predicts_number
    return [*found, ("test R²" if number else "test accuracy", _tested(data, best, number))]


def _tested(data: StudyData, best: Row, is_number: bool) -> str:
    """The test accuracy, or R² of a number, which only an export measures."""
    exported = data.attrs.get("exported")
    if (
        not isinstance(exported, dict)
        or exported.get("trial") != best.number
        or not exported.get("test_accuracy")
    ):
        return "not measured: the test split is read once, by the export"
    factor, form, unit = (1, ".4f", "") if is_number else (100, ".2f", "%")
    values = [factor * value for value in exported["test_accuracy"]]
    spread = f" ± {stdev(values):{form}} (standard deviation)" if len(values) > 1 else ""
    seeds = "seed" if len(values) == 1 else "seeds"
    return f"{mean(values):{form}}{unit}{spread}, n = {len(values)} {seeds}"


def _front_table(data: StudyData, front: Sequence[Row]) -> Table:
    """The Pareto front."""
    head = ("trial", *(scale(name).title for name in data.objectives), "candidate")
    rows = [
        (
            str(row.number),
            *(objective_cell(row, index, name) for index, name in enumerate(data.objectives)),
            trial_text(row).partition(": ")[2],
        )
        for row in front[:MOST_FRONT]
    ]
    note = f"The first {MOST_FRONT} of {len(front)}." if len(front) > MOST_FRONT else ""
    return Table("Pareto front", head, rows, note)


def objective_cell(row: Row, index: int, name: str) -> str:
    """A value in the unit of its axis."""
    value, factor = row.objective(index), scale(name).factor
    if value is None:
        return "–"
    return f"{factor * value:.2f}" if factor == 100 else number(factor * value, 4)


def _block_table(row: Row) -> Table:
    """Runs of equal blocks, each with its shortcut."""
    assert row.architecture is not None
    rows = []
    for record, group in groupby(row.architecture.blocks()):
        cells = (str(record.stage + 1), str(len(list(group))), str(record.type))
        rows.append((*cells, *shape_cells(row.architecture, record), Kind(record.shortcut)))
    head = ("stage", "blocks", "block type", *shape_head(row.architecture), "shortcut")
    return Table(f"Blocks of trial {row.number}", head, rows)
