"""What the trials of the search show, behind a warning."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

import plotly.graph_objects as go

from nas import statistics as st
from nas.report.data import StudyData
from nas.report.document import Drawing, Kind, Part, Section, Table, Text
from nas.report.effects import MANY_ROWS
from nas.report.heatmaps import error_heatmap
from nas.report.observational import Observed, binned, pruned_by_kind
from nas.report.style import (
    ACCENT,
    TEXT,
    counted,
    figure,
    is_kind,
    number,
    plain,
    room,
    signed,
)
from nas.report.trial_rows import Row
from nas.space.methods import SAMPLERS
from nas.statistics import MarginalEffect

#: effects drawn; the table has all of them
MOST_EFFECTS = 24


def observed_section(data: StudyData, seen: Observed) -> Section:
    """What each choice went with, behind a warning."""
    parts: list[Part] = [Text(warning(data, seen), role="warning")]
    if seen.effects:
        caption = (
            "Mean validation error of an option less that of the other options, with its 95% "
            "interval: negative is better; intervals are cut where they leave the axis. Filled: "
            f"resolved after Holm's correction over {len(seen.effects)} effects."
        )
        drawn = _forest(seen.effects, seen.labels)
        title = "What each choice went with"
        parts.append(Drawing("effects", title, drawn, caption, wide=True))
        parts.append(_effect_table(seen))
    if seen.best_quarter:
        parts.append(_success_table(seen))
    parts += _map_drawings(data.rows)
    return Section("observed", "What do the trials of the search show?", parts)


def warning(data: StudyData, seen: Observed) -> str:
    """What sampling and pruning did to the rows, in numbers."""
    counts = Counter(row.outcome for row in data.rows)
    cut = ", ".join(
        f"{kind} {n} of {of}" for kind, (n, of) in pruned_by_kind(data.rows).items() if n
    )
    return (
        f"Observational, not evidence. Of {counted(len(data.rows), 'trial')} "
        f"{counts['pruned']:,} were pruned before their last "
        f"epoch{f' (by shortcut: {cut})' if cut else ''}, {counts['rejected']:,} were rejected "
        f"untrained by the constraints, {counts['failed']:,} failed, and {counts['repeated']:,} "
        f"repeated an earlier candidate and are left out. Effects stand on the {seen.n:,} trained "
        "to their end, which are the better ones wherever something was pruned; success rates on "
        f"all {seen.n_evaluated:,} that were trained at all. {_company(data)} Only twins differ "
        "in one choice."
    )


def _company(data: StudyData) -> str:
    """What the sampler did to the rows."""
    sampler = data.space.sampler.name if data.space else "unknown"
    if sampler in SAMPLERS and SAMPLERS[sampler].enumerates:
        return "Candidates are points of a grid, balanced only where all of it was trained."
    if sampler in SAMPLERS and not SAMPLERS[sampler].learns:
        return "Candidates were drawn at random: options had equal company, but for chance."
    return (
        f"The sampler ({sampler}) chose candidates by what went well before, so options did not "
        "have equal company."
    )


def _forest(effects: Sequence[MarginalEffect], labels: Mapping[str, str]) -> go.Figure:
    """Difference of mean error of each option to the others, filled where it is resolved."""
    shown = sorted(effects, key=lambda e: (e.p_adjusted, -abs(e.difference)))[:MOST_EFFECTS]
    shown = sorted(shown, key=lambda e: (e.choice, str(e.option)), reverse=True)
    names = [f"{plain(labels[e.choice])}<br><b>{plain(e.option)}</b>" for e in shown]
    drawn = figure("difference in error (points)", "", height=90 + 40 * len(shown))
    for is_sure, word in ((True, "resolved"), (False, "not resolved")):
        some = [(name, e) for name, e in zip(names, shown, strict=True) if _sure(e) is is_sure]
        if some:
            drawn.add_trace(_whiskers(some, word, ACCENT if is_sure else TEXT))
    drawn.add_vline(0, line={"color": TEXT, "width": 1})
    drawn.update_xaxes(range=_reach(shown))
    return drawn.update_yaxes(categoryorder="array", categoryarray=names, showgrid=False, ticks="")


def _reach(effects: Sequence[MarginalEffect]) -> list[float]:
    """An axis with every difference, and as much of the intervals as leaves these readable."""
    most = 4 * max((abs(e.difference) for e in effects), default=1.0) or 1.0
    low = min((max(e.low, -most) for e in effects), default=-1.0)
    high = max((min(e.high, most) for e in effects), default=1.0)
    return room([low, 0.0, high], 0.04)


def _sure(effect: MarginalEffect) -> bool:
    """Whether an effect survives Holm's correction and its interval leaves zero out."""
    return effect.p_adjusted <= 0.05 and (effect.low > 0 or effect.high < 0)


def _whiskers(rows: Sequence[tuple[str, MarginalEffect]], name: str, colour: str) -> go.Scatter:
    """Means with their intervals."""
    return go.Scatter(
        x=[e.difference for _, e in rows],
        y=[name for name, _ in rows],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [e.high - e.difference for _, e in rows],
            "arrayminus": [e.difference - e.low for _, e in rows],
            "thickness": 1.5,
            "width": 0,
        },
        mode="markers",
        name=name,
        marker={
            "color": colour,
            "size": 8,
            "symbol": "circle" if colour == ACCENT else "circle-open",
        },
        text=[
            f"{signed(e.difference)} [{signed(e.low)}, {signed(e.high)}], n = {e.n} against "
            f"{e.n_others}"
            for _, e in rows
        ],
        hovertemplate="%{text}<extra></extra>",
    )


def _effect_table(seen: Observed) -> Table:
    """Marginal effects with interval, n and corrected p, PED-ANOVA beside them."""
    head = (
        *("choice", "option", "n", "n of the others", "difference in validation error (points)"),
        *("p (Holm)", "verdict", "PED-ANOVA share of the choice"),
    )
    rows = [
        (
            *(seen.labels[e.choice], _option_cell(e.option), str(e.n), str(e.n_others)),
            f"{signed(e.difference)} [{signed(e.low)}, {signed(e.high)}]",
            *(number(e.p_adjusted), "resolved" if _sure(e) else "not resolved"),
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
    return Table("Effects of single choices", head, rows, note, folded=len(rows) > MANY_ROWS)


def _option_cell(option: object) -> str:
    """An option, with the colour of its shortcut kind if it is one."""
    text = str(option)
    return Kind(text) if is_kind(text) else text


def share(seen: Observed, choice: str) -> str:
    """PED-ANOVA's share."""
    value = seen.importance.get(choice)
    return "–" if value is None else f"{value:.0%}"


def _success_table(seen: Observed) -> Table:
    """How often an option was among the best quarter, and how often it trained at all."""
    rows = [
        (
            seen.labels[choice],
            _option_cell(option),
            str(rate.n),
            _success_cell(rate),
            _success_cell(seen.trained[choice][option]),
        )
        for choice, options in seen.best_quarter.items()
        for option, rate in options.items()
    ]
    note = (
        "With Wilson's 95% interval. Trained: started and did not diverge. Pruned candidates "
        "count, and are not among the best quarter."
    )
    head = ("choice", "option", "n", "among the best quarter", "trained")
    return Table("Success rates by choice", head, rows, note, folded=len(rows) > MANY_ROWS)


def _success_cell(rate: st.Rate) -> str:
    """3 of 7, 43% [16, 75]."""
    return (
        f"{rate.count} of {rate.n}, {rate.rate:.0%} [{100 * rate.low:.0f}, {100 * rate.high:.0f}]"
    )


def _map_drawings(rows: Sequence[Row]) -> list[Part]:
    """Median errors by depth and order, and by depth and block type."""
    parts: list[Part] = []
    for name, title, group in (
        ("order", "activation order", _order_of),
        ("block", "block type", _block_of),
    ):
        drawn = _error_map(rows, group)
        if drawn is not None:
            caption = "Median validation error of candidates trained to their end; n: their number."
            parts.append(Drawing(f"errors-{name}", f"Error by depth and {title}", drawn, caption))
    return parts


def _order_of(row: Row) -> str:
    """The activation order, which a plain network does not have."""
    assert row.architecture is not None
    return "plain" if row.shortcut == "none" else row.architecture.activation_order


def _block_of(row: Row) -> str:
    """The block types."""
    assert row.architecture is not None
    return ", ".join(sorted({stage.block.name for stage in row.architecture.stages}))


def _error_map(rows: Sequence[Row], group) -> go.Figure | None:
    """Median validation error by depth (across) and group (down), with counts; None without two
    groups.
    """
    known = [row for row in rows if row.outcome == "trained" and row.val_error is not None]
    known = [row for row in known if row.architecture is not None and row.value("layers")]
    depths = binned([int(row.value("layers") or 0) for row in known])
    cells: dict[tuple[str, int], list[float]] = {}
    for row, depth in zip(known, depths, strict=True):
        cells.setdefault((group(row), depth), []).append(row.val_error or 0.0)
    names = sorted({name for name, _ in cells}, reverse=True)
    if len(names) < 2:
        return None
    across = sorted(set(depths))
    table = [[cells.get((name, depth)) for depth in across] for name in names]
    return error_heatmap(
        [[None if cell is None else median(cell) for cell in line] for line in table],
        [[0 if cell is None else len(cell) for cell in line] for line in table],
        [str(depth) for depth in across],
        [plain(name) for name in names],
    )
