"""The section on the search itself: how it went."""

from collections.abc import Sequence

from nas import statistics as st
from nas.report.data import Facts
from nas.report.document import Drawing, Part, Section, Text
from nas.report.observed import label, plain_and_residual, pruned_by_kind, separated
from nas.report.sections import search_figures as figures
from nas.report.sections.baseline import comparison, runs_of
from nas.report.sections.parallel_figure import MOST_LINES, parallel, searched_in
from nas.report.style import number
from nas.report.trial_rows import Row

#: fewest trained candidates that are drawn
FEWEST = 2


def search_section(facts: Facts, front: Sequence[Row]) -> Section:
    """How the search went."""
    rows = facts.rows
    trained = [row for row in rows if row.outcome == "trained" and row.objective(0) is not None]
    if len(trained) < FEWEST:
        return Section("search", "How did the search go?", [Text(few(trained), role="note")])
    parts: list[Part] = [Text(comparison(facts))] if facts.baseline else []
    parts += [history_drawing(facts), spending_drawing(facts)]
    parts += pareto_drawings(facts, front)
    parts += parallel_drawing(facts)
    parts += edf_drawing(rows)
    return Section("search", "How did the search go?", parts)


def few(trained: Sequence[Row]) -> str:
    """Why there are no figures of the search."""
    count = "No candidate has" if not trained else "One candidate has"
    return f"{count} been trained to its end in the search, so there is nothing to compare here."


def spending_drawing(facts: Facts) -> Drawing:
    """The best so far against training time, also that of random search."""
    runs = runs_of(facts)
    drawn = figures.spending(
        [(one.name, one.by_spending, one.seconds) for one in runs], facts.objectives[0]
    )
    spent = " and ".join(f"{number(one.seconds)} s ({one.name})" for one in runs)
    caption = f"Best trial against training time: {spent} over all trials, pruned ones included."
    return Drawing("spending", "Budget spent", drawn, caption)


def history_drawing(facts: Facts) -> Drawing:
    """The objective by trial, with the best so far, also that of random search."""
    best, *other = (one.by_number for one in runs_of(facts))
    shown = sum(row.was_evaluated for row in facts.rows)
    caption = "One marker for each trial, by shortcut kind; open: pruned, at its last value."
    if shown > figures.MOST_POINTS:
        caption += (
            f" An even selection of {shown:,} trials, with every one that was the best so far."
        )
    if other:
        caption += " Dotted: the best so far of random search."
    drawn = figures.history(facts.rows, facts.objectives[0], best, *other)
    return Drawing("history", "History of the search", drawn, caption)


def pareto_drawings(facts: Facts, front: Sequence[Row]) -> list[Part]:
    """The first objective against every other one."""
    return [
        Drawing(
            f"pareto-{index}",
            f"{bare(facts.objectives[0]).capitalize()} against {bare(name)}",
            figures.pareto(facts.rows, facts.objectives, front, index, facts.maximise[index]),
            f"Candidates trained to their end; {len(front)} on the Pareto front.",
        )
        for index, name in enumerate(facts.objectives)
        if index > 0
    ]


def bare(objective: str) -> str:
    """What an objective is, without its unit."""
    return figures.scale(objective).title.partition(" (")[0]


def parallel_drawing(facts: Facts) -> list[Part]:
    """Parallel coordinates, where something was searched."""
    trained = [
        row for row in facts.rows if row.outcome == "trained" and row.objective(0) is not None
    ]
    searched = searched_in(trained)
    if not searched:
        return []
    labels = {name: label(name) for name in searched}
    drawn = parallel(trained, labels, facts.objectives[0], facts.maximise[0])
    caption = "Each line is a trial trained to its end; a gap: the value did not exist for it."
    if len(trained) > MOST_LINES:
        caption += f" An even selection of {len(trained):,} trials."
    return [Drawing("parallel", "Which values went together", drawn, caption, wide=True)]


def edf_drawing(rows: Sequence[Row]) -> list[Part]:
    """Error distributions of plain and residual candidates."""
    plain, residual = plain_and_residual(rows)
    groups = {"no shortcuts": plain, "with shortcuts": residual}
    if len(plain) < FEWEST or len(residual) < FEWEST:
        text = (
            f"Error distributions are not drawn: {len(plain)} plain and {len(residual)} residual "
            "candidates were trained to their end."
        )
        return [Text(text, role="note")]
    drawn = figures.distributions(
        {name: st.edf([row.val_error or 0.0 for row in some]) for name, some in groups.items()},
        {name: len(some) for name, some in groups.items()},
    )
    return [
        Drawing(
            "edf", "Plain against residual candidates", drawn, edf_caption(rows), published=True
        )
    ]


def edf_caption(rows: Sequence[Row]) -> str:
    """What the distributions leave out, and whether they differ."""
    apart = separated(*plain_and_residual(rows))
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
