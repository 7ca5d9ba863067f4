"""CMA-ES that rebuilds its state from the finished trials.

Optuna's sampler keeps its state as a pickle in the storage, and loads it: a study of somebody else
could run code that way. This one tells CMA-ES the values of all generations again, which takes
milliseconds, and draws what Optuna's draws.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from cmaes import CMA
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from nas.storage.handles import storage_of, trial_id_of

#: system attribute, as Optuna calls it: the generation of CMA-ES that a trial was drawn in
GENERATION = "cma:generation"
Range = FloatDistribution | IntDistribution


class ReplayedCmaEsSampler(BaseSampler):
    """CMA-ES of Hansen and Ostermeier 2001 (the package cmaes), on ranges of numbers.

    Other parameters, and those of the first trial, are drawn at random.
    """

    def __init__(self, seed: int) -> None:
        self._generator = np.random.RandomState(seed)
        self._random = RandomSampler(seed=seed)
        self._search_space = IntersectionSearchSpace()

    def reseed_rng(self) -> None:
        """Seed anew what draws at random; CMA-ES is seeded for each trial."""
        self._random.reseed_rng()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The ranges that all trials have in common."""
        return {
            name: distribution
            for name, distribution in self._search_space.calculate(study).items()
            if isinstance(distribution, Range) and not distribution.single()
        }

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw from the generation that follows from the finished trials."""
        _check_objectives(study)
        finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if not search_space or not finished:
            return {}
        ranges = {k: d for k, d in search_space.items() if isinstance(d, Range)}
        optimizer = self._replay(ranges, finished, study.direction)
        optimizer.reseed_rng(int(self._generator.randint(1, 2**16)) + trial.number)
        drawn = optimizer.ask()
        storage_of(study).set_trial_system_attr(
            trial_id_of(trial), GENERATION, optimizer.generation
        )
        return {
            name: _from_unit(float(value), distribution)
            for value, (name, distribution) in zip(drawn, ranges.items(), strict=True)
        }

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw a parameter at random."""
        _check_objectives(study)
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def _replay(
        self, ranges: dict[str, Range], finished: Sequence[FrozenTrial], direction: StudyDirection
    ) -> CMA:
        """CMA-ES after all generations that are complete."""
        dimension = len(ranges)
        generations = [_generation_of(trial) for trial in finished]
        is_first = max(generations) < 1
        optimizer = CMA(
            mean=np.full(dimension, 0.5),
            sigma=1 / 6,
            bounds=np.tile([0.0, 1.0], (dimension, 1)),
            seed=self._generator.randint(1, 2**31 - 2) if is_first else 1,
            n_max_resampling=10 * dimension,
        )
        sign = 1 if direction == StudyDirection.MINIMIZE else -1
        while True:
            told = [
                (_to_units(trial, ranges), sign * trial.values[0])
                for trial, generation in zip(finished, generations, strict=True)
                if generation == optimizer.generation
            ]
            if len(told) < optimizer.population_size:
                return optimizer
            optimizer.tell(told[: optimizer.population_size])


def _check_objectives(study: Study) -> None:
    """ValueError for a study of several objectives."""
    if len(study.directions) > 1:
        raise ValueError("CMA-ES knows one objective only: take tpe or nsga2.")


def _generation_of(trial: FrozenTrial) -> int:
    """The generation a trial was drawn in; -1 if by chance."""
    generation = trial.system_attrs.get(GENERATION)
    return generation if isinstance(generation, int) else -1


def _to_units(trial: FrozenTrial, ranges: dict[str, Range]) -> np.ndarray:
    """The parameters of a trial as shares of their ranges."""
    return np.array([_to_unit(trial.params[name], one) for name, one in ranges.items()])


def _to_unit(value: float, distribution: Range) -> float:
    """A value as a share of its range."""
    low, high = _bounds(distribution)
    scaled = math.log(value) if distribution.log else float(value)
    return (scaled - low) / (high - low)


def _from_unit(share: float, distribution: Range) -> float | int:
    """The value at a share of a range, on its grid if it has one."""
    low, high = _bounds(distribution)
    scaled = low + share * (high - low)
    value = math.exp(scaled) if distribution.log else scaled
    if isinstance(distribution, IntDistribution):
        step = 1 if distribution.log else distribution.step
        rounded = round(value) if distribution.log else _on_grid(value, distribution.low, step)
        return int(min(max(rounded, distribution.low), distribution.high))
    if distribution.step is not None:
        nearest = np.round((value - distribution.low) / distribution.step) * distribution.step
        return float(np.clip(nearest + distribution.low, distribution.low, distribution.high))
    below = float(np.nextafter(distribution.high, distribution.high - 1))
    return float(min(max(value, distribution.low), below))


def _on_grid(value: float, low: float, step: float) -> float:
    """The nearest value of a grid; halves are rounded up."""
    return math.floor((value - low) / step + 0.5) * step + low


def _bounds(distribution: Range) -> tuple[float, float]:
    """The ends of a range, half a step wider if it is a grid, on the scale it is drawn on."""
    half = 0.5 * (distribution.step or 0)
    low, high = distribution.low - half, distribution.high + half
    return (math.log(low), math.log(high)) if distribution.log else (low, high)
