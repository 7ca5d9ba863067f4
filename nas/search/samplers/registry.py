"""The samplers that a space can name; each is made from a seed. Optuna is loaded when one is."""

from typing import TYPE_CHECKING

from nas.space.methods import SAMPLERS

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from nas.space.space import SearchSpace


def sampler_of(space: "SearchSpace", seed: int) -> "BaseSampler":
    """The sampler that a space asks for."""
    sampler: BaseSampler = SAMPLERS[space.sampler.name](seed, **space.sampler.arguments)
    return sampler


@SAMPLERS.register("tpe")
def tpe(seed: int) -> "BaseSampler":
    """Tree-structured Parzen estimators, multivariate within groups of conditional parameters."""
    from nas.search.samplers.subsampled_tpe import SubsampledTPESampler

    return SubsampledTPESampler(seed)


@SAMPLERS.register("random", learns=False)
def random(seed: int) -> "BaseSampler":
    """Independent uniform draws."""
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=seed)


@SAMPLERS.register("grid", learns=False, enumerates=True)
def grid(seed: int) -> "BaseSampler":
    """Every point of the space once: the trial queue fixes the parameters, and nothing is drawn."""
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=seed)


@SAMPLERS.register("nsga2")
def nsga2(seed: int) -> "BaseSampler":
    """The genetic algorithm NSGA-II, for several objectives."""
    from optuna.samplers import NSGAIISampler

    return NSGAIISampler(seed=seed)


@SAMPLERS.register("gp")
def gp(seed: int) -> "BaseSampler":
    """Bayesian optimisation with Gaussian processes."""
    from optuna.samplers import GPSampler

    return GPSampler(seed=seed)


@SAMPLERS.register("cmaes", one_objective=True, fewest_ranges=2)
def cmaes(seed: int) -> "BaseSampler":
    """CMA-ES, for spaces of numbers; categories are drawn at random."""
    from nas.search.samplers.replayed_cmaes import ReplayedCmaEsSampler

    return ReplayedCmaEsSampler(seed)
