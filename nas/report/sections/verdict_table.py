"""The gains of the verdict as a small table."""

from collections.abc import Sequence

from nas.payoff.contrasts import BESIDES, Contrast
from nas.payoff.primary import ordered
from nas.payoff.verdict import preferred
from nas.report.depth_sweep import Twins
from nas.report.document import Kind, Table
from nas.report.effects import effect_cell

#: rows up to which every depth is shown, and else the shallowest and the deepest
MOST = 8


def verdict_table(twins: Twins) -> Table | None:
    """Each arm against the reference at each depth, at the learning rate that comes first; None
    where nothing of that has finished, or it would not be small. What was found stands first, for
    narrow screens.
    """
    ladder = [one for one in ordered(twins.payoff.ladder) if one.budget == 1]
    shown = preferred(one for one in ladder if (one.reference, one.arm) not in BESIDES)
    places = [(one, layers) for one in shown for layers in depths(one, len(shown))]
    if not 0 < len(places) <= MOST:
        return None
    several = len({one.order for one in shown}) > 1
    head = (
        *(
            "layers",
            "arm",
            "training error lower by (points)",
            "validation error lower by (points)",
        ),
        *("pairs", "against", *["activation order"] * several),
    )
    rows = [row(one, layers, several=several) for one, layers in places]
    return Table("", head, rows, "Intervals of 95% each, not corrected: the answer stands above.")


def depths(one: Contrast, arms: int) -> Sequence[int]:
    """The depths of an arm that have room in a small table."""
    all_depths = sorted(one.gains["train_error"])
    return all_depths if len(all_depths) * arms <= MOST else (all_depths[0], all_depths[-1])


def row(one: Contrast, layers: int, *, several: bool) -> tuple[str, ...]:
    """An arm at a depth."""
    training, validation = one.gains["train_error"][layers], one.gains["val_error"][layers]
    return (
        *(str(layers), Kind(one.arm), effect_cell(training), effect_cell(validation)),
        *(str(training.n), Kind(one.reference), *[one.order] * several),
    )
