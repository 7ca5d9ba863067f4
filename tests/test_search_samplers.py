"""The sampler draws what TPE draws, from a history of a bounded length."""

from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.pruners import BasePruner, HyperbandPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)
from optuna.trial import Trial, TrialState

from nas.search.samplers.subsampled_tpe import SubsampledTPESampler
from nas.space.methods import SAMPLERS

Draw = dict[str, Any]
ONE, TWO = ["minimize"], ["maximize", "minimize"]


class TestOptunasContract(BasicSamplerTestCase, MultiObjectiveSamplerTestCase):
    """What Optuna asks of every sampler.

    The tests of RelativeSamplerTestCase that name the parameters to draw together are for samplers
    that do not group them: Optuna's TPE with `group=True` fails the same 42.
    """

    test_trial_relative_params = RelativeSamplerTestCase.test_trial_relative_params

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: SubsampledTPESampler(0, n_startup_trials=0)


def conditional(trial: Trial) -> float:
    """Parameters that exist only where others have a value."""
    value = trial.suggest_float("x", -1, 1) ** 2
    depth = trial.suggest_int("depth", 1, 8)
    if trial.suggest_categorical("kind", ["plain", "wide", "deep"]) == "wide":
        value += trial.suggest_float("y", 1e-4, 1, log=True)
        if depth > 4:
            value += 0.1 * trial.suggest_int("z", 0, 10, step=2)
    return value + 0.01 * depth


def study_of(count: int, directions: list[str], pruner: BasePruner, constrained: bool) -> Any:
    """A study drawn at random: some trials pruned, some running, some beyond a constraint."""
    study = optuna.create_study(
        study_name="x", directions=directions, pruner=pruner, sampler=RandomSampler(seed=1)
    )
    for number in range(count):
        trial = study.ask()
        value = conditional(trial)
        if constrained:
            trial.set_constraint("depth", trial.params["depth"] - 5)
        if number % 97 == 5:
            continue
        if number % 5 == 4:
            if len(directions) == 1:
                trial.report(value, number % 3)
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, [value, trial.params["x"]][: len(directions)])
    return study


def draws(study: Any, make: Callable[[int], BaseSampler], count: int) -> list[Draw]:
    """The next parameters, one trial after the other, and what the sampler notes of each."""
    found = []
    for seed in range(count):
        study.sampler = make(seed)
        trial = study.ask()
        conditional(trial)
        found.append(trial.params | trial.storage.get_trial(trial._trial_id).system_attrs)
        study.tell(trial, state=TrialState.FAIL)
    return found


@pytest.mark.parametrize("pruner", [NopPruner(), HyperbandPruner(max_resource=4)])
@pytest.mark.parametrize("constrained", [False, True])
@pytest.mark.parametrize("directions", [ONE, ["maximize"], TWO])
def test_it_draws_and_notes_what_plain_tpe_does(
    directions: list[str], constrained: bool, pruner: BasePruner
) -> None:
    if len(directions) > 1 and isinstance(pruner, HyperbandPruner):
        pruner = NopPruner()  # Optuna prunes with one objective alone
    study = study_of(120, directions, pruner, constrained)

    def plain(seed: int) -> TPESampler:
        return TPESampler(seed=seed, group=True, multivariate=True)

    assert draws(study, SAMPLERS["tpe"], 6) == draws(study, plain, 6)


#: the first draw after 600 trials, by versions that showed Optuna an imitation of a study
BEFORE: list[tuple[list[str], bool, BasePruner, Draw]] = [
    (ONE, False, NopPruner(), {"x": 0.09978107376633483, "depth": 1, "kind": "plain"}),
    (
        ["maximize"],
        True,
        NopPruner(),
        {"x": -0.9468147009811585, "depth": 4, "kind": "wide", "y": 0.006959128924097904},
    ),
    (
        ONE,
        True,
        HyperbandPruner(max_resource=4),
        {"x": 0.09978107376633483, "depth": 1, "kind": "plain"},
    ),
    (TWO, False, NopPruner(), {"x": -0.9924072744105878, "depth": 7, "kind": "plain"}),
    (TWO, True, NopPruner(), {"x": -0.9783834649421147, "depth": 5, "kind": "deep"}),
]


@pytest.mark.parametrize(("directions", "constrained", "pruner", "known"), BEFORE)
def test_long_studies_of_older_versions_go_on_as_they_would_have(
    directions: list[str], constrained: bool, pruner: BasePruner, known: Draw
) -> None:
    study = study_of(600, directions, pruner, constrained)
    (drawn,) = draws(study, SAMPLERS["tpe"], 1)
    del drawn["tpe:relative_params:0"]
    assert drawn == pytest.approx(known)
