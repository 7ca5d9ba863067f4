"""One arm against another, by depth: every effect of it with its interval."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from nas import statistics as st
from nas.payoff.after_training import AfterTraining, after_training
from nas.payoff.records import OUTCOMES, Twin, largest
from nas.payoff.variants import AS_FOUND, CONTROL

#: compared as well where both arms were trained: does a projection gain by more than its
#: parameters, does identity do better than projection, and would a candidate do better with one
#: kind of shortcut everywhere than as it was found?
BESIDES = (
    (CONTROL, "projection"),
    ("projection", "identity"),
    (AS_FOUND, "identity"),
    (AS_FOUND, "projection"),
)


Pairs = dict[int, list[tuple[Twin, Twin]]]


@dataclass(frozen=True)
class Contrast:
    """One arm against a better-connected one, by depth: gains are reference less arm, so positive
    where the arm is better; `hurdle` splits those in training error, `equal_loss` those in
    validation error. `after_training`: what the finished networks stand, where that was measured.
    Depths are layers; `blocks` are those in every stage.
    """

    order: str
    role: str
    budget: int
    reference: str
    arm: str
    gains: dict[str, dict[int, st.Effect]]
    interaction: dict[str, st.Effect]
    onset: st.OnsetDepth | None
    speed: dict[int, st.SpeedUp]
    stability: dict[int, st.StabilityGain]
    hurdle: dict[int, st.Hurdle]
    parameters: dict[int, tuple[int, int]]
    rates: dict[int, tuple[float, float]]
    same_start: bool
    blocks: dict[int, int]
    equal_loss: dict[int, st.EqualLoss] = field(default_factory=dict)
    after_training: dict[int, AfterTraining] = field(default_factory=dict)


def contrasts(
    twins: Iterable[Twin], comparison: str, reference: str | None, smallest_effect: float
) -> Iterator[Contrast]:
    """Every arm against the reference (without one, the first arm), by order, role and budget."""
    groups: dict[tuple[str, str, int], list[Twin]] = defaultdict(list)
    for one in twins:
        if one.comparison == comparison and one.role != "tune":
            groups[one.order, one.role, one.budget].append(one)
    for (order, role, budget), group in sorted(groups.items()):
        arms = sorted(dict.fromkeys(one.arm for one in group), key=lambda arm: arm != AS_FOUND)
        against = reference if reference in arms else arms[0]
        compared = [(against, arm) for arm in arms if arm not in (against, CONTROL)]
        for pair in dict.fromkeys([*compared, *BESIDES]):
            pairs = paired(group, *pair)
            if pairs:
                yield contrast((order, role, budget), pair, pairs, smallest_effect)


def order_contrasts(twins: Iterable[Twin], smallest_effect: float) -> list[Contrast]:
    """The activation orders against the first one, for every arm of the ladder that has shortcuts:
    contrasts in which order and arm have changed places.

    A plain network is the same under all orders, so this is also by how much the gain of shortcuts
    depends on the order.
    """
    turned = [
        replace(one, order=one.arm, arm=one.order)
        for one in twins
        if one.comparison == "ladder" and one.budget == 1 and one.arm not in ("none", CONTROL)
    ]
    return list(contrasts(turned, "ladder", None, smallest_effect))


def gain_change(twins: Iterable[Twin], variant: str, one: Contrast) -> st.Effect | None:
    """By how much more an arm gains in training error in a variant of the ladder than in the
    ladder, with as many blocks as the deepest networks of the variant have; None without pairs.
    """
    deepest = max(one.blocks.values())
    gains: dict[str, dict[int, float]] = {}
    for name in (variant, "ladder"):
        place = (name, one.order, one.role, one.budget, deepest)
        group = [t for t in twins if (t.comparison, t.order, t.role, t.budget, t.depth) == place]
        rows = [pair for some in paired(group, one.reference, one.arm).values() for pair in some]
        error = "train_error"
        gains[name] = {a.seed: a.outcomes[error] - b.outcomes[error] for a, b in rows}
    seeds = sorted(gains[variant].keys() & gains["ladder"].keys())
    differences = [gains[variant][seed] - gains["ladder"][seed] for seed in seeds]
    return st.paired_effect(differences) if differences else None


def paired(group: Iterable[Twin], reference: str, arm: str) -> Pairs:
    """Depth in layers of the arm -> (reference, arm) of the same seed, in the order of seeds."""
    table: dict[tuple[int, int], dict[str, Twin]] = defaultdict(dict)
    for one in group:
        table[one.depth, one.seed][one.arm] = one
    pairs: Pairs = defaultdict(list)
    for (_, _), arms in sorted(table.items()):
        if reference in arms and arm in arms:
            pairs[arms[arm].layers].append((arms[reference], arms[arm]))
    return dict(pairs)


def contrast(
    place: tuple[str, str, int], arms: tuple[str, str], pairs: Pairs, smallest_effect: float
) -> Contrast:
    """All effects of one contrast."""
    gains = {
        outcome: st.twin_gain(*sides(pairs, outcome), largest=largest(outcome))
        for outcome in OUTCOMES
    }
    depths = sorted(pairs)
    ends = common_seeds(pairs, depths[0], depths[-1])
    return Contrast(
        *place,
        *arms,
        gains=gains,
        interaction={
            outcome: st.degradation_difference(*sides(ends, outcome), largest=largest(outcome))
            for outcome in OUTCOMES
            if ends
        },
        onset=st.onset_depth(gains["train_error"], smallest_effect) if len(depths) > 1 else None,
        speed={layers: speed(rows) for layers, rows in sorted(pairs.items())},
        stability={
            layers: st.stability_gain([a.failed for a, _ in rows], [b.failed for _, b in rows])
            for layers, rows in sorted(pairs.items())
        },
        hurdle={layers: hurdle(rows) for layers, rows in sorted(pairs.items())},
        parameters={d: (pairs[d][0][0].parameters, pairs[d][0][1].parameters) for d in depths},
        rates={d: (pairs[d][0][0].lr, pairs[d][0][1].lr) for d in depths},
        same_start=all(
            a.initial_hash == b.initial_hash for rows in pairs.values() for a, b in rows
        ),
        blocks={d: pairs[d][0][1].depth for d in depths},
        equal_loss={d: found for d in depths if (found := equal_loss(pairs[d]))},
        after_training={
            d: measured
            for d in depths
            if (measured := after_training([(a.finished, b.finished) for a, b in pairs[d]]))
        },
    )


def common_seeds(pairs: Pairs, shallow: int, deep: int) -> Pairs:
    """The pairs at two depths of the seeds that both have; none where the depths are one."""
    seeds = {a.seed for a, _ in pairs[shallow]} & {a.seed for a, _ in pairs[deep]}
    if shallow == deep or not seeds:
        return {}
    return {d: [pair for pair in pairs[d] if pair[0].seed in seeds] for d in (shallow, deep)}


def sides(pairs: Pairs, outcome: str) -> tuple[dict[int, list[float]], dict[int, list[float]]]:
    """Depth in layers -> an outcome for each seed, of the reference and of the arm."""
    reference, arm = (
        {layers: [pair[side].outcomes[outcome] for pair in rows] for layers, rows in pairs.items()}
        for side in (0, 1)
    )
    return reference, arm


def hurdle(rows: list[tuple[Twin, Twin]]) -> st.Hurdle:
    """How often each side trains, and the gain in training error if both do."""
    reference, arm = zip(*rows, strict=True)
    most = largest("train_error")
    return st.hurdle(
        [one.outcomes["train_error"] for one in reference],
        [one.outcomes["train_error"] for one in arm],
        [not one.failed for one in reference],
        [not one.failed for one in arm],
        bounds=(-most, most),
    )


def equal_loss(rows: list[tuple[Twin, Twin]]) -> st.EqualLoss | None:
    """What is left of the gain in validation error at equal training loss; None where no curve is
    known, or one arm alone leaves parts out at random in training.
    """
    if not any(twin.curve for pair in rows for twin in pair):
        return None
    if any(a.left_out != b.left_out for a, b in rows):
        return None
    known = [(a, b) for a, b in rows if a.curve and b.curve or a.failed or b.failed]
    return st.equal_loss(
        [
            st.Pair(
                a.curve,
                b.curve,
                train=not a.failed and not b.failed,
                gain=a.outcomes["val_error"] - b.outcomes["val_error"],
            )
            for a, b in known
        ],
        largest=largest("val_error"),
    )


def speed(rows: list[tuple[Twin, Twin]]) -> st.SpeedUp:
    """Steps to three quarters of the loss of guessing, reference against arm."""
    horizon = max(twin.steps for pair in rows for twin in pair)
    return st.speed_up([a.steps_to for a, _ in rows], [b.steps_to for _, b in rows], horizon)
