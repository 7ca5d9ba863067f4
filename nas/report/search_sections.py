"""Sections on the search itself: how it went, and what its trials show, read with care."""

from collections import Counter
from collections.abc import Sequence

from nas import statistics as st
from nas.report import observed_figures as maps
from nas.report import search_figures as figures
from nas.report.content import Drawing, Kind, Part, Section, Table, Text
from nas.report.facts import Facts
from nas.report.observed import (
    Observed,
    label,
    plain_and_residual,
    pruned_by_kind,
    separated,
    surface,
)
from nas.report.parallel_figure import MOST_LINES, parallel, searched_in
from nas.report.rows import MIXED, Row
from nas.report.style import number, signed

#: fewest trained candidates that are drawn
FEWEST = 2


def search_section(facts: Facts, front: Sequence[Row]) -> Section:
    """How the search went."""
    rows, objective = facts.rows, facts.objectives[0]
    trained = [row for row in rows if row.outcome == "trained" and row.objective(0) is not None]
    if len(trained) < FEWEST:
        return Section("search", "How did the search go?", [Text(few(trained), role="note")])
    parts: list[Part] = [history_drawing(facts)]
    spent = figures.by_time(rows)
    best = figures.best_so_far(spent, facts.maximise[0])
    total = sum(map(figures.spent_on, rows))
    parts.append(
        Drawing(
            "spending",
            "Budget spent",
            figures.spending(best, total, objective),
            f"Best trial against training time: {number(total)} s over all trials, pruned ones included.",
        )
    )
    parts += pareto_drawings(facts, front)
    parts += parallel_drawing(facts)
    parts += edf_drawing(rows)
    return Section("search", "How did the search go?", parts)


def few(trained: Sequence[Row]) -> str:
    """Why there are no figures of the search."""
    count = "No candidate has" if not trained else "One candidate has"
    return f"{count} been trained to its end in the search, so there is nothing to compare here."


def history_drawing(facts: Facts) -> Drawing:
    """The objective by trial."""
    best = figures.best_so_far(facts.rows, facts.maximise[0])
    shown = sum(row.was_evaluated for row in facts.rows)
    caption = "One marker for each trial, by shortcut kind; open: pruned, at its last value."
    if shown > figures.MOST_POINTS:
        caption += f" An even selection of {shown:,} trials, with every one that was the best so far."
    return Drawing("history", "History of the search", figures.history(facts.rows, facts.objectives[0], best), caption)


def pareto_drawings(facts: Facts, front: Sequence[Row]) -> list[Part]:
    """The first objective against every other one."""
    return [
        Drawing(
            f"pareto-{index}",
            f"{figures.scale(facts.objectives[0]).title} against {figures.scale(name).title}",
            figures.pareto(facts.rows, facts.objectives, front, index, facts.maximise[index]),
            f"Candidates trained to their end; {len(front)} on the Pareto front.",
        )
        for index, name in enumerate(facts.objectives)
        if index > 0
    ]


def parallel_drawing(facts: Facts) -> list[Part]:
    """Parallel coordinates, where something was searched."""
    trained = [row for row in facts.rows if row.outcome == "trained" and row.objective(0) is not None]
    searched = searched_in(trained)
    if not searched:
        return []
    labels = {name: label(name) for name in searched}
    drawn = parallel(trained, labels, facts.objectives[0], facts.maximise[0])
    caption = "Each line is a trial trained to its end; a gap: the value did not exist for it."
    if len(trained) > MOST_LINES:
        caption += f" At most {MOST_LINES} lines of each colour."
    return [Drawing("parallel", "Which values went together", drawn, caption, wide=True)]


def edf_drawing(rows: Sequence[Row]) -> list[Part]:
    """Error distributions of plain and residual candidates."""
    plain, residual = plain_and_residual(rows)
    groups = {"no shortcuts": plain, "with shortcuts": residual}
    if len(plain) < FEWEST or len(residual) < FEWEST:
        text = (
            f"Error distributions are not drawn: {len(plain)} plain and {len(residual)} residual candidates were "
            "trained to their end."
        )
        return [Text(text, role="note")]
    drawn = figures.distributions(
        {name: st.edf([row.val_error or 0.0 for row in some]) for name, some in groups.items()},
        {name: len(some) for name, some in groups.items()},
    )
    return [Drawing("edf", "Plain against residual candidates", drawn, edf_caption(rows), published=True)]


def edf_caption(rows: Sequence[Row]) -> str:
    """What the distributions leave out, and whether they differ."""
    apart = separated(*plain_and_residual(rows))
    pruned = pruned_by_kind(rows)
    cut, of = pruned.get("none", (0, 0))
    others = [counts for kind, counts in pruned.items() if kind != "none"]
    text = (
        f"Only candidates trained to their end: pruned were {cut} of {of} plain and {sum(c for c, _ in others)} of "
        f"{sum(n for _, n in others)} residual ones. "
    )
    if apart is None:
        return text + "Too few to test a difference (five of each are needed)."
    word = "differ" if apart.p_value <= 0.05 else "do not differ resolvably"
    return (
        f"{text}At equal numbers of parameters the two {word}: Kolmogorov-Smirnov distance {apart.statistic:.2f}, "
        f"permutation p = {apart.p_value:.2g}. Observational."
    )


def observed_section(facts: Facts, seen: Observed) -> Section:
    """What each choice went with, behind a warning."""
    parts: list[Part] = [Text(warning(facts, seen), role="warning")]
    if seen.effects:
        caption = (
            "Mean error of an option less that of the other options, with its 95% interval: negative is "
            f"better. Filled: resolved after Holm's correction over {len(seen.effects)} effects."
        )
        drawn = maps.forest(seen.effects, seen.labels)
        parts.append(Drawing("effects", "What each choice went with", drawn, caption, published=True, wide=True))
        parts.append(effect_table(seen))
    if seen.best_quarter:
        parts.append(success_table(seen))
    parts += map_drawings(facts.rows)
    return Section("observed", "What do the trials of the search show?", parts)


def warning(facts: Facts, seen: Observed) -> str:
    """What sampling and pruning did to the rows, in numbers."""
    counts = Counter(row.outcome for row in facts.rows)
    sampler = facts.space.search.sampler if facts.space else "unknown"
    cut = ", ".join(f"{kind} {n} of {of}" for kind, (n, of) in pruned_by_kind(facts.rows).items() if n)
    chosen = (
        "Candidates were drawn at random, so options had equal company, but few rows."
        if sampler == "random"
        else f"The {sampler} sampler chose candidates by what went well before, so options did not have equal company."
    )
    return (
        f"Observational, not evidence. Of {len(facts.rows)} trials {counts['pruned']} were pruned before their last "
        f"epoch{f' (by shortcut: {cut})' if cut else ''}, {counts['rejected']} were rejected untrained by the constraints, "
        f"{counts['failed']} failed, and {counts['repeated']} repeated an earlier candidate and are left out. "
        f"Effects stand on the {seen.n} trained to their end, which are the better ones wherever something was pruned; "
        f"success rates on all {seen.n_evaluated} that were trained at all. {chosen} Only twins differ in one choice."
    )


def effect_table(seen: Observed) -> Table:
    """Marginal effects with interval, n and corrected p, PED-ANOVA beside them."""
    head = ("choice", "option", "n", "n of the others", "difference in validation error (points)", "p (Holm)",
            "verdict", "PED-ANOVA share of the choice")  # fmt: skip
    rows = [
        (seen.labels[e.choice], shown(e.option), str(e.n), str(e.n_others),
         f"{signed(e.difference)} [{signed(e.low)}, {signed(e.high)}]", number(e.p_adjusted),
         "resolved" if maps.sure(e) else "not resolved", share(seen, e.choice))
        for e in seen.effects
    ]  # fmt: skip
    note = (
        "Welch's interval, 95%, uncorrected; p corrected by Holm over all rows; of two options one is listed. "
        "PED-ANOVA: importance for reaching the best tenth, adding up to 100%; it has no sign and no uncertainty, "
        "and leaves pruned trials out."
    )
    return Table("Effects of single choices", head, rows, note, folded=len(rows) > 8)


def shown(option: object) -> str:
    """An option, with the colour of its shortcut kind if it is one."""
    text = str(option)
    return Kind(text) if text in figures.KINDS and text != MIXED else text


def share(seen: Observed, choice: str) -> str:
    """PED-ANOVA's share."""
    value = seen.importance.get(choice)
    return "–" if value is None else f"{value:.0%}"


def success_table(seen: Observed) -> Table:
    """How often an option was among the best quarter, and how often it trained at all."""
    rows = [
        (seen.labels[choice], shown(option), str(rate.n), rate_cell(rate), rate_cell(seen.trained[choice][option]))
        for choice, options in seen.best_quarter.items()
        for option, rate in options.items()
    ]
    note = (
        "With Wilson's 95% interval. Trained: started and did not diverge. Pruned candidates count, and are not among "
        "the best quarter."
    )
    head = ("choice", "option", "n", "among the best quarter", "trained")
    return Table("Success rates by choice", head, rows, note, folded=len(rows) > 8)


def rate_cell(rate: st.Rate) -> str:
    """3 of 7, 43% [16, 75]."""
    return f"{rate.count} of {rate.n}, {rate.rate:.0%} [{100 * rate.low:.0f}, {100 * rate.high:.0f}]"


def map_drawings(rows: Sequence[Row]) -> list[Part]:
    """Median errors by depth and order, and by depth and block type."""
    parts: list[Part] = []
    for name, title, group in (("order", "activation order", order_of), ("block", "block type", block_of)):
        drawn = maps.error_map(rows, group)
        if drawn is not None:
            caption = "Median validation error of the candidates trained to their end, with their number n."
            parts.append(Drawing(f"errors-{name}", f"Error by depth and {title}", drawn, caption))
    return parts


def order_of(row: Row) -> str:
    """The activation order, which a plain network does not have."""
    assert row.architecture is not None
    return "plain" if row.shortcut == "none" else row.architecture.activation_order


def block_of(row: Row) -> str:
    """The block types."""
    assert row.architecture is not None
    return ", ".join(sorted({stage.block.name for stage in row.architecture.stages}))


def surface_section(rows: Sequence[Row]) -> Section:
    """The surrogate of depth and shortcut, or why none is shown."""
    found = surface(rows)
    name, title = "surface", "Does a model of depth and shortcut predict the error?"
    if found is None:
        return Section(name, title)
    if found.errors is None:
        return Section(name, title, [Text(no_surface(found), role="note")])
    caption = (
        f"Random forest on {found.n} candidates; cross-validated R² = {found.r2:.2f}. Averaged over the other choices "
        "of these candidates; n: candidates behind a cell, blank where there is none. Observational."
    )
    return Section(name, title, [Drawing("surface", "Predicted validation error", maps.surface_map(found), caption)])


def no_surface(found: st.Surface) -> str:
    """Why no surface is shown."""
    if found.r2 is None:
        return f"No surface is shown: {found.n} candidates trained to their end are too few, or all have one error."
    return (
        f"No surface is shown: a random forest of depth, shortcut and the other choices has a cross-validated "
        f"R² of {signed(found.r2, 2)} on {found.n} candidates, below {st.SMALLEST_R2:g}, so its map would say more "
        "about the model than about the networks."
    )
