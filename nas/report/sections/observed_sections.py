"""Sections on what the trials of the search show, behind a warning."""

from collections import Counter
from collections.abc import Sequence

from nas import statistics as st
from nas.report.data import Facts
from nas.report.document import Drawing, Kind, Part, Section, Table, Text
from nas.report.observed import Observed, fittable, pruned_by_kind, surface
from nas.report.sections import observed_figures as maps
from nas.report.sections.twin_tables import MANY
from nas.report.style import counted, is_kind, number, signed
from nas.report.trial_rows import Row
from nas.space.methods import SAMPLERS


def observed_section(facts: Facts, seen: Observed) -> Section:
    """What each choice went with, behind a warning."""
    parts: list[Part] = [Text(warning(facts, seen), role="warning")]
    if seen.effects:
        caption = (
            "Mean validation error of an option less that of the other options, with its 95% "
            "interval: negative is better; intervals are cut where they leave the axis. Filled: "
            f"resolved after Holm's correction over {len(seen.effects)} effects."
        )
        drawn = maps.forest(seen.effects, seen.labels)
        title = "What each choice went with"
        parts.append(Drawing("effects", title, drawn, caption, wide=True))
        parts.append(effect_table(seen))
    if seen.best_quarter:
        parts.append(success_table(seen))
    parts += map_drawings(facts.rows)
    return Section("observed", "What do the trials of the search show?", parts)


def warning(facts: Facts, seen: Observed) -> str:
    """What sampling and pruning did to the rows, in numbers."""
    counts = Counter(row.outcome for row in facts.rows)
    cut = ", ".join(
        f"{kind} {n} of {of}" for kind, (n, of) in pruned_by_kind(facts.rows).items() if n
    )
    return (
        f"Observational, not evidence. Of {counted(len(facts.rows), 'trial')} "
        f"{counts['pruned']:,} were pruned before their last "
        f"epoch{f' (by shortcut: {cut})' if cut else ''}, {counts['rejected']:,} were rejected "
        f"untrained by the constraints, {counts['failed']:,} failed, and {counts['repeated']:,} "
        f"repeated an earlier candidate and are left out. Effects stand on the {seen.n:,} trained "
        "to their end, which are the better ones wherever something was pruned; success rates on "
        f"all {seen.n_evaluated:,} that were trained at all. {company(facts)} Only twins differ "
        "in one choice."
    )


def company(facts: Facts) -> str:
    """What the sampler did to the rows."""
    sampler = facts.space.sampler.name if facts.space else "unknown"
    if sampler in SAMPLERS and SAMPLERS[sampler].enumerates:
        return "Candidates are points of a grid, balanced only where all of it was trained."
    if sampler in SAMPLERS and not SAMPLERS[sampler].learns:
        return "Candidates were drawn at random: options had equal company, but for chance."
    return (
        f"The sampler ({sampler}) chose candidates by what went well before, so options did not "
        "have equal company."
    )


def effect_table(seen: Observed) -> Table:
    """Marginal effects with interval, n and corrected p, PED-ANOVA beside them."""
    head = (
        *("choice", "option", "n", "n of the others", "difference in validation error (points)"),
        *("p (Holm)", "verdict", "PED-ANOVA share of the choice"),
    )
    rows = [
        (
            *(seen.labels[e.choice], shown(e.option), str(e.n), str(e.n_others)),
            f"{signed(e.difference)} [{signed(e.low)}, {signed(e.high)}]",
            *(number(e.p_adjusted), "resolved" if maps.sure(e) else "not resolved"),
            share(seen, e.choice),
        )
        for e in seen.effects
    ]
    note = (
        "Welch's interval, 95%, uncorrected; p corrected by Holm over all rows; of two options "
        "one is listed. PED-ANOVA: importance for reaching the best tenth, adding up to 100%; it "
        "has no sign and no uncertainty, and leaves pruned trials out. zero_pad only (or "
        "projection only): the one block of the stage changes shape, so that the transition is "
        "its only shortcut."
    )
    return Table("Effects of single choices", head, rows, note, folded=len(rows) > MANY)


def shown(option: object) -> str:
    """An option, with the colour of its shortcut kind if it is one."""
    text = str(option)
    return Kind(text) if is_kind(text) else text


def share(seen: Observed, choice: str) -> str:
    """PED-ANOVA's share."""
    value = seen.importance.get(choice)
    return "–" if value is None else f"{value:.0%}"


def success_table(seen: Observed) -> Table:
    """How often an option was among the best quarter, and how often it trained at all."""
    rows = [
        (
            seen.labels[choice],
            shown(option),
            str(rate.n),
            rate_cell(rate),
            rate_cell(seen.trained[choice][option]),
        )
        for choice, options in seen.best_quarter.items()
        for option, rate in options.items()
    ]
    note = (
        "With Wilson's 95% interval. Trained: started and did not diverge. Pruned candidates "
        "count, and are not among the best quarter."
    )
    head = ("choice", "option", "n", "among the best quarter", "trained")
    return Table("Success rates by choice", head, rows, note, folded=len(rows) > MANY)


def rate_cell(rate: st.Rate) -> str:
    """3 of 7, 43% [16, 75]."""
    return (
        f"{rate.count} of {rate.n}, {rate.rate:.0%} [{100 * rate.low:.0f}, {100 * rate.high:.0f}]"
    )


def map_drawings(rows: Sequence[Row]) -> list[Part]:
    """Median errors by depth and order, and by depth and block type."""
    parts: list[Part] = []
    for name, title, group in (
        ("order", "activation order", order_of),
        ("block", "block type", block_of),
    ):
        drawn = maps.error_map(rows, group)
        if drawn is not None:
            caption = "Median validation error of candidates trained to their end; n: their number."
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
        return Section(name, title, [Text(no_surface(found, rows), role="note")])
    caption = (
        f"Random forest on {fitted(found, rows)}; cross-validated R² = {found.r2:.2f}. Averaged "
        "over the other choices of these candidates; n: candidates behind a cell, blank where "
        "there is none. Observational."
    )
    drawn = maps.surface_map(found)
    return Section(name, title, [Drawing("surface", "Predicted validation error", drawn, caption)])


def fitted(found: st.Surface, rows: Sequence[Row]) -> str:
    """The candidates a forest was fitted to."""
    count = len(fittable(rows))
    selected = f" (an even selection of {count:,})" if count > found.n else ""
    return f"{found.n} candidates{selected}"


def no_surface(found: st.Surface, rows: Sequence[Row]) -> str:
    """Why no surface is shown."""
    if found.r2 is None:
        return (
            f"No surface is shown: {found.n} candidates trained to their end are too few, or all "
            "have the same error."
        )
    return (
        "No surface is shown: a random forest of depth, shortcut and the other choices has a "
        f"cross-validated R² of {signed(found.r2, 2)} on {fitted(found, rows)}, below "
        f"{st.SMALLEST_R2:g}, so its map would say more about the model than about the networks."
    )
