"""CMA-ES without pickles: it draws what Optuna's draws, and loads nothing from the storage."""

import pickle
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.samplers import BaseSampler, CmaEsSampler
from optuna.study import Study
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    RelativeSamplerTestCase,
    SingleOnlySamplerTestCase,
)
from optuna.trial import create_trial

from nas.search.samplers.replayed_cmaes import GENERATION, ReplayedCmaEsSampler
from nas.space.methods import SAMPLERS


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", -3, 2)
    rate = trial.suggest_float("rate", 1e-5, 1.0, log=True)
    share = trial.suggest_float("share", 0.0, 1.0, step=0.05)
    depth = trial.suggest_int("depth", 1, 9, step=2)
    width = trial.suggest_int("width", 4, 300, log=True)
    kind = trial.suggest_categorical("kind", ["a", "b"])
    return x**2 + (rate - 0.1) ** 2 + share * depth + width / 100 + (kind == "a")


def optunas(seed: int) -> BaseSampler:
    """Optuna's own."""
    return CmaEsSampler(seed=seed, warn_independent_sampling=False)


def searched(make: Any, direction: str, count: int = 60) -> Study:
    """A study whose trials are drawn by a new sampler each, as workers do."""
    study = optuna.create_study(direction=direction)
    for number in range(count):
        study.sampler = make(number)
        study.optimize(objective, n_trials=1)
    return study


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_it_draws_what_optunas_sampler_draws(direction: str) -> None:
    ours, theirs = searched(ReplayedCmaEsSampler, direction), searched(optunas, direction)
    for one, other in zip(ours.trials, theirs.trials, strict=True):
        kinds = one.params.pop("kind"), other.params.pop("kind")
        assert one.params == pytest.approx(other.params, rel=1e-9)
        assert kinds[0] == kinds[1]
    generations = {trial.system_attrs.get(GENERATION) for trial in ours.trials[1:]}
    assert len(generations) > 5
    keys = {key for trial in ours.trials for key in trial.system_attrs}
    assert keys == {GENERATION}, "no pickle is written"


def test_a_study_that_optunas_sampler_began_goes_on() -> None:
    begun = searched(optunas, "minimize", 30)
    drawn = []
    for make in (ReplayedCmaEsSampler, optunas):
        study = optuna.create_study(sampler=make(7))
        study.add_trials(begun.trials)
        drawn.append(study.ask().relative_params)
    assert len(drawn[0]) == 5
    assert drawn[0] == pytest.approx(drawn[1], rel=1e-9)


class Evil:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


def hostile_study(mark: Path) -> Study:
    """A study with a pickle where Optuna's sampler looks for its state, in every finished trial."""
    study = optuna.create_study()
    space = {"x": optuna.distributions.FloatDistribution(-1, 1)}
    state = pickle.dumps(Evil(mark)).hex()
    for number in range(12):
        attrs = {"cma:optimizer:0": state, GENERATION: [0, "no generation", None, 3.5][number % 4]}
        study.add_trial(
            create_trial(value=1.0, params={"x": 0.5}, distributions=space, system_attrs=attrs)
        )
    return study


def draw(study: Study, sampler: BaseSampler) -> Any:
    study.sampler = sampler
    return study.ask().suggest_float("x", -1, 1)


def test_a_state_in_the_storage_is_never_unpickled(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    draw(hostile_study(mark), optunas(0))
    assert mark.exists(), "Optuna's sampler does not run it any more: the own one may go"
    mark.unlink()
    for sampler in SAMPLERS:
        draw(hostile_study(mark), SAMPLERS[sampler](0))
        assert not mark.exists(), sampler


class TestReplayedCmaEs(BasicSamplerTestCase, SingleOnlySamplerTestCase):
    """Optuna's own contract of samplers.

    The tests of RelativeSamplerTestCase with categories are for samplers that draw these together
    with the rest.
    """

    test_sample_relative_numerical = RelativeSamplerTestCase.test_sample_relative_numerical
    test_trial_relative_params = RelativeSamplerTestCase.test_trial_relative_params

    @pytest.fixture
    def sampler(self) -> Any:
        return lambda: ReplayedCmaEsSampler(0)
