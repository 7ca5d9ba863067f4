"""The gain of each arm over depth, width and budget at once, where two of these vary."""

from collections import defaultdict
from collections.abc import Iterable

from nas import statistics as st
from nas.payoff.contrasts import BESIDES, Contrast, paired
from nas.payoff.records import Twin

#: what a place of a map is told by: weighted layers, factor of all widths, multiple of the epochs
DIMENSIONS = ("depth", "width", "budget")
WIDTH = "width × "


def gain_maps(twins: Iterable[Twin], ladder: Iterable[Contrast]) -> dict[str, st.GainModel]:
    """Contrast of the ladder at the shared rate -> the model of its gain in training error; wider
    networks are trained at that rate alone.
    """
    every = list(twins)
    shared = [one for one in ladder if one.role == "shared" and one.budget == 1]
    found = {}
    for one in shared:
        if (one.reference, one.arm) not in BESIDES:
            model = st.gain_model(gains_by_place(every, one), DIMENSIONS)
            if model is not None:
                found[f"{one.reference} → {one.arm}, {one.order}"] = model
    return found


def gains_by_place(
    twins: Iterable[Twin], one: Contrast
) -> dict[tuple[float, ...], dict[int, float]]:
    """Layers, width and budget -> seed -> gain in training error."""
    groups: dict[tuple[float, int], list[Twin]] = defaultdict(list)
    for twin in twins:
        width = width_of(twin.comparison)
        if width is not None and (twin.order, twin.role) == (one.order, one.role):
            groups[width, twin.budget].append(twin)
    return {
        (float(layers), width, float(budget)): {
            a.seed: a.outcomes["train_error"] - b.outcomes["train_error"] for a, b in rows
        }
        for (width, budget), group in groups.items()
        for layers, rows in paired(group, one.reference, one.arm).items()
    }


def width_of(comparison: str) -> float | None:
    """The factor of all widths in a comparison of the ladder or of a variant; None in another."""
    if comparison == "ladder":
        return 1.0
    return float(comparison.removeprefix(WIDTH)) if comparison.startswith(WIDTH) else None
