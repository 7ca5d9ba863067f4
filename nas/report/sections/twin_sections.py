"""Sections on the twins: how much, from where on, in which stage, and why."""

from collections.abc import Iterable

from nas.payoff.records import OUTCOMES, Twin
from nas.report.depth_sweep import Place, Twins, slug
from nas.report.document import Drawing, Part, Section, Text
from nas.report.sections import check_tables as checks
from nas.report.sections import twin_tables as tables
from nas.report.sections.network_figure import network
from nas.report.sections.run_figures import CURVES, curves, gradients
from nas.report.sections.trains import trains_section
from nas.report.sections.twin_figures import (
    ROLES,
    gain_by_depth,
    gain_map,
    main_contrasts,
    variant_map,
)
from nas.report.style import MOST_SINGLE, counted
from nas.report.trial_rows import Row
from nas.training.metrics import PROBE_MEASURES, PROBE_STEPS

#: measures by block, the first that was taken is drawn
BY_BLOCK = ("relative_gradient_norm", "gradient_norm")
LABELS = {measure.name: measure.label for measure in PROBE_MEASURES}
SHORT = {"relative_gradient_norm": "relative gradient norm"}


CELLS = "Colour: the 95% interval, uncorrected, leaves zero out; in brackets: not."


def twin_sections(twins: Twins) -> list[Section]:
    """The sections on the twins that have something to say, but for the checks."""
    makers = (
        gain_section,
        trains_section,
        map_section,
        stage_section,
        curve_section,
        gradient_section,
    )
    return [section for section in (make(twins) for make in makers) if section.parts]


def gain_section(twins: Twins) -> Section:
    """Gain against depth for each kind of shortcut, with every number in a table."""
    payoff = twins.payoff
    places = list(dict.fromkeys((one.order, one.role) for one in main_contrasts(payoff)))
    parts: list[Part] = [Text(gain_key(twins), role="note")] if places else []
    for order, role in places:
        parts += [
            gain_drawing(twins, order, role, outcome) for outcome in ("train_error", "val_error")
        ]
    parts += [one for one in (tables.primary(payoff), tables.exploratory(payoff)) if one.rows]
    named = [("ladder", one) for one in payoff.ladder]
    named += [(name, one) for name, group in payoff.candidates.items() for one in group]
    if named:
        note = (
            "Positive: the arm has the lower error. Every pair is printed where there are five or "
            "fewer, else the exact p of both arms' runs exchanged and of the pairs' signs flipped, "
            "uncorrected. 95% intervals by "
            f"{twins.methods}. Only the primary comparisons are corrected for their number."
        )
        parts.append(tables.gains(named, "All gains", note))
    if payoff.crossover:
        parts.append(tables.crossovers(payoff))
    if payoff.with_added:
        parts.append(tables.with_added(payoff))
    return Section("gain", "How much do shortcuts gain, and from what depth on?", parts)


def gain_key(twins: Twins) -> str:
    """How the figures of gains are read."""
    size = twins.payoff.smallest_effect
    reference = main_contrasts(twins.payoff)[0].reference
    dotted = (
        f" Dotted, where the axis reaches it: the smallest effect of interest, {size:g} points of "
        "training error."
    )
    most = max(e.n for one in main_contrasts(twins.payoff) for e in one.gains["val_error"].values())
    some = f", of many an even selection ({MOST_SINGLE} at most)" if most > MOST_SINGLE else ""
    return (
        f"Gain: the error of the network with shortcut {reference} less that of its twin, "
        f"{twins.epochs}. Bands: 95% intervals, cut where they leave the axis. A filled marker: "
        f"the interval leaves zero out. Small dots: single pairs, one for each seed{some}. Single "
        f"depths are exploratory: their intervals are not corrected.{dotted if size > 0 else ''}"
    )


def gain_drawing(twins: Twins, order: str, role: str, outcome: str) -> Drawing:
    """One figure of gain against depth."""
    return Drawing(
        name=slug(f"gain-{outcome}-{order}-{role}"),
        title=f"Gain in {OUTCOMES[outcome][0]}, {order}, {ROLES.get(role, role)}",
        figure=gain_by_depth(twins.payoff, outcome, order, role),
        published=True,
    )


def map_section(twins: Twins) -> Section:
    """The same gains as maps: by depth and activation order, and by block type and width."""
    parts: list[Part] = [
        Drawing(
            name=slug(f"map-{outcome}"),
            title=f"Gain in {OUTCOMES[outcome][0]} by depth, activation order and arm",
            figure=gain_map(twins.payoff, outcome),
            caption=CELLS,
            published=outcome == "train_error",
        )
        for outcome in ("train_error", "val_error")
        if main_contrasts(twins.payoff)
    ]
    if twins.payoff.orders:
        parts.append(tables.orders(twins.payoff))
    if twins.payoff.variants:
        title = "Gain in training error by depth, block type and width"
        drawn = variant_map(twins.payoff)
        parts += [Drawing("map-variants", title, drawn, CELLS), tables.variants(twins.payoff)]
    return Section("map", "Where in the design space?", parts)


def stage_section(twins: Twins) -> Section:
    """The network as blocks coloured by what its stages' shortcuts are worth."""
    parts: list[Part] = []
    stages = twins.payoff.stages.get("train_error")
    if stages is not None:
        full = [
            twins.rows[t.trial] for t in twins.payoff.twins if is_full(t) and t.trial in twins.rows
        ]
        if full and full[0].architecture is not None:
            blocks = full[0].architecture.blocks()
            caption = (
                "Points of training error under each stage. Each bar is a block, each arc its "
                "shortcut; blue: removing costs, grey and in brackets: not resolved. "
                f"{len(blocks)} blocks, {twins.epochs}."
            )
            title = "Cost in training error of taking out the shortcuts of one stage"
            drawn = network(blocks, stages)
            parts.append(Drawing("stages", title, drawn, caption, published=True, wide=True))
        parts.append(tables.stage_table(twins.payoff, stages))
        parts += [tables.interactions(stages)] if stages.interaction else []
    return Section("stages", "Which stages need their shortcuts?", parts)


def is_full(twin: Twin) -> bool:
    """Whether a twin has shortcuts in every stage of the factorial."""
    return twin.comparison == "stages" and set(twin.arm) <= {"1", "-"}


def curve_section(twins: Twins) -> Section:
    """Training and validation curves of twins, at the ends of the ladder."""
    parts: list[Part] = []
    for place in twins.ends():
        arms = twins.at(place)
        for what, kind in (("train_loss", "Training"), ("val_error", "Validation")):
            drawn = curves(arms, CURVES[what])
            title = f"{kind} of twins, {place.layers} layers, {place.order}"
            if drawn.data:
                parts.append(
                    Drawing(slug(f"curve-{what}-{place.order}-{place.depth}"), title, drawn)
                )
    key = Text(f"At the shared learning rate. {twins.lines('mean')}", role="note")
    return Section("curves", "How do the twins train?", [key, *parts] if parts else [])


def gradient_section(twins: Twins) -> Section:
    """Gradients by block at the stored steps, at the deepest network of the ladder."""
    parts: list[Part] = []
    for place in twins.deepest():
        arms = twins.at(place)
        parts += [
            gradient_drawing(place, arms, step)
            for step in [*map(str, PROBE_STEPS), "end"]
            if any(any(taken(arms, step, measure)) for measure in BY_BLOCK)
        ]
        table = checks.trainability(arms, f"Trainability, {place.layers} layers, {place.order}")
        parts += [table] if table.rows else []
    lead = Text(
        "Readings of one step are compared with readings of the same step only: gradient ratios "
        "can turn over within the first ten steps. They go along with the gains; they do not "
        f"prove a cause. {twins.lines('median')} Relative gradient norm: {LABELS[BY_BLOCK[0]]}."
    )
    title = "Why? Signal and gradient by block"
    return Section("gradients", title, [lead, *parts] if parts else [])


def gradient_drawing(place: Place, arms: dict[str, list[Row]], step: str) -> Drawing:
    """One figure of gradients by block."""
    measure = next(name for name in BY_BLOCK if any(taken(arms, step, name)))
    when = "at the end" if step == "end" else f"after {step} step{'s' * (step != '1')}"
    return Drawing(
        name=slug(f"gradient-{place.order}-{step}"),
        title=f"Gradient by block {when}, {place.layers} layers, {place.order}",
        figure=gradients(arms, step, measure, SHORT.get(measure, LABELS[measure])),
        published=step in ("0", "end"),
    )


def taken(arms: dict[str, list[Row]], step: str, measure: str) -> Iterable[bool]:
    """Whether each run has a reading."""
    return (
        isinstance(row.probes(step).get(measure), list) for rows in arms.values() for row in rows
    )


def check_section(twins: Twins) -> Section:
    """What else could explain the gains: speed, failures, capacity, budget."""
    payoff = twins.payoff
    shown = main_contrasts(payoff)
    parts: list[Part] = [checks.speed(shown)] if shown else []
    differing = twins.differing()
    if differing:
        text = f"The twins were not trained under equal conditions: they differ in {differing}."
        parts.append(Text(text, role="warning"))
    parts += [Text(capacity_sentence(twins)), checks.capacity(payoff)]
    parts += [checks.tuning(payoff)] if payoff.tuned else []
    parts.append(checks.budgets(payoff) if payoff.budgets else Text(one_budget(twins), role="note"))
    return Section("checks", "What else could explain the gains?", parts)


def one_budget(twins: Twins) -> str:
    """What a single budget leaves open."""
    return (
        f"All gains stand {twins.epochs}, at one budget. A short run measures mostly how fast a "
        "network gets started; whether a gain is one of accuracy or of speed stays open until the "
        "ladder is repeated at other budgets (payoff: {budgets: [1, 4]} in the space)."
    )


def capacity_sentence(twins: Twins) -> str:
    """Whether projections gain more than their parameters do."""
    control = [
        one for one in twins.payoff.ladder if "wider" in one.reference and one.role == "shared"
    ]
    if not control:
        return (
            "No capacity control has finished: where an arm has more parameters than its twin, "
            "its gain may be due to them."
        )
    said = []
    for one in control:
        for layers, effect in one.gains["train_error"].items():
            plain, arm = one.parameters[layers]
            said.append(
                f"{one.arm} ({arm:,} parameters) against a plain network widened to {plain:,} "
                f"parameters, {layers} layers, {one.order}: gain in training error "
                f"(points) {tables.effect_cell(effect)}, {counted(effect.n, 'pair')}"
            )
    return f"Capacity control: {'; '.join(said)}."
