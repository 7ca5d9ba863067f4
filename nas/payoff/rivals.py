"""Rivals of shortcuts: other ways to what they give, each an arm beside the deepest networks of the
ladder. Some change the plain network, as a warm-up does, and some take from the one with shortcuts
what it may not need.
"""

from collections.abc import Callable
from dataclasses import replace

from nas.model.architecture import Architecture, Named
from nas.payoff.variants import Arms, can_be_built, ladder, with_join
from nas.space.schema import PayoffSection
from nas.training.candidate import Candidate

#: the comparison of rivals with both networks
RIVALS = "rivals"
#: share of the epochs over which the learning rate rises at least, and over which shortcuts fade
WARMUP, FADE = 1 / 5, 1 / 3


def with_warmup(candidate: Candidate) -> Candidate:
    """A learning rate that rises over a fifth of the epochs."""
    training = candidate.training
    warmup = max(training.warmup, round(WARMUP * training.epochs, 3))
    return replace(candidate, training=replace(training, warmup=warmup))


def with_other_start(candidate: Candidate) -> Candidate:
    """Orthogonal weights at the start."""
    return with_architecture(candidate, initialisation="orthogonal")


def with_other_norm(candidate: Candidate) -> Candidate:
    """Group norm in place of batch norm (of all channels if groups do not divide them), batch norm
    in place of another one.
    """
    if candidate.architecture.norm.name != "batch":
        return with_architecture(candidate, norm=Named("batch"))
    group = with_architecture(candidate, norm=Named.of("group", groups=4))
    built = can_be_built(group.architecture)
    return group if built else with_architecture(candidate, norm=Named("layer"))


def with_skip_init(candidate: Candidate) -> Candidate:
    """Branches that start at zero, each times a learned number (SkipInit)."""
    joined = with_join(candidate.architecture, "skip_init")
    return replace(candidate, architecture=joined)


def with_fading(candidate: Candidate) -> Candidate:
    """Shortcuts that fade out in the last third of the training; streams do not."""
    if any(stage.streams for stage in candidate.architecture.stages):
        return candidate
    return replace(candidate, training=replace(candidate.training, fade_shortcuts=FADE))


def with_architecture(candidate: Candidate, **changes: str | Named) -> Candidate:
    """The candidate with a part of its architecture changed."""
    changed: Architecture = replace(candidate.architecture, **changes)  # type: ignore[arg-type]
    return replace(candidate, architecture=changed)


#: name of a rival -> whether it changes the plain network, and how it changes a network
CHANGES: dict[str, tuple[bool, Callable[[Candidate], Candidate]]] = {
    "warmup": (True, with_warmup),
    "initialisation": (True, with_other_start),
    "norm": (True, with_other_norm),
    "skip_init": (False, with_skip_init),
    "fade": (False, with_fading),
}


def rival_arms(base: Candidate, settings: PayoffSection, deepest: int) -> Arms:
    """The plain network, the one with the first kind of shortcut, and the rivals of that, in the
    first activation order. One that changes nothing, or cannot be built, is left out.
    """
    if not settings.rivals:
        return {}
    first = settings.model_copy(
        update={"activation_orders": (settings.activation_orders or [])[:1]}
    )
    arms = ladder(base, first, [deepest])
    plain = next(place for place in arms if place[2] == "none")
    better = next(place for place in arms if place[2] != "none")
    found: Arms = {plain: arms[plain], better: arms[better]}
    for name in settings.rivals:
        is_plain, change = CHANGES[name]
        place = plain if is_plain else better
        changed = change(arms[place])
        if changed != arms[place] and can_be_built(changed.architecture):
            found[(*place[:2], f"{place[2]}, {name}")] = changed
    return found
