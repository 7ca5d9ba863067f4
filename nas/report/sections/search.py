"""How the search went: its history, what it cost, trade-offs, and which values went together."""

from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go

from nas import statistics as st
from nas.report.data import StudyData
from nas.report.document import Drawing, Part, Section, Text
from nas.report.incumbents import Incumbents, SearchSummary, searches
from nas.report.observational import (
    compare_distributions,
    plain_and_residual,
    pruned_by_kind,
)
from nas.report.parallel_coordinates import MOST_LINES, parallel_coordinates, searched_parameters
from nas.report.parameter_names import label
from nas.report.scales import Scale, scale
from nas.report.style import (
    ACCENT,
    COLOURS,
    TEXT,
    counted,
    figure,
    number,
    whole_numbers,
)
from nas.report.trial_markers import MOST_POINTS, add_markers, subsample
from nas.report.trial_rows import Row
from nas.statistics import Distribution

#: fewest trained candidates that are drawn
FEWEST = 2
#: steps of a distribution drawn at most
MOST_STEPS = 300


def search_section(data: StudyData, front: Sequence[Row]) -> Section:
    """How the search went."""
    rows = data.rows
    trained = [row for row in rows if row.outcome == "trained" and row.objective(0) is not None]
    if len(trained) < FEWEST:
        return Section("search", "How did the search go?", [Text(few(trained), role="note")])
    parts: list[Part] = [Text(comparison(data))] if data.baseline else []
    parts += [_history_drawing(data), _spending_drawing(data)]
    parts += _pareto_drawings(data, front)
    parts += _parallel_drawing(data)
    parts += _edf_drawing(rows)
    return Section("search", "How did the search go?", parts)


def few(trained: Sequence[Row]) -> str:
    """Why there are no figures of the search."""
    count = "No candidate has" if not trained else "One candidate has"
    return f"{count} been trained to its end in the search, so there is nothing to compare here."


def comparison(data: StudyData) -> str:
    """Both in one sentence, and that one run of each is one run."""
    search, random = searches(data)
    text = f"{started(_reached(data, search))}; {_reached(data, random)}, at another seed. "
    if search.best is not None and random.best is not None:
        text += f"{_ahead(data, search, random)} "
    return text + (
        "One run of each is one run: it does not tell which of them finds better networks in "
        "general, and at few trials random search may well win."
    )


def _reached(data: StudyData, one: SearchSummary) -> str:
    """What a search reached, after how much."""
    spent = f"{counted(one.num_trials, 'trial')} and {number(one.seconds)} s of training"
    if one.best is None:
        return f"{one.name} trained no candidate to its end in {spent}"
    return f"{one.name} reached {value(data, one.best)} in {spent}"


def _ahead(data: StudyData, search: SearchSummary, random: SearchSummary) -> str:
    """Which of them was better here."""
    assert search.best is not None
    assert random.best is not None
    if search.best == random.best:
        return "Neither was ahead here."
    is_search = (search.best > random.best) == data.maximise[0]
    return f"{started((search if is_search else random).name)} was ahead here."


def started(text: str) -> str:
    """A text as the start of a sentence."""
    return text[:1].upper() + text[1:]


def value(data: StudyData, best: float) -> str:
    """A value of the first objective with its name."""
    shown = scale(data.objectives[0])
    title, _, unit = shown.title.partition(" (")
    digits = f"{100 * best:.2f}%" if unit.startswith("%") else number(shown.factor * best, 4)
    return f"{title} {digits}"


def _history_drawing(data: StudyData) -> Drawing:
    """The objective by trial, with the best so far, also that of random search."""
    best, *other = (one.by_number for one in searches(data))
    shown = sum(row.was_evaluated for row in data.rows)
    caption = "One marker for each trial, by shortcut kind; open: pruned, at its last value."
    if shown > MOST_POINTS:
        caption += (
            f" An even selection of {shown:,} trials, with every one that was the best so far."
        )
    if other:
        caption += " Dotted: the best so far of random search."
    drawn = history(data.rows, data.objectives[0], best, *other)
    return Drawing("history", "History of the search", drawn, caption)


def history(
    rows: Sequence[Row], objective: str, best: Incumbents, other: Incumbents | None = None
) -> go.Figure:
    """The first objective of every trial by number, open where pruned, and the best so far; also
    that of another search.
    """
    shown = subsample([row for row in rows if row.was_evaluated], MOST_POINTS, set(best.numbers))
    drawn = figure("trial", scale(objective).title)
    add_markers(
        drawn,
        shown,
        lambda row: float(row.number),
        lambda row: row.objective(0),
        scale(objective).factor,
    )
    last = max([row.number for row in rows] + (other.numbers if other else []), default=0)
    for one, name, dash in ((best, "best so far", "solid"), (other, "random search", "dot")):
        if one and one.values:
            x, y = [*one.numbers, last], [*one.values, one.values[-1]]
            drawn.add_trace(steps(x, y, scale(objective), name, dash))
    return whole_numbers(drawn).update_yaxes(type="log" if scale(objective).is_log else "linear")


def steps(x: list[Any], y: list[float], shown: Scale, name: str, dash: str) -> go.Scatter:
    """The best so far as a staircase."""
    return go.Scatter(
        x=x,
        y=[shown.factor * value for value in y],
        mode="lines",
        name=name,
        line={"color": TEXT, "width": 1.5, "shape": "hv", "dash": dash},
        hovertemplate=f"{name} %{{y:.4g}}<extra></extra>",
    )


def _spending_drawing(data: StudyData) -> Drawing:
    """The best so far against training time, also that of random search."""
    runs = searches(data)
    drawn = spending([(one.name, one.by_spending, one.seconds) for one in runs], data.objectives[0])
    spent = " and ".join(f"{number(one.seconds)} s ({one.name})" for one in runs)
    caption = f"Best trial against training time: {spent} over all trials, pruned ones included."
    return Drawing("spending", "Budget spent", drawn, caption)


def spending(searches: Sequence[tuple[str, Incumbents, float]], objective: str) -> go.Figure:
    """The best so far against the training time spent: of each search its name and its total."""
    shown = scale(objective)
    drawn = figure("training time spent, all workers (s)", f"best {shown.title}")
    for (name, best, total), dash in zip(searches, ("solid", "dot"), strict=False):
        if best.values:
            drawn.add_trace(_spent_line(name, best, total, shown, dash))
    drawn.update_layout(showlegend=len(searches) > 1)
    return drawn.update_xaxes(rangemode="tozero", showgrid=False)


def _spent_line(name: str, best: Incumbents, total: float, shown: Scale, dash: str) -> go.Scatter:
    """One search as a staircase, from its first trial to all it spent."""
    return go.Scatter(
        x=[*best.seconds, total],
        y=[shown.factor * value for value in [*best.values, best.values[-1]]],
        mode="lines+markers",
        name=name,
        line={"color": TEXT, "width": 1.5, "shape": "hv", "dash": dash},
        marker={"size": [7] * len(best.values) + [0]},
        text=[f"trial {number}" for number in best.numbers] + ["end of the search"],
        hovertemplate="%{text}: %{y:.4g} after %{x:,.0f} s<extra>" + name + "</extra>",
    )


def _pareto_drawings(data: StudyData, front: Sequence[Row]) -> list[Part]:
    """The first objective against every other one."""
    return [
        Drawing(
            f"pareto-{index}",
            f"{bare(data.objectives[0]).capitalize()} against {bare(name)}",
            pareto(data.rows, data.objectives, front, index, data.maximise[index]),
            f"Candidates trained to their end; {len(front)} on the Pareto front.",
        )
        for index, name in enumerate(data.objectives)
        if index > 0
    ]


def bare(objective: str) -> str:
    """What an objective is, without its unit."""
    return scale(objective).title.partition(" (")[0]


def pareto(
    rows: Sequence[Row], objectives: Sequence[str], front: Sequence[Row], other: int, maximise: bool
) -> go.Figure:
    """The first objective against another one, which is maximised or not, with the Pareto front."""
    across, up = scale(objectives[other]), scale(objectives[0])
    drawn = figure(across.title, up.title)
    trained = [row for row in rows if row.outcome == "trained"]
    shown = subsample(trained, MOST_POINTS, {row.number for row in front})
    add_markers(drawn, shown, _at(other, across), _at(0, up))
    if len(objectives) == 2:
        ends = sorted((_at(1, across)(row) or 0.0, _at(0, up)(row) or 0.0) for row in front)
        drawn.add_trace(_staircase(ends, "vh" if maximise else "hv"))
    drawn.update_xaxes(type="log" if across.is_log else "linear")
    return drawn.update_yaxes(type="log" if up.is_log else "linear")


def _at(index: int, shown: Scale) -> Callable[[Row], float | None]:
    """Where a trial stands on the axis of an objective."""

    def place(row: Row) -> float | None:
        value = row.objective(index)
        return None if value is None else shown.factor * value

    return place


def _staircase(ends: list[tuple[float, float]], shape: str) -> go.Scatter:
    """The Pareto front as a line."""
    return go.Scatter(
        x=[x for x, _ in ends],
        y=[y for _, y in ends],
        mode="lines",
        name="Pareto front",
        line={"color": TEXT, "width": 1.5, "shape": shape},
        hoverinfo="skip",
    )


def _parallel_drawing(data: StudyData) -> list[Part]:
    """Parallel coordinates, where something was searched."""
    trained = [
        row for row in data.rows if row.outcome == "trained" and row.objective(0) is not None
    ]
    searched = searched_parameters(trained)
    if not searched:
        return []
    labels = {name: label(name) for name in searched}
    drawn = parallel_coordinates(trained, labels, data.objectives[0], data.maximise[0])
    caption = "Each line is a trial trained to its end; a gap: the value did not exist for it."
    if len(trained) > MOST_LINES:
        caption += f" An even selection of {len(trained):,} trials."
    return [Drawing("parallel", "Which values went together", drawn, caption, wide=True)]


def _edf_drawing(rows: Sequence[Row]) -> list[Part]:
    """Error distributions of plain and residual candidates."""
    plain, residual = plain_and_residual(rows)
    groups = {"no shortcuts": plain, "with shortcuts": residual}
    if len(plain) < FEWEST or len(residual) < FEWEST:
        text = (
            f"Error distributions are not drawn: {len(plain)} plain and {len(residual)} residual "
            "candidates were trained to their end."
        )
        return [Text(text, role="note")]
    drawn = distributions(
        {name: st.edf([row.val_error or 0.0 for row in some]) for name, some in groups.items()},
        {name: len(some) for name, some in groups.items()},
    )
    return [
        Drawing(
            "edf", "Plain against residual candidates", drawn, _edf_caption(rows), published=True
        )
    ]


def _edf_caption(rows: Sequence[Row]) -> str:
    """What the distributions leave out, and whether they differ."""
    apart = compare_distributions(*plain_and_residual(rows))
    pruned = pruned_by_kind(rows)
    cut, of = pruned.get("none", (0, 0))
    others = [counts for kind, counts in pruned.items() if kind != "none"]
    text = (
        f"Only candidates trained to their end: pruned were {cut} of {of} plain and "
        f"{sum(c for c, _ in others)} of {sum(n for _, n in others)} residual ones. "
    )
    if apart is None:
        return text + "Too few to test a difference (five of each are needed)."
    word = "differ" if apart.p_value <= 0.05 else "do not differ resolvably"
    return (
        f"{text}At equal numbers of parameters the two {word}: Kolmogorov-Smirnov distance "
        f"{apart.statistic:.2f}, permutation p = {apart.p_value:.2g}. Observational."
    )


def distributions(groups: dict[str, Distribution], counts: dict[str, int]) -> go.Figure:
    """Share of candidates with at most so much error, for each group."""
    drawn = figure("validation error (points)", "share with at most this error")
    colour = {"no shortcuts": COLOURS["none"], "with shortcuts": ACCENT}
    for name, one in groups.items():
        kept = sorted(
            {*range(0, len(one.errors), len(one.errors) // MOST_STEPS + 1), len(one.errors) - 1}
        )
        drawn.add_trace(
            go.Scatter(
                x=[float(one.errors[index]) for index in (0, *kept)],
                y=[0.0, *(float(one.shares[index]) for index in kept)],
                mode="lines",
                name=f"{name} (n = {counts[name]})",
                line={"shape": "hv", "width": 2, "color": colour.get(name, TEXT)},
                hovertemplate="%{y:.0%} have at most %{x:.1f} points<extra></extra>",
            )
        )
    return drawn.update_yaxes(tickformat=".0%", range=[0, 1.02])
