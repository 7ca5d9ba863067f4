"""Phases of a search in the terminal: their names, one total, the time left; and its early end."""

import io
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from rich.console import Console

from nas.report.status import status_lines
from nas.report.studies import study_lines
from nas.search.exhaustion import EXHAUSTED, every_candidate, exhausted_text, exhaustion_of
from nas.search.progress import Progress
from nas.search.run import expected_seconds, search
from nas.space.estimate import Estimate
from nas.space.space import SearchSpace

Make = Callable[..., SearchSpace]


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=150, color_system=None)


def shown(progress: Progress, *states: TrialState) -> str:
    """What a terminal shows of trials in these states."""
    study = optuna.create_study()
    for state in states:
        study.add_trial(create_trial(state=state, value=0.5 if state.name == "COMPLETE" else None))
    trials = study.get_trials(deepcopy=False)
    progress.update(trials)
    progress.console.print(progress.view(trials, [t for t in trials if t.state.is_finished()]))
    return progress.console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("phase", "has_best"), [("search", True), ("random search", True), ("twins", False)]
)
def test_a_phase_has_its_name_and_one_total(phase: str, has_best: bool) -> None:
    progress = Progress(console(terminal=True), ["val_accuracy"], 24, phase=phase)
    text = shown(progress, TrialState.COMPLETE, TrialState.RUNNING)
    assert f"{phase} 1/24" in text
    assert ("best: trial 0" in text) == has_best


def test_a_finished_trial_whose_value_is_lost_is_not_the_best() -> None:
    """As in a damaged study."""
    progress = Progress(Console(), ["val_accuracy"], 2)
    lost, found = create_trial(value=0.5), create_trial(value=0.25)
    lost.values = None
    assert progress.best([lost, found]) is found
    assert progress.best([lost]) is None


def test_the_time_left_is_told_from_the_first_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the estimate, in which the first trials then weigh as much."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress = Progress(console(terminal=True), ["val_accuracy"], 10, expected=30.0)
    progress.done_before = 0
    assert progress.left(0) == "about 5 min left"
    now[0] += 50
    assert progress.left(1) == f"about {9 * (50 + 30) / 2 / 60:.0f} min left"
    assert Progress(console(terminal=True), [], 10).left(0) == "time left unknown"


def test_the_estimate_is_asked_for_where_it_is_shown(
    space: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For one worker twice that of the two that the estimate counted on."""
    ours = space("search.workers=2", "search.trials=10")
    monkeypatch.setattr(import_module("nas.search.run"), "estimate", lambda *_: Estimate([], 100.0))

    class Spec:
        num_workers, gpus, data_dir = 1, (), Path()

    spec: Any = Spec()
    assert expected_seconds(console(terminal=True), spec, ours) == 20.0
    assert expected_seconds(console(terminal=False), spec, ours) is None
    spec.gpus = ("0",)
    assert expected_seconds(console(terminal=True), spec, ours) is None


# The end of a space.


def test_every_candidate_of_a_small_space_is_listed(space: Make) -> None:
    ours = space()
    drawn = {ours.candidate(optuna.trial.FixedTrial(one)).to_json() for one in ours.grid(99)}
    assert every_candidate(ours) == drawn
    assert len(drawn) == 8
    assert every_candidate(space("training.optimizer.lr={low: 0.01, high: 0.1}")) is None
    assert every_candidate(SearchSpace.load("cifar")) is None


def test_a_search_ends_when_nothing_new_is_left(space: Make, search_here: Any) -> None:
    """Two candidates, of thirty trials that were asked for."""
    settings = ("architecture.depth=1", "architecture.stages.0.shortcut=none")
    study = search_here(space(*settings, "training.epochs=1"), 30)
    trials = study.get_trials(deepcopy=False)
    assert len({trial.user_attrs["candidate"] for trial in trials}) == 2
    assert len(trials) < 30
    assert all(trial.state == TrialState.COMPLETE for trial in trials)
    assert study.user_attrs[EXHAUSTED] == [2, len(trials)]
    assert exhausted_text(study.user_attrs) == (
        f"All 2 candidates of this space have been tried, so the search ends after {len(trials)} "
        "trials: more would repeat what is known."
    )


def test_the_end_is_told_and_stays(tmp_path: Path, space: Make) -> None:
    ours = space("architecture.depth=1", "architecture.stages.0.shortcut=none", "training.epochs=1")
    where = {"storage": f"sqlite:///{tmp_path}/nas.db", "data_dir": tmp_path, "out": tmp_path}
    for _ in range(2):
        outcome = search(ours, trials=30, console=console(terminal=False), **where)
        assert outcome.how == "finished"
        count = len(outcome.study.trials)
        assert count < 30
        assert f"ends after {count} trials" in "\n".join(status_lines(where["storage"], "tiny"))
        assert study_lines(where["storage"])[2].split()[1:3] == [f"{count}/{count}", "finished"]


def test_what_is_trained_anew_or_failed_is_not_tried(space: Make) -> None:
    """Repeats with a new seed are results of their own; a failed candidate may be tried again."""
    one = ("architecture.depth=1", "architecture.stages.0.shortcut=none")
    settings = (*one, "training.optimizer.lr=0.1")
    for more, state, known in [
        ((), TrialState.COMPLETE, [1, 2]),
        (("search.duplicates=new_seed",), TrialState.COMPLETE, None),
        ((), TrialState.FAIL, None),
    ]:
        ours, study = space(*settings, *more), optuna.create_study()
        (candidate,) = every_candidate(ours) or ()
        value = 0.5 if state == TrialState.COMPLETE else None
        for attrs in ({}, {"reused_from": 0}):
            told = attrs | {"candidate": candidate}
            study.add_trial(create_trial(state=state, value=value, user_attrs=told))
        exhaustion_of(study, ours)(study.get_trials(deepcopy=False))
        assert study.user_attrs.get(EXHAUSTED) == known


def test_the_text_of_a_space_without_choice() -> None:
    assert exhausted_text({EXHAUSTED: [1, 3]}).startswith("The only candidate of this space has")
    for damaged in (None, "x", [1], [0, 0], {"a": 1}):
        assert exhausted_text({EXHAUSTED: damaged}) == ""
