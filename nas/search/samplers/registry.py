"""The samplers that a space can name; each is made from a seed."""

from collections.abc import Callable

from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, NSGAIISampler, RandomSampler

from nas.common.registry import Registry
from nas.search.samplers.subsampled_tpe import SubsampledTPESampler

SAMPLERS: Registry[Callable[[int], BaseSampler]] = Registry("sampler")


@SAMPLERS.register("tpe")
def tpe(seed: int) -> BaseSampler:
    """Tree-structured Parzen estimators, multivariate within groups of conditional parameters."""
    return SubsampledTPESampler(seed)


@SAMPLERS.register("random")
def random(seed: int) -> BaseSampler:
    """Independent uniform draws."""
    return RandomSampler(seed=seed)


@SAMPLERS.register("grid")
def grid(seed: int) -> BaseSampler:
    """Every point of the space once: the trial queue fixes the parameters, and nothing is drawn."""
    return RandomSampler(seed=seed)


@SAMPLERS.register("nsga2")
def nsga2(seed: int) -> BaseSampler:
    """The genetic algorithm NSGA-II, for several objectives."""
    return NSGAIISampler(seed=seed)


@SAMPLERS.register("gp")
def gp(seed: int) -> BaseSampler:
    """Bayesian optimisation with Gaussian processes."""
    return GPSampler(seed=seed)


@SAMPLERS.register("cmaes")
def cmaes(seed: int) -> BaseSampler:
    """CMA-ES, for spaces of numbers; categories are drawn at random."""
    return CmaEsSampler(seed=seed, warn_independent_sampling=False)
