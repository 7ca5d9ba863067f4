"""The comparison of two studies as a page, Markdown and JSON."""

from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go

from nas.common.paths import study_folder
from nas.common.provenance import library_version
from nas.payoff.text import counted, plain_number, signed
from nas.report.build import write
from nas.report.document import Drawing, Items, Part, Section, Table
from nas.report.style import ACCENT, TEXT, figure, number, plain
from nas.report.writers.html import page
from nas.report.writers.markdown import markdown
from nas.tables.compared import Compared
from nas.tables.report import csv_text
from nas.tables.text import digits_of
from nas.tables.two_payoffs import GainDifference
from nas.tables.two_studies import Difference, Trials, met
from nas.tables.two_studies_text import as_text

FIRST, SECOND = TEXT, "#0072B2"


def write_comparison(compared: Compared, out: Path) -> list[Path]:
    """Write the files to `out/SECOND-against-FIRST/`."""
    found = compared.found
    folder = study_folder(out, f"{found.second}-against-{found.first}")
    folder.mkdir(parents=True, exist_ok=True)
    return [write(folder / name, text) for name, text in files_of(compared).items()]


def files_of(compared: Compared) -> dict[str, str]:
    """The text of every file by name."""
    found, gains = compared.found, compared.gains
    lead = [f"{counted(len(one.all_values), 'trial')} of {one.name}" for one in compared.trials]
    title = f"{found.second} against {found.first}"
    shown = title, lead, compared.verdict, "", sections(compared)
    return {
        "report.html": page(*shown),
        "report.md": markdown(*shown, numbers=("comparison.json", "values.csv")),
        "comparison.json": as_text(found, gains) + "\n",
        "values.csv": values_csv(compared.trials),
    }


def values_csv(trials: Sequence[Trials]) -> str:
    """What each trial reached, with the parameters that both studies searched and its seed."""
    rows = [
        (one.name, parameters, seed, value)
        for one in trials
        for (_, parameters, seed), values in one.values.items()
        for value in values
    ]
    return csv_text(("study", "parameters", "seed", trials[0].objective), rows)


def sections(compared: Compared) -> list[Section]:
    """What the page shows below the verdict."""
    shown: list[Part] = [values_drawing(compared)]
    shown += [pairs_drawing(compared)] if compared.found.num_pairs else []
    every = [Section("values", "What the trials reach", [*shown, numbers(compared.found)])]
    if compared.gains:
        parts: list[Part] = [gains_drawing(compared.gains), gains_table(compared.gains)]
        every.append(Section("gains", "What shortcuts give in both", parts))
    method = Items(how(compared.found))
    return [*every, Section("method", "Method, as it was carried out", [method])]


def values_drawing(compared: Compared) -> Drawing:
    """The share of trials up to each value, of all trials of both."""
    drawn = figure(compared.found.objective, "share of trials")
    for one, colour in zip(compared.trials, (FIRST, SECOND), strict=True):
        values = sorted(one.all_values)
        drawn.add_trace(
            go.Scatter(
                x=values,
                y=[(place + 1) / len(values) for place in range(len(values))],
                mode="lines",
                line={"shape": "hv", "color": colour, "width": 2},
                name=plain(one.name),
            )
        )
    caption = "All trials that were trained to their end; what is compared is told in the verdict."
    return Drawing("values", "Distributions of both studies", drawn, caption)


def pairs_drawing(compared: Compared) -> Drawing:
    """The difference of each pair, with mean and interval."""
    found = compared.found
    differences = sorted(after - before for before, after in met(*compared.trials))
    drawn = figure(f"difference in {found.objective}", "pair, by size")
    drawn.add_vline(0, line={"color": TEXT, "width": 1})
    drawn.add_vrect(found.low, found.high, fillcolor=SECOND, opacity=0.15, line_width=0)
    drawn.add_vline(found.mean, line={"color": SECOND, "width": 2})
    places = list(range(1, len(differences) + 1))
    marker = {"color": SECOND, "size": 6}
    drawn.add_trace(go.Scatter(x=differences, y=places, mode="markers", marker=marker))
    drawn.update_layout(showlegend=False)
    caption = "Dots: pairs; line and band: their mean and its 95% interval."
    return Drawing("pairs", "Pairs of both studies", drawn, caption)


def numbers(found: Difference) -> Table:
    """The comparison in numbers."""
    digits = digits_of([(found.low, found.high)])
    rows = [
        (
            name,
            f"{found.sizes[side]:,}",
            *(cell(x[side], digits) for x in (found.means, found.best)),
        )
        for side, name in enumerate((found.first, found.second))
    ]
    note = (
        f"Difference {signed(found.mean, digits)} [{cell(found.low, digits)}, "
        f"{cell(found.high, digits)}], p {number(found.p_value)}: {found.answer}. Trials compared "
        "are pairs, or those drawn at random; the best is of all."
    )
    head = ("study", "trials compared", f"mean {found.objective}", "best")
    return Table("The comparison in numbers", head, rows, note)


def cell(value: float, digits: int) -> str:
    """A number of a table."""
    return plain_number(value, digits)


def gains_drawing(gains: Sequence[GainDifference]) -> Drawing:
    """By how much more the arms gain in the second study."""
    drawn = figure("gain in the second study less that in the first (points)", "")
    drawn.add_vline(0, line={"color": TEXT, "width": 1})
    drawn.add_trace(
        go.Scatter(
            x=[one.mean for one in gains],
            y=[plain(label(one)) for one in gains],
            mode="markers",
            marker={
                "size": 9,
                "color": [SECOND if one.mean >= 0 else ACCENT for one in gains],
                "symbol": [f"circle{'-open' * (one.answer == 'undecided')}" for one in gains],
            },
            error_x={
                "type": "data",
                "array": [one.high - one.mean for one in gains],
                "arrayminus": [one.mean - one.low for one in gains],
                "color": TEXT,
                "thickness": 2,
            },
        )
    )
    drawn.update_yaxes(autorange="reversed", showgrid=False)
    caption = "Training error, 95% intervals (Welch); open where nothing is decided."
    return Drawing("gains", "Gains of the twins", drawn, caption, wide=True)


def label(one: GainDifference) -> str:
    """A comparison of twins in a few words."""
    layers = " to ".join(map(str, one.layers))
    return f"{one.arm} – {one.reference}, {one.order}, {one.role} rate, {layers} layers"


def gains_table(gains: Sequence[GainDifference]) -> Table:
    """The gains of both studies."""
    rows = [
        (
            label(one),
            *(f"{signed(gain)} ({counted(n, 'pair')})" for gain, n in pairs_of(one)),
            f"{signed(one.mean)} [{plain_number(one.low)}, {plain_number(one.high)}]",
            *(number(one.p_adjusted), one.answer),
        )
        for one in gains
    ]
    head = ("comparison", "first", "second", "difference (points)", "p (Holm)", "answer")
    return Table("Gains of the twins", head, rows)


def pairs_of(one: GainDifference) -> list[tuple[float, int]]:
    """The gain and the pairs of each study."""
    return list(zip(one.gains, one.num_pairs, strict=True))


def how(found: Difference) -> list[tuple[str, str]]:
    """How it was done."""
    paired = (
        "paired: 95% interval over pairs (Student's t below 5, then the bootstrap-t); the larger p "
        "of the paired t-test and of the exact test"
    )
    unpaired = "Welch's 95% interval of the difference of means; permutation test of the labels"
    smallest = f"{found.smallest_effect:g}" if found.smallest_effect else "none was given"
    return [
        ("Question", f"is {found.objective} of {found.second} better than that of {found.first}?"),
        ("Better is", "higher" if found.higher_is_better else "lower"),
        ("Trials", paired if found.num_pairs else unpaired),
        ("Twins", "Welch's interval and the permutation test over pairs, Holm over comparisons"),
        ("Smallest effect", smallest),
        ("Version", f"nas {library_version('nas')}"),
    ]
