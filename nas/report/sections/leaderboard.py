"""The best trials in a table, ties marked."""

from collections.abc import Sequence

from nas.common.text import counted
from nas.data.catalog import split_sizes
from nas.data.facts import DATASETS
from nas.report.data import StudyData
from nas.report.document import Table
from nas.report.scales import scale
from nas.report.style import number
from nas.report.trial_markers import trial_text
from nas.report.trial_rows import Row

#: trials shown
MOST_TRIALS = 15
HEAD = ("parameters", "multiply-adds", "training (s)", "learning rate", "seed", "candidate")


def leaderboard(data: StudyData) -> Table:
    """Trials trained to their end, the best first by the first objective."""
    trained = [row for row in data.rows if row.outcome == "trained"]
    known = [(value, row) for row in trained if (value := row.objective(0)) is not None]
    sign = -1 if data.maximise[0] else 1
    ranked = sorted(known, key=lambda pair: (sign * pair[0], pair[1].number))
    values = [value for value, _ in ranked]
    rows = [
        (rank(values, index), str(row.number), shown(data, value), *cells(row))
        for index, (value, row) in enumerate(ranked[:MOST_TRIALS])
    ]
    head = ("rank", "trial", scale(data.objectives[0]).title, *HEAD)
    return Table("Best trials", head, rows, note(data, values))


def rank(values: Sequence[float], index: int) -> str:
    """The place of a value in a ranking, with a sign where others share it."""
    tied = values.count(values[index]) > 1
    return f"{values.index(values[index]) + 1}{' =' if tied else ''}"


def shown(data: StudyData, value: float) -> str:
    """The first objective in the unit of its axis."""
    factor = scale(data.objectives[0]).factor
    return f"{factor * value:.2f}" if factor == 100 else number(factor * value, 4)


def cells(row: Row) -> tuple[str, ...]:
    """What is known of a trial besides its rank."""
    rate = row.candidate.training.optimizer.arguments.get("lr") if row.candidate else None
    seconds, seed = row.value("seconds"), row.value("seed")
    return (
        *(written(row.value(key), ",.0f") for key in ("parameters", "multiply_adds")),
        written(seconds, ",.1f"),
        number(rate),
        written(seed, ".0f"),
        trial_text(row).partition(": ")[2],
    )


def written(value: float | None, form: str) -> str:
    """A number, or a dash for none."""
    return "–" if value is None else format(value, form)


def note(data: StudyData, values: Sequence[float]) -> str:
    """How many there are, how finely the objective is known, and what that means for ranks."""
    parts = [f"The first {MOST_TRIALS} of {len(values)}."] if len(values) > MOST_TRIALS else []
    first = values.count(values[0]) if values else 0
    if first > 1:
        parts.append(f"{counted(first, 'trial')} share rank 1 (=).")
    pictures = num_validation(data)
    if pictures and data.objectives[0] == "val_accuracy":
        parts.append(
            f"Measured on {pictures:,} validation pictures: one picture is {100 / pictures:.2g} "
            "points, and a rank says no more than that."
        )
    return " ".join(parts)


def num_validation(data: StudyData) -> int | None:
    """Validation pictures, where the data set is a built-in one."""
    dataset = data.space.dataset if data.space else None
    if dataset is None or dataset.name not in DATASETS:
        return None
    return split_sizes(dataset, DATASETS[dataset.name].num_train)[1]
