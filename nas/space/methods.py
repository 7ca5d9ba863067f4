"""The samplers and pruners that a space can name.

They are registered in nas.search, which is loaded when a name is looked up: what is known of them
here is enough to check a space.
"""

from dataclasses import dataclass

from nas.common.registry import Entry, Registry


@dataclass(frozen=True, kw_only=True)
class SamplerEntry(Entry):
    """A function from a seed to a sampler of Optuna.

    learns: it chooses by the trials before. enumerates: it takes every point of the space, and
    nothing is drawn. fewest_ranges: parameters {low, high} that it must have to work on.
    """

    learns: bool = True
    enumerates: bool = False
    one_objective: bool = False
    fewest_ranges: int = 0


@dataclass(frozen=True, kw_only=True)
class PrunerEntry(Entry):
    """A function from a space to a pruner (nas.search.pruners.base), and whether it pauses trials
    at rungs.
    """

    has_rungs: bool = False


SAMPLERS: Registry[SamplerEntry] = Registry(
    "sampler", SamplerEntry, home="nas.search.samplers.registry"
)
PRUNERS: Registry[PrunerEntry] = Registry("pruner", PrunerEntry, home="nas.search.pruners.registry")
