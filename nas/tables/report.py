"""The report on a table: a page, Markdown, all numbers as JSON and all pairs as CSV."""

import csv
import io
import json
import math
from collections.abc import Iterable
from pathlib import Path

from nas.common.paths import study_folder
from nas.common.provenance import library_version
from nas.payoff.text import counted, plain_number, signed
from nas.report.build import write
from nas.report.document import Drawing, Items, Section, Table
from nas.report.style import number
from nas.report.writers.html import page
from nas.report.writers.markdown import markdown
from nas.report.writers.tables import jsonable, safe
from nas.tables.analysis import MANY, Analysis, Comparison
from nas.tables.figures import effects_figure
from nas.tables.text import WORDS, digits_of, verdict

#: rows from which on a table is folded
FOLDED_FROM = 30


def write_analysis(found: Analysis, name: str, out: Path) -> list[Path]:
    """Write the files of an analysis to `out/NAME-by-COLUMN/`."""
    folder = study_folder(out, f"{name}-by-{found.question.vary}")
    folder.mkdir(parents=True, exist_ok=True)
    return [write(folder / file, text) for file, text in files_of(found).items()]


def files_of(found: Analysis) -> dict[str, str]:
    """The text of every file by name."""
    asked = found.question
    shown = (
        f"{asked.value} by {asked.vary}: {found.source}",
        lead(found),
        verdict(found),
        "",
        sections(found),
    )
    return {
        "report.html": page(*shown),
        "report.md": markdown(*shown, numbers=("analysis.json", "effects.csv", "pairs.csv")),
        "analysis.json": analysis_json(found),
        "effects.csv": effects_csv(found),
        "pairs.csv": pairs_csv(found),
    }


def lead(found: Analysis) -> list[str]:
    """Rows, pairs and comparisons in a few words."""
    return [
        counted(found.num_rows, "row"),
        counted(len(found.matched.pairs), "pair"),
        counted(len(found.comparisons), "comparison"),
    ]


def sections(found: Analysis) -> list[Section]:
    """What the page shows below the verdict."""
    caption = (
        "Mean differences with 95% intervals; open where nothing is decided. Small lines are the "
        "units, of many a selection; a dotted line is the smallest effect."
    )
    drawing = Drawing("effects", "Differences", effects_figure(found), caption, wide=True)
    asked = found.question
    effects = Section(
        "effects", f"What {asked.vary} does to {asked.value}", [drawing, effects_table(found)]
    )
    if any(one.hurdle for one in found.comparisons):
        effects.parts.append(hurdle_table(found))
    return [effects, Section("method", "Method, as it was carried out", [Items(method(found))])]


def effects_table(found: Analysis) -> Table:
    """One row for each comparison."""
    by = found.question.by
    digits = digits_of((one.effect.low, one.effect.high) for one in found.comparisons)
    head = (
        *([by] if by else []),
        *(found.question.vary, "against", "pairs", units_head(found), "difference"),
        *("pairs in which it is higher", "p (Holm)", "answer"),
    )
    rows = [effect_row(found, one, digits) for one in found.comparisons]
    note = (
        f"Difference: mean of {found.question.value} less that of the row it stands against, with "
        "its 95% interval. The answer is by interval and corrected p."
    )
    return Table("Differences", head, rows, note, folded=len(rows) > FOLDED_FROM)


def units_head(found: Analysis) -> str:
    """What the units are."""
    asked = found.question
    words = {"cluster": f"clusters of {asked.cluster}", "place": f"means over {asked.seed}"}
    return words.get(found.matched.unit, "units")


def effect_row(found: Analysis, one: Comparison, digits: int) -> tuple[str, ...]:
    """A comparison as cells."""
    effect = one.effect
    ends = f" [{plain_number(effect.low, digits)}, {plain_number(effect.high, digits)}]"
    return (
        *([one.group] if found.question.by else []),
        *(one.arm, one.reference, f"{one.num_pairs:,}", f"{effect.n:,}"),
        f"{signed(effect.mean, digits)}{ends if effect.n > 1 else ' (one unit, no interval)'}",
        f"{one.higher:,} ({100 * one.higher / one.num_pairs:.0f}%)",
        *(number(one.answer.p_adjusted), answer_cell(one)),
    )


def answer_cell(one: Comparison) -> str:
    """The answer, and what an open one waits for."""
    more = one.answer.more_pairs
    word = WORDS[one.answer.answer]
    return f"{word}, about {counted(more, 'more unit')}" if more else word


def hurdle_table(found: Analysis) -> Table:
    """How many runs of each arm train, and the difference if both do."""
    by = found.question.by
    digits = digits_of((one.effect.low, one.effect.high) for one in found.comparisons)
    head = (
        *([by] if by else []),
        *(found.question.vary, "against", "pairs", "train", "train, against", "pairs both train"),
        "difference if both train",
    )
    return Table(
        "Does it train at all?",
        head,
        [hurdle_row(found, one, digits) for one in found.comparisons],
        "Trains: by the bound that was given. Pairs, not units, are counted here.",
    )


def hurdle_row(found: Analysis, one: Comparison, digits: int) -> tuple[str, ...]:
    """The hurdle of a comparison as cells."""
    assert one.hurdle is not None
    trains, gain = one.hurdle.trains, one.hurdle.gain
    shares = [f"{rate.n - rate.count:,} of {rate.n:,}" for rate in (trains.residual, trains.plain)]
    size = "–"
    if gain is not None:
        size = f"{signed(gain.mean, digits)}"
        if gain.n > 1:
            size += f" [{plain_number(gain.low, digits)}, {plain_number(gain.high, digits)}]"
    return (
        *([one.group] if found.question.by else []),
        *(one.arm, one.reference, f"{one.num_pairs:,}", *shares, f"{gain.n if gain else 0:,}"),
        size,
    )


def method(found: Analysis) -> list[tuple[str, str]]:
    """How it was done."""
    asked, matched = found.question, found.matched
    smallest = f"{asked.smallest_effect:g}" if asked.smallest_effect else "none was given"
    return [
        ("Table", f"{found.source}, {counted(found.num_rows, 'row')}"),
        ("Reference", f"{asked.vary} {matched.reference}"),
        ("Matched in", ", ".join([*matched.match, *([asked.seed] if asked.seed else [])]) or "–"),
        ("Units", units_head(found) if matched.unit != "pair" else "pairs"),
        (
            "Intervals",
            "95%, of the mean over units: Student's t below 5 units, the bootstrap-t with "
            f"Beta(1/2, 3/2) weights (Owen, 2025) up to {MANY - 1}, Student's t from {MANY} on",
        ),
        (
            "Tests",
            "the larger p of the paired t-test and of the exact test (sign-flip or unpaired "
            "permutation, whichever is smaller), and against the smallest effect; Holm over all "
            "comparisons of this report",
        ),
        ("Smallest effect", smallest),
        ("Version", f"nas {library_version('nas')}"),
    ]


def analysis_json(found: Analysis) -> str:
    """All numbers."""
    matched = found.matched
    data = {
        "schema_version": 1,
        "nas": library_version("nas"),
        "source": found.source,
        "question": matched.question,
        "match": matched.match,
        "reference": matched.reference,
        "unit": matched.unit,
        "rows": found.num_rows,
        "rows_without_value": matched.missing,
        "rows_averaged": matched.averaged,
        "places_without_partner": matched.unmatched,
        "verdict": verdict(found),
        "comparisons": [
            {**vars(one), "answer": {**vars(one.answer), "answer": WORDS[one.answer.answer]}}
            for one in found.comparisons
        ],
    }
    return json.dumps(jsonable(data), allow_nan=False) + "\n"


def csv_text(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """A CSV in which no spreadsheet takes a text for a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in (head, *rows):
        writer.writerow([safe(cell) if isinstance(cell, str) else cell for cell in row])
    return text.getvalue()


def effects_csv(found: Analysis) -> str:
    """One line for each comparison."""
    by = found.question.by
    head = [*([by] if by else []), found.question.vary, "against", "pairs", "units"]
    rows = (
        [
            *([one.group] if by else []),
            *(one.arm, one.reference, one.num_pairs, one.effect.n),
            *map(six_digits, (one.effect.mean, one.effect.low, one.effect.high)),
            *(one.higher, one.answer.p_adjusted, WORDS[one.answer.answer], one.answer.more_pairs),
        ]
        for one in found.comparisons
    )
    own = ("difference", "low", "high", "pairs_higher", "p_holm", "answer", "more_units")
    return csv_text([*head, *own], rows)


def six_digits(value: float) -> float | None:
    """A number to six digits; None for an end that an interval has not."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def pairs_csv(found: Analysis) -> str:
    """Every pair with what it agrees in."""
    asked, matched = found.question, found.matched
    names = [*([asked.by] if asked.by else []), *matched.match]
    names += [asked.seed] if asked.seed else []
    own = ["unit", "arm", "against", "value", "value_against", "difference"]
    rows = (
        [
            *(*pair.key, pair.unit, pair.arm, matched.reference),
            *(pair.arm_value, pair.reference_value, pair.difference),
        ]
        for pair in matched.pairs
    )
    return csv_text([*names, *own], rows)
