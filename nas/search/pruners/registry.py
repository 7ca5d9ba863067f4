"""The pruners that a space can name."""

from collections.abc import Callable

from optuna.pruners import HyperbandPruner, MedianPruner, SuccessiveHalvingPruner

from nas.common.registry import Registry
from nas.search.pruners.asha import Asha
from nas.search.pruners.base import NoPruner, Pruner
from nas.search.pruners.stopping import StoppingPruner
from nas.space.space import SearchSpace
from nas.training.result import OBJECTIVES

PRUNERS: Registry[Callable[[SearchSpace], Pruner]] = Registry("pruner")


@PRUNERS.register("halving")
def halving(space: SearchSpace) -> Pruner:
    """Asynchronous successive halving that pauses trials and resumes the best (nas's own)."""
    return Asha.of(space)


@PRUNERS.register("hyperband")
def hyperband(space: SearchSpace) -> Pruner:
    """Optuna's Hyperband: brackets of successive halving, some of which start late."""
    return StoppingPruner(HyperbandPruner(max_resource=space.epochs), learned_objective(space))


@PRUNERS.register("asha")
def asha(space: SearchSpace) -> Pruner:
    """Optuna's successive halving, which stops trials for good."""
    return StoppingPruner(SuccessiveHalvingPruner(), learned_objective(space))


@PRUNERS.register("median")
def median(space: SearchSpace) -> Pruner:
    """Stops a trial that is worse than the median of the others, from a quarter of the epochs."""
    warmup = max(1, space.epochs // 4)
    return StoppingPruner(MedianPruner(n_warmup_steps=warmup), learned_objective(space))


@PRUNERS.register("none")
def none(space: SearchSpace) -> Pruner:
    """Trains every trial to its end."""
    return NoPruner()


def pruner_of(space: SearchSpace) -> Pruner:
    """The pruner that a space asks for."""
    return PRUNERS[space.search.pruner](space)


def learned_objective(space: SearchSpace) -> str | None:
    """The first objective that is known after every epoch: the one a pruner can use."""
    return next((name for name in space.search.objectives if OBJECTIVES[name].each_epoch), None)
