"""What else could explain the gains: speed, failures, capacity, budget, learning rate."""

import math
from collections.abc import Sequence

from nas.payoff.analysis import Payoff
from nas.payoff.contrasts import Contrast
from nas.payoff.rate_words import range_words
from nas.payoff.records import OUTCOMES
from nas.payoff.variants import CONTROL
from nas.report.depth_sweep import ROLES, Twins, main_contrasts
from nas.report.document import Kind, Part, Section, Table, Text
from nas.report.effects import MANY_ROWS, effect_cell
from nas.report.style import (
    MINUS,
    counted,
    number,
    signed,
)
from nas.statistics import DISTANCE, SpeedUp


def check_section(twins: Twins) -> Section:
    """What else could explain the gains: speed, failures, capacity, budget."""
    payoff = twins.payoff
    shown = main_contrasts(payoff)
    parts: list[Part] = [speed_table(shown)] if shown else []
    differing = twins.differing()
    if differing:
        text = f"The twins were not trained under equal conditions: they differ in {differing}."
        parts.append(Text(text, role="warning"))
    parts += [Text(_capacity_sentence(twins)), _capacity_table(payoff)]
    parts += [tuning_table(payoff)] if payoff.tuned else []
    parts.append(budget_table(payoff) if payoff.budgets else Text(_one_budget(twins), role="note"))
    return Section("checks", "What else could explain the gains?", parts)


def _one_budget(twins: Twins) -> str:
    """What a single budget leaves open."""
    return (
        f"All gains stand {twins.epochs}, at one budget. A short run measures mostly how fast a "
        "network gets started; whether a gain is one of accuracy or of speed stays open until the "
        "ladder is repeated at other budgets (payoff: {budgets: [1, 4]} in the space)."
    )


def _capacity_sentence(twins: Twins) -> str:
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
                f"(points) {effect_cell(effect)}, {counted(effect.n, 'pair')}"
            )
    return f"Capacity control: {'; '.join(said)}."


def speed_table(contrasts: Sequence[Contrast]) -> Table:
    """Steps to a threshold of the loss, and how often training failed."""
    head = (
        *("arm", "against", "activation order", "learning rate", "layers", "steps"),
        *("steps of the other", "times as fast", "never there", "failed"),
        "difference of failure rates (points)",
    )
    rows = [_speed_row(one, layers) for one in contrasts for layers in one.speed]
    note = (
        "Steps until the training loss is below three quarters of that of guessing; a run that "
        "never gets there counts with the steps it had (restricted mean). Failed: diverged, or "
        "never started."
    )
    return Table("Speed and stability", head, rows, note, folded=len(rows) > MANY_ROWS)


def _speed_row(one: Contrast, layers: int) -> tuple[str, ...]:
    """A contrast at one depth."""
    fast, failed = one.speed[layers], one.stability[layers]
    gain = f"{signed(100 * failed.gain, 0)} {_bounds(100 * failed.low, 100 * failed.high, 0)}"
    return (
        *(Kind(one.arm), Kind(one.reference), one.order, ROLES.get(one.role, one.role)),
        *(str(layers), number(fast.residual_mean), number(fast.plain_mean), _ratio_cell(fast)),
        f"{fast.residual_never} against {fast.plain_never}",
        f"{failed.residual.count} against {failed.plain.count} of {failed.n}",
        gain if failed.resolved else f"{gain} not resolved",
    )


def _ratio_cell(fast: SpeedUp) -> str:
    """How many times as fast, with the ends that are known."""
    if fast.ratio is None:
        return "not told: none got there" if fast.none_got_there else "not told: some of both never"
    ratio = f"{fast.ratio:.2f}"
    if fast.saved.n == 1:
        return f"{ratio} (no interval)"
    if fast.high is None:
        text = f"at least {ratio} [{fast.low:.2f}, …)"
    elif fast.low is None:
        text = f"at most {ratio} (…, {fast.high:.2f}]"
    else:
        text = f"{ratio} {_bounds(fast.low, fast.high)}"
    return text if fast.resolved else f"{text} not resolved"


def _bounds(low: float, high: float, digits: int = 2) -> str:
    """An interval, or that there is none."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return "(no interval)"
    return f"[{low:.{digits}f}, {high:.{digits}f}]".replace("-", MINUS)


def _capacity_table(payoff: Payoff) -> Table:
    """How many parameters the arms have, and whether they started from the same weights."""
    groups = [payoff.ladder, *payoff.candidates.values()]
    rows = {
        _capacity_row(one, layers): None
        for group in groups
        for one in group
        for layers in one.parameters
    }
    head = (
        *("arm", "against", "activation order", "layers", "parameters", "of the other"),
        *("difference", "same initial weights"),
    )
    return Table("Parameters of the arms", head, list(rows), folded=len(rows) > MANY_ROWS)


def _capacity_row(one: Contrast, layers: int) -> tuple[str, ...]:
    """A contrast at one depth."""
    reference, arm = one.parameters[layers]
    same = "yes" if one.same_start else "no"
    if CONTROL in (one.reference, one.arm):
        same = "no: widths differ"
    return (
        *(Kind(one.arm), Kind(one.reference), one.order, str(layers)),
        *(f"{arm:,}", f"{reference:,}", f"{arm - reference:+,}".replace("-", MINUS), same),
    )


def budget_table(payoff: Payoff) -> Table:
    """Whether a gain in validation error is one of accuracy, or of speed that a longer run makes up
    for.
    """
    rows = [
        (name, one.verdict, one.reason, effect_cell(one.trend))
        for name, one in payoff.budgets.items()
    ]
    change = "change of the gain, longest less shortest budget (points)"
    head = ("comparison", "verdict", "why", change)
    return Table("Accuracy or speed?", head, rows, folded=len(rows) > MANY_ROWS)


def tuning_table(payoff: Payoff) -> Table:
    """The errors at every learning rate that was tried for an arm."""
    rates = sorted({rate for one in payoff.tuned for rate in one.errors})
    rows = [
        (
            *(one.comparison, Kind(one.arm), one.order, str(one.layers), f"{one.budget} ×"),
            *(number(one.errors.get(rate)) for rate in rates),
            *(f"{one.best:.3g}", f"yes, the {one.edge} rate" if one.edge else "no"),
            f"{range_words(one.usable)} ({one.usable.usable} of {one.usable.tried})"
            if one.usable
            else "none",
        )
        for one in payoff.tuned
    ]
    head = (
        *("comparison", "arm", "activation order", "layers", "budget"),
        *(f"{rate:.3g}" for rate in rates),
        *("best rate", "at an edge", "usable rates"),
    )
    outcome = OUTCOMES[payoff.primary.get("tuned_by", "val_error")][0]
    note = (
        f"Under each learning rate the mean {outcome} in points, over "
        f"{counted(max(one.seeds for one in payoff.tuned), 'tuning seed')}. At an edge a better "
        "rate may lie beyond those tried. Usable: the rates beside the best one at which all runs "
        f"train with an error within {DISTANCE:g} points of its least."
    )
    title = "Learning rates tried for each arm"
    return Table(title, head, rows, note, folded=len(rows) > MANY_ROWS)
