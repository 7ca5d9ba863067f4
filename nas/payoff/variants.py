"""Twins: candidates that differ in one choice alone."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from nas.common.registry import Registry, base_name
from nas.model.architecture import (
    Architecture,
    Named,
    Stage,
    changing,
    grown,
    joining,
    masked,
    takes_transition,
    with_shortcuts,
)
from nas.model.blocks import BLOCKS, ORDERS, SHORTCUTS, same_shape, transitions
from nas.model.cost import cost
from nas.model.initialisations import INITIALISATIONS, starts_plain
from nas.model.joins import JOINS
from nas.model.layout import lay_out, norm_groups, order_matters, settled
from nas.model.placements import Mask, mask_of
from nas.space.schema import PayoffSection, fixed_placements
from nas.training.candidate import Candidate

#: the arm that has as many parameters as the projection arm but no shortcut
CONTROL = "none, wider"
#: the arm that is a candidate of the search, as it is
AS_FOUND = "as found"
#: choices of which `arms` can name some
NAMED_ARMS = ("shortcut", "transition", "placement", "join", "initialisation", "block")
#: choices that have an arm `none`, against which the others stand
HAVE_PLAIN = ("shortcut", "transition", "placement")
#: arms that are compared where they are named, or the candidate has them
ON_DEMAND: dict[str, tuple[str, ...]] = {
    "transition": ("avg_pool_projection", "avg_pool_zero_pad", "space_to_depth"),
    "placement": ("first", "last", "random"),
    "join": (
        *("depth_scaled", "decayed", "layer_scale", "shortcut_gate", "exclusive_gate"),
        *("dropout_shortcut", "orthogonal", "concat", "hyper", "mhc"),
    ),
    "initialisation": ("orthogonal",),
    "block": (
        *("convnext", "pyramid", "dense", "mlp", "patches"),
        *("attention", "feed_forward", "transformer"),
    ),
}
#: stages up to which every combination of stages with and without shortcuts is trained
MOST_STAGES = 4
#: (activation order, depth, arm) -> the candidate
Arms = dict[tuple[str, int, str], Candidate]


def best_arms(candidate: Candidate, settings: PayoffSection, *, as_found: bool = True) -> Arms:
    """The arms of one of the best candidates, with its own depths: the candidate as it was found,
    without its shortcuts, and with one kind everywhere. One that is the candidate itself does not
    stand there twice; a candidate without shortcuts is the arm `none`.
    """
    arms = {
        arm: twin
        for arm, twin in twins(
            candidate, settings.vary, own_shortcuts=as_found, named=named_arms(settings) or ()
        ).items()
        if wanted(settings, arm) or (as_found and arm == "none")
    }
    if as_found:
        same = [arm for arm, twin in arms.items() if same_network(twin, candidate)]
        if "none" not in same:
            others = {arm: twin for arm, twin in arms.items() if arm not in same}
            arms = {AS_FOUND: candidate} | others
    order = candidate.architecture.activation_order
    return {(order, 0, arm): twin for arm, twin in arms.items()}


def same_network(one: Candidate, other: Candidate) -> bool:
    """Whether two candidates are the same network: shortcuts that no block takes do not count, nor
    does the activation order of plain networks.
    """
    first, second = one.architecture, other.architecture
    blocks = first.blocks()
    if blocks != second.blocks():
        return False
    if all(block.shortcut == "none" for block in blocks) and not order_matters(first.stages):
        second = replace(second, activation_order=first.activation_order)
    return replace(first, stages=()) == replace(second, stages=())


def ladder(base: Candidate, settings: PayoffSection, depths: list[int]) -> Arms:
    """Every arm at every depth, under every activation order asked for."""
    orders = settings.activation_orders or [base.architecture.activation_order]
    if settings.vary == "activation_order":
        orders = orders[:1]
    arms: Arms = {}
    for order, depth in product(orders, depths):
        architecture = with_order(deepened(base.architecture, depth), order)
        based = replace(base, architecture=architecture)
        named = named_arms(settings) or ()
        for arm, twin in twins(based, settings.vary, "zero_pad", named=named).items():
            if wanted(settings, arm):
                arms[order, depth, arm] = twin
    return arms


def wanted(settings: PayoffSection, arm: str) -> bool:
    """Whether an arm is asked for; without a word all are, but those on demand."""
    chosen = named_arms(settings)
    if chosen is None:
        return arm not in ON_DEMAND.get(settings.vary, ())
    return arm in chosen


def named_arms(settings: PayoffSection) -> list[str] | None:
    """The arms that are named; a list with `identity` is one of shortcuts, not of transitions or
    block types.
    """
    known = {"transition": transitions(), "block": list(BLOCKS)}.get(settings.vary)
    of_shortcuts = known is not None and not {*(settings.arms or ())} <= {*known}
    return settings.arms if settings.vary in NAMED_ARMS and not of_shortcuts else None


def twins(
    candidate: Candidate,
    vary: str,
    transition: str | None = None,
    *,
    own_shortcuts: bool = False,
    named: Sequence[str] = (),
) -> dict[str, Candidate]:
    """Arm -> the candidate with that choice made everywhere.

    With `transition` the identity arm matches shapes that way; zero_pad adds no parameters, so
    that identity and none have equally many. Transitions are those of identity shortcuts, or with
    `own_shortcuts` of those that the candidate has. named: arms that are asked for, placements and
    joins with options among them.
    """
    architecture = candidate.architecture
    if vary == "shortcut":
        matched = transition or transition_of(architecture)
        arms = {kind: with_shortcut(architecture, kind, matched) for kind in same_shape()}
    elif vary == "transition":
        shortcut = None if own_shortcuts else "identity"
        arms = {kind: shortcuts(architecture, shortcut, kind) for kind in transitions()}
    elif vary == "join":
        joined = architecture if has_shortcuts(architecture) else with_identity(architecture)
        arms = {name: with_join(joined, name) for name in dict.fromkeys((*JOINS, *named))}
    elif vary == "placement":
        matched = transition or transition_of(architecture)
        every = with_shortcut(architecture, "identity", matched)
        names = dict.fromkeys((*fixed_placements(), *named))
        arms = {name: with_placement(every, name) for name in names}
    elif vary == "activation_order":
        ordered = {order: with_order(architecture, order) for order in ORDERS}
        arms = {order: one for order, one in ordered.items() if can_be_built(one)}
    elif vary == "initialisation":
        joined = architecture if has_shortcuts(architecture) else with_identity(architecture)
        started = {name: with_initialisation(joined, name) for name in INITIALISATIONS}
        arms = {name: one for name, one in started.items() if can_be_built(one)}
    else:
        built = {name: with_block(architecture, name) for name in BLOCKS}
        arms = {name: one for name, one in built.items() if can_be_built(one)}
    return {arm: replace(candidate, architecture=twin) for arm, twin in arms.items()}


def with_shortcut(architecture: Architecture, kind: str, matched: str) -> Architecture:
    """The architecture with one kind of shortcut everywhere; where that cannot change the shape,
    `matched` does.
    """
    if kind == "none":
        return plain(architecture)
    return shortcuts(architecture, kind, kind if base_name(kind) in transitions() else matched)


def shortcuts(architecture: Architecture, shortcut: str | None, transition: str) -> Architecture:
    """The architecture with one kind of shortcut in all stages, None for each stage's own."""
    own = [stage.shortcut for stage in architecture.stages]
    kept = shortcut and as_there(SHORTCUTS, shortcut, own)
    matched = as_there(
        SHORTCUTS, transition, [kept or "", *(stage.transition for stage in architecture.stages)]
    )
    return restaged(architecture, lambda stage: with_kinds(stage, kept, matched))


def as_there(registry: Registry[Any], name: str, there: Iterable[str]) -> str:
    """A part with the options that it has among those that are there; where it is new, with its
    defaults.
    """
    if name != base_name(name):
        return name
    default = str(Named.of(name, **registry.defaults(name)))
    return next((text for text in there if base_name(text) == name), default)


def with_order(architecture: Architecture, order: str) -> Architecture:
    """The architecture with another activation order."""
    own = as_there(ORDERS, order, [architecture.activation_order])
    return replace(architecture, activation_order=own)


def with_initialisation(architecture: Architecture, name: str) -> Architecture:
    """The architecture with weights that start in another way."""
    own = as_there(INITIALISATIONS, name, [architecture.initialisation])
    return replace(architecture, initialisation=own)


def has_shortcuts(architecture: Architecture) -> bool:
    """Whether any block has a shortcut."""
    return any(stage.shortcut != "none" for stage in architecture.stages)


def with_identity(architecture: Architecture) -> Architecture:
    """The architecture with identity shortcuts, and zero_pad where the shape changes."""
    return shortcuts(architecture, "identity", "zero_pad")


def with_kinds(stage: Stage, shortcut: str | None, transition: str) -> Stage:
    """The stage with one kind of shortcut, or with its own in the blocks that keep their shape."""
    own = () if shortcut else stage.shortcuts
    return replace(stage, shortcut=shortcut or stage.shortcut, transition=transition, shortcuts=own)


def with_placement(architecture: Architecture, name: str) -> Architecture:
    """The architecture with the shortcuts that a placement leaves in the blocks
    of the whole network.
    """
    return with_mask(architecture, mask_of(Named(name), len(architecture.blocks())) or ())


def with_mask(architecture: Architecture, mask: Mask) -> Architecture:
    """The architecture with the shortcuts of some of its blocks left out; one without any is the
    plain network, the same under every activation order.
    """
    if not any(mask):
        return plain(architecture)
    in_channels, stages, left = architecture.stem.arguments["width"], [], mask
    for stage in architecture.stages:
        count = stage.num_units
        stages.append(settled(masked(stage, left[:count], in_channels), in_channels))
        in_channels, left = stage.width, left[count:]
    return replace(architecture, stages=tuple(stages))


def plain(architecture: Architecture) -> Architecture:
    """The architecture without shortcuts; where it is the same function under every activation
    order, it has the usual one.
    """
    ordered = architecture
    if not order_matters(architecture.stages, of_rows=architecture.is_of_rows):
        ordered = replace(architecture, activation_order="post_activation")
    return shortcuts(ordered, "none", "none")


def with_block(architecture: Architecture, name: str) -> Architecture:
    """The architecture with one block type in all stages; where it is new, with its defaults."""
    block = Named.of(name, **BLOCKS.written(name, BLOCKS.defaults(name)))
    return restaged(
        architecture,
        lambda stage: stage if stage.block.name == name else replace(stage, block=block),
    )


def with_join(architecture: Architecture, name: str) -> Architecture:
    """The architecture with one join in all stages, `name` or `name(option=value)`; one without
    options is left as it is where it was, and has its defaults where it is new. In place of one
    that grows, widths stay, and zero_pad changes the shapes that it left as they were.
    """
    options = JOINS.defaults(name) | JOINS.written_options(name)
    join = Named.of(base_name(name), **JOINS.written(base_name(name), options))

    def changed(stage: Stage) -> Stage:
        if stage.join.name == name:
            return stage
        transition = "zero_pad" if stage.growth else stage.transition
        return replace(stage, join=join, transition=transition)

    return restaged(architecture, changed)


def deepened(architecture: Architecture, depth: int) -> Architecture:
    """The architecture with so many blocks in every stage; 0 leaves its own depths."""
    return restaged(architecture, lambda stage: replace(stage, depth=depth or stage.depth))


def restaged(architecture: Architecture, change: Callable[[Stage], Stage]) -> Architecture:
    """The architecture with every stage changed, in canonical form."""
    in_channels, stages = architecture.stem.arguments["width"], []
    for old in architecture.stages:
        stage = grown(change(old), in_channels)
        if stage.shortcuts:
            stage = fitted(stage, in_channels)
        elif not takes_transition(stage, in_channels):
            stage = replace(stage, transition="none")
        stages.append(settled(joining(stage, in_channels), in_channels))
        in_channels = stage.width
    changed = replace(architecture, stages=tuple(stages))
    keeps = has_shortcuts(changed) or starts_plain(changed.initialisation)
    return changed if keeps else replace(changed, initialisation="he")


def fitted(stage: Stage, in_channels: int) -> Stage:
    """The stage with its transitions, and the kinds of its blocks stretched over its depth."""
    single = replace(stage, block=Named("basic"), depth=len(stage.shortcuts))
    before = changing(single, in_channels)
    after = changing(stage, in_channels)
    kept = [kind for kind, change in zip(stage.shortcuts, before, strict=True) if not change]
    moved = [stage.transition]
    if sum(before) > 1:
        changed = [kind for kind, change in zip(stage.shortcuts, before, strict=True) if change]
        moved = [stage.transition if kind != "none" else kind for kind in changed]
    stretched = {
        False: stretch(kept or [stage.shortcut], after.count(False)),
        True: stretch(moved, after.count(True)),
    }
    return with_shortcuts(stage, [next(stretched[change]) for change in after], in_channels)


def stretch(kinds: list[str], count: int) -> Iterator[str]:
    """Some kinds over a number of blocks."""
    return (kinds[number * len(kinds) // count] for number in range(count))


def transition_of(architecture: Architecture) -> str:
    """How the architecture matches shapes; zero_pad where it has no shortcut that does."""
    kinds = [stage.transition for stage in architecture.stages if stage.transition != "none"]
    return kinds[0] if kinds else "zero_pad"


def variants(base: Candidate, settings: PayoffSection) -> dict[str, Candidate]:
    """`block bottleneck`, `width × 2`, … -> the candidate so changed."""
    architecture = base.architecture
    own = {stage.block.name for stage in architecture.stages}
    changed = {
        f"block {name}": with_block(architecture, name) for name in settings.blocks if own != {name}
    }
    changed |= {f"width × {factor}": scaled(architecture, factor) for factor in settings.widths}
    return {name: replace(base, architecture=one) for name, one in changed.items()}


def scaled(architecture: Architecture, factor: int) -> Architecture:
    """The architecture with the widths of stem and stages multiplied."""
    width = architecture.stem.arguments["width"] * factor
    stem = Named.of(architecture.stem.name, **architecture.stem.arguments | {"width": width})
    return restaged(replace(architecture, stem=stem), lambda stage: wider(stage, factor))


def wider(stage: Stage, factor: int) -> Stage:
    """The stage with all its widths multiplied."""
    own = {"growth": stage.growth * factor} if stage.growth else {}
    join = Named.of(stage.join.name, **stage.join.arguments | own)
    width_from = stage.width_from * factor
    return replace(stage, join=join, width=stage.width * factor, width_from=width_from)


def masks(num_stages: int) -> list[tuple[int, ...]]:
    """Which stages have shortcuts: every combination where these are few, else none, all, all but
    one and one alone.
    """
    if num_stages <= MOST_STAGES:
        return list(product((0, 1), repeat=num_stages))
    single = [tuple(int(i == j) for i in range(num_stages)) for j in range(num_stages)]
    removed = [tuple(1 - has for has in mask) for mask in single]
    return [(0,) * num_stages, *single, *removed, (1,) * num_stages]


def stage_arms(base: Candidate, depth: int) -> Arms:
    """Which stages have shortcuts; arm `1-0-1` has them in stages 1 and 3."""
    architecture, arms = deepened(base.architecture, depth), {}
    for mask in masks(len(architecture.stages)):
        stages = tuple(
            with_kinds(stage, *(("identity", "zero_pad") if has else ("none", "none")))
            for has, stage in zip(mask, architecture.stages, strict=True)
        )
        twin = restaged(replace(architecture, stages=stages), lambda stage: stage)
        arms[architecture.activation_order, depth, mask_name(mask)] = replace(
            base, architecture=twin
        )
    return arms


def mask_name(mask: tuple[int, ...]) -> str:
    """The arm of a mask."""
    return "-".join(map(str, mask))


def control(base: Candidate, settings: PayoffSection, depths: list[int]) -> Arms:
    """At the deepest depth, a plain network widened to the parameters of the projection arm."""
    if settings.vary != "shortcut" or not wanted(settings, "projection"):
        return {}
    arms = ladder(base, settings, depths[-1:])
    controls: Arms = {}
    for (order, depth, arm), twin in arms.items():
        if arm == "projection":
            smaller = plain(twin.architecture)
            wider = widened(smaller, cost(twin.architecture).parameters)
            controls[order, depth, CONTROL] = replace(base, architecture=wider)
    return controls


def widened(architecture: Architecture, parameters: int) -> Architecture:
    """The architecture, its stages widened in turn, last first, until it has so many parameters."""
    wider = architecture
    for number in range(1000):
        if cost(wider).parameters >= parameters:
            return wider
        wider = with_wider_stage(wider, -1 - number % len(wider.stages))
    return architecture


def with_wider_stage(architecture: Architecture, index: int) -> Architecture:
    """The architecture with one stage as little wider as can be built."""
    stages, step = list(architecture.stages), granularity(architecture)
    for number in range(1, 65):
        stages[index] = replace(
            architecture.stages[index], width=architecture.stages[index].width + number * step
        )
        wider = replace(architecture, stages=tuple(stages))
        if can_be_built(wider):
            return wider
    return architecture


def can_be_built(architecture: Architecture) -> bool:
    """Whether a network has this architecture: a user's own block may ask for certain widths."""
    try:
        lay_out(architecture)
    except ValueError:
        return False
    return True


def granularity(architecture: Architecture) -> int:
    """The step by which widths stay divisible by groups."""
    groups = [stage.block.arguments.get("groups", 1) for stage in architecture.stages]
    ratios = [stage.block.arguments.get("ratio", 1) for stage in architecture.stages]
    return max(1, round(max(groups) / min(ratios))) * (norm_groups(architecture) or 1)
