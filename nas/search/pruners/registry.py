"""The pruners that a space can name; each is made from the space. Optuna is loaded when one is."""

from typing import TYPE_CHECKING

from nas.space.methods import PRUNERS
from nas.training.result import OBJECTIVES

if TYPE_CHECKING:
    from nas.search.pruners.base import Pruner
    from nas.space.space import SearchSpace


def pruner_of(space: "SearchSpace") -> "Pruner":
    """The pruner that a space asks for."""
    pruner: Pruner = PRUNERS[space.pruner.name](space, **space.pruner.arguments)
    return pruner


def learned_objective(space: "SearchSpace") -> str | None:
    """The first objective that is known after every epoch: the one a pruner can use."""
    return next((name for name in space.search.objectives if OBJECTIVES[name].each_epoch), None)


@PRUNERS.register("halving", has_rungs=True)
def halving(space: "SearchSpace") -> "Pruner":
    """Asynchronous successive halving that pauses trials and resumes the best (nas's own)."""
    from nas.search.pruners.asha import Asha

    return Asha.of(space)


@PRUNERS.register("hyperband")
def hyperband(space: "SearchSpace") -> "Pruner":
    """Optuna's Hyperband: brackets of successive halving, some of which start late."""
    from optuna.pruners import HyperbandPruner

    from nas.search.pruners.stopping import StoppingPruner

    return StoppingPruner(HyperbandPruner(max_resource=space.epochs), learned_objective(space))


@PRUNERS.register("asha")
def asha(space: "SearchSpace") -> "Pruner":
    """Optuna's successive halving, which stops trials for good."""
    from optuna.pruners import SuccessiveHalvingPruner

    from nas.search.pruners.stopping import StoppingPruner

    return StoppingPruner(SuccessiveHalvingPruner(), learned_objective(space))


@PRUNERS.register("median")
def median(space: "SearchSpace") -> "Pruner":
    """Stops a trial that is worse than the median of the others, from a quarter of the epochs."""
    from optuna.pruners import MedianPruner

    from nas.search.pruners.stopping import StoppingPruner

    warmup = max(1, space.epochs // 4)
    return StoppingPruner(MedianPruner(n_warmup_steps=warmup), learned_objective(space))


@PRUNERS.register("none")
def none(space: "SearchSpace") -> "Pruner":
    """Trains every trial to its end."""
    from nas.search.pruners.base import NoPruner

    return NoPruner()
