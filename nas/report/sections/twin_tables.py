"""Tables of the gains: every one with its interval and number of pairs."""

import math
from collections.abc import Iterable

from nas.payoff.analysis import Payoff
from nas.payoff.contrasts import Contrast
from nas.report.document import Kind, Table
from nas.report.sections.twin_figures import ROLES
from nas.report.style import counted, number, signed
from nas.statistics import Claim, CrossoverDepth, Effect, StageEffects

#: pairs up to which each one is printed
PRINTED_PAIRS = 5
#: head of a column of pairs
PAIRS = "each pair, or p"
#: rows from which on a table is folded
MANY = 8


def effect_cell(effect: Effect | None, digits: int = 1) -> str:
    """+1.2 [0.5, 1.9], and `not resolved` where the interval crosses zero."""
    if effect is None:
        return "–"
    mean, low, high = (signed(x, digits) for x in (effect.mean, effect.low, effect.high))
    if not (math.isfinite(effect.low) and math.isfinite(effect.high)):
        return f"{mean} (one pair, no interval)"
    if effect.saturated:
        return "0.0, saturated: no error in any run of both"
    return f"{mean} [{low}, {high}]" + ("" if effect.resolved else " not resolved")


def pairs_cell(effect: Effect) -> str:
    """Every pair where there are five or fewer, else the exact p of both arms, and of the signs of
    the pairs.
    """
    if effect.n <= PRINTED_PAIRS:
        return ", ".join(signed(pair) for pair in effect.pairs)
    signs = f"sign-flip p = {number(effect.p_value)}"
    if effect.unpaired_p is None:
        return signs
    return f"permutation p = {number(effect.unpaired_p)}, {signs}"


def gains(contrasts: Iterable[tuple[str, Contrast]], title: str, note: str) -> Table:
    """One row for each contrast and depth; each contrast with the name of its comparison."""
    head = (
        *("comparison", "arm", "against", "activation order", "learning rate", "budget", "layers"),
        *("pairs", "gain in training error (points)", "gain in validation error (points)"),
        *(f"training: {PAIRS}", f"validation: {PAIRS}"),
    )
    rows = [
        gain_row(name, one, layers)
        for name, one in contrasts
        for layers in one.gains["train_error"]
    ]
    return Table(title, head, rows, note, folded=len(rows) > MANY)


def with_added(payoff: Payoff) -> Table:
    """The gains with the runs that were added to the plan."""
    named = [(name, one) for name, rows in payoff.with_added.items() for one in rows]
    note = (
        "Planned runs together with those asked for after a twin had finished, when results could "
        "be seen: exploratory, whatever their intervals."
    )
    return gains(named, "Gains with the runs added to the plan", note)


def gain_row(name: str, one: Contrast, layers: int) -> tuple[str, ...]:
    """A contrast at one depth."""
    training, validation = one.gains["train_error"][layers], one.gains["val_error"][layers]
    return (
        *(name, Kind(one.arm), Kind(one.reference), one.order, rate_cell(one, layers)),
        *(f"{one.budget} ×", str(layers), str(training.n)),
        *(effect_cell(training), effect_cell(validation)),
        *(pairs_cell(training), pairs_cell(validation)),
    )


def rate_cell(one: Contrast, layers: int) -> str:
    """At which learning rates the arms stand."""
    reference, arm = one.rates[layers]
    text = ROLES.get(one.role, one.role)
    return f"{text}, {arm:g}" if arm == reference else f"{text}, {arm:g} against {reference:g}"


def primary(payoff: Payoff) -> Table:
    """The comparisons fixed beforehand, corrected for their number."""
    rows = [
        (*claim_row(claim), number(claim.p_adjusted), claim.test or "–", claim.status)
        for claim in payoff.claims.values()
        if claim.status != "exploratory"
    ]
    head = ("comparison", "points", "pairs", PAIRS, "p (Holm)", "test", "verdict")
    return Table("Primary comparisons, fixed before the first twin was trained", head, rows)


def exploratory(payoff: Payoff) -> Table:
    """The other differences in differences over depth."""
    over_depth = {id(e) for one in payoff.ladder for e in one.interaction.values()}
    rows = [
        claim_row(claim)
        for claim in payoff.claims.values()
        if claim.status == "exploratory" and id(claim.effect) in over_depth
    ]
    head = ("comparison", "points", "pairs", PAIRS)
    note = "Not corrected for their number: they claim nothing."
    return Table("Other differences in differences over depth", head, rows, note, folded=True)


def claim_row(claim: Claim) -> tuple[str, ...]:
    """A comparison with its effect."""
    effect = claim.effect
    return claim.name, effect_cell(effect), str(effect.n), pairs_cell(effect)


def crossovers(payoff: Payoff) -> Table:
    """The depth at which each arm has its least training error."""
    rows = [
        (
            *(name, least_cell(one), f"{one.low} to {one.high}" if one.n > 1 else "–"),
            *(beyond_cell(one), str(one.n)),
        )
        for name, one in payoff.crossover.items()
    ]
    least, beyond = "layers of least training error", "may lie beyond what was tried"
    head = ("arm", least, "95% interval", beyond, "seeds")
    return Table("From which depth on an arm gets worse", head, rows, folded=len(rows) > MANY)


def least_cell(one: CrossoverDepth) -> str:
    """The depth of least error, or the equal ones, and whether there is no error left to lose."""
    text = str(one.depth) if one.last == one.depth else f"{one.depth} to {one.last}, equal"
    return f"{text}; saturated" if one.saturated else text


def beyond_cell(one: CrossoverDepth) -> str:
    """On which side the interval reaches the end of the depths that were tried."""
    sides = ["shallower"] * one.censored_shallow + ["deeper"] * one.censored
    return f"yes, {' or '.join(sides)}" if sides else "no"


def stage_table(payoff: Payoff, stages: StageEffects) -> Table:
    """What the shortcuts of each stage are worth, in four ways."""
    head = (
        *("stage", "mean gain", "p (Holm)", "verdict", "cost of removing", "gain when alone"),
        *("Shapley value", f"of what is tested: {PAIRS}"),
    )
    rows = [stage_row(payoff, stages, stage) for stage in stages.removal]
    tested = (
        "every combination of stages trained. Mean gain: over all settings of the other stages"
        if stages.main
        else "without every combination of stages, as these are many. Cost of removing"
    )
    note = (
        f"Points of training error, {counted(stages.total.n, 'seed')}, {tested}, corrected by Holm "
        f"over the stages. All stages together: {effect_cell(stages.total)}. Everything else is "
        "exploratory."
    )
    return Table("Shortcuts by stage", head, rows, note)


def stage_row(payoff: Payoff, stages: StageEffects, stage: int) -> tuple[str, ...]:
    """One stage."""
    claim, main = payoff.stage_claims.get(stage), stages.main.get(stage)
    return (
        *(str(stage + 1), effect_cell(main), number(claim.p_adjusted) if claim else "–"),
        *(claim.status if claim else "–", effect_cell(stages.removal.get(stage))),
        *(effect_cell(stages.alone.get(stage)), effect_cell(stages.shapley.get(stage))),
        pairs_cell(main or stages.removal[stage]),
    )


def orders(payoff: Payoff) -> Table:
    """The activation orders against each other, in networks that have shortcuts."""
    rows = [
        (
            *(Kind(one.order), one.arm, one.reference, rate_cell(one, layers), str(layers)),
            *(str(effect.n), effect_cell(effect)),
            *(effect_cell(one.gains["val_error"][layers]), pairs_cell(effect)),
        )
        for one in payoff.orders
        for layers, effect in one.gains["train_error"].items()
    ]
    head = (
        *("networks", "activation order", "against", "learning rate", "layers", "pairs"),
        *("gain in training error (points)", "gain in validation error (points)"),
        f"training: {PAIRS}",
    )
    note = (
        "Positive: the order has the lower error. A plain network is the same under all orders, so "
        "this is also by how much the gain of shortcuts changes with the order. Exploratory, not "
        "corrected: small effects of the order are not resolvable with few pairs."
    )
    return Table("Activation orders against each other", head, rows, note, folded=len(rows) > MANY)


def variants(payoff: Payoff) -> Table:
    """The ends of the ladder with other blocks and at other widths."""
    rows = [
        (
            *(name, Kind(one.arm), Kind(one.reference), one.order, str(layers)),
            *(str(one.blocks[layers]), str(effect.n), effect_cell(effect)),
            effect_cell(one.gains["val_error"][layers]),
            effect_cell(row.change) if layers == max(one.blocks) else "–",
        )
        for name, some in payoff.variants.items()
        for row in some
        for one in [row.contrast]
        for layers, effect in one.gains["train_error"].items()
    ]
    head = (
        *("variant", "arm", "against", "activation order", "layers", "blocks in a stage", "pairs"),
        *("gain in training error (points)", "gain in validation error (points)"),
        "more than in the ladder (training error)",
    )
    note = "The ladder itself is the row of the same arm under all gains. Exploratory."
    return Table("Gain by block type and width", head, rows, note, folded=len(rows) > MANY)


def interactions(stages: StageEffects) -> Table:
    """How much the shortcuts of one stage raise the gain of another's."""
    rows = [
        (" × ".join(str(stage + 1) for stage in some), effect_cell(effect), pairs_cell(effect))
        for some, effect in stages.interaction.items()
    ]
    head = ("stages", "interaction (points)", PAIRS)
    note = "Positive: each helps more where the other has shortcuts."
    return Table("Interactions of stages", head, rows, note, folded=True)
