"""Studies whose attributes are not what they should be: the broken trial is named, and the search,
its status and its report go on without it."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from rich.console import Console

from nas.cli import main
from nas.common.processes import this_machine
from nas.report.build import write_report
from nas.report.status import status_lines
from nas.search.failures import ConsecutiveFailures
from nas.search.progress import Progress
from nas.search.queue import pending_of, refill_of
from nas.search.stale_trials import HEARTBEAT_TIMEOUT, StaleTrialMonitor, requeue_trials_of
from nas.search.study import NUM_TRIALS, create_study
from nas.search.trial_attributes import CRASHES, HEARTBEAT
from nas.space.enumeration import EnumeratingTrial, all_values
from nas.space.space import SearchSpace
from nas.storage.open import open_storage

Make = Callable[..., SearchSpace]
SURROGATE = "a \udc80 b \x1b[2J"
#: values where something else belongs
ODD = ["me", 7, ["a", 1], {"a": 1}, None, SURROGATE, f"{this_machine()}:abc:1", "[" * 5000]
USER = ["worker", "paused", "rung", "rung_losses", "spared", "candidate", "seed", "cause", "error"]
USER += ["result", "pruned", "diverged", "rejected", "reused_from", "cells", "val_accuracy"]
USER += ["parameters", "multiply_adds", "layers", "provenance", "candidate_hash", "seconds"]
CASES = [(key, value) for key in USER for value in ODD]


def fill(study: optuna.Study, attrs: dict[str, Any], system: dict[str, Any]) -> None:
    """A trial of every state with these attributes."""
    for state in TrialState:
        value = 0.5 if state == TrialState.COMPLETE else None
        study.add_trial(
            create_trial(
                state=state,
                value=value,
                user_attrs=attrs,
                system_attrs=system,
                intermediate_values={1: 0.5},
            )
        )


def supervise(study: optuna.Study, space: SearchSpace) -> str:
    """All that a coordinator does with the trials of a study; what it shows."""
    shown = io.StringIO()
    clock = iter(float(second) for second in range(1000))
    storage = study._storage
    monitor = StaleTrialMonitor(storage, clock=lambda: next(clock))
    refill, failures = refill_of(study, space, 99, 2), ConsecutiveFailures()
    for terminal in (False, True):
        console = Console(file=shown, force_terminal=terminal, width=150, color_system=None)
        with Progress(console, ["val_accuracy"], 99) as progress:
            for _ in range(2):
                trials = study.get_trials(deepcopy=False)
                progress.update([])
                progress.update(trials)
                failures.check(trials)
                refill(trials)
                monitor.check(trials)
                console.print(progress.view(trials, [t for t in trials if t.state.is_finished()]))
    pending_of(study, space)(study)
    requeue_trials_of(storage, study.get_trials(deepcopy=False), "me", "killed by SIGKILL")
    return shown.getvalue()


@pytest.fixture(scope="module")
def candidate() -> str:
    return SearchSpace.load("digits").candidate(EnumeratingTrial([], all_values)).to_json()


@pytest.mark.parametrize("key", USER)
@pytest.mark.parametrize("pruner", ["halving", "median"])
def test_a_coordinator_goes_on(key: str, pruner: str, space: Make, candidate: str) -> None:
    ours = space(f"search.pruner={pruner}", "training.epochs=4")
    study = create_study(optuna.storages.InMemoryStorage(), "x", ours)
    study.set_user_attr(NUM_TRIALS, "many")
    for value in ODD:
        fill(study, {"candidate": candidate, key: value}, {})
        fill(study, {"candidate": candidate, "paused": True, "rung": 1, key: value}, {})
    shown = supervise(study, ours)
    assert "\x1b[2J" not in shown
    assert "\udc80" not in shown


@pytest.mark.parametrize("key", [HEARTBEAT, CRASHES, "fixed_params"])
def test_a_coordinator_goes_on_with_odd_system_attributes(key: str, space: Make) -> None:
    study = create_study(optuna.storages.InMemoryStorage(), "x", space())
    for value in ODD:
        fill(study, {"worker": "me"}, {key: value})
    supervise(study, space())


def test_a_worker_that_is_no_worker_is_stale_once_it_is_silent(space: Make) -> None:
    study = create_study(optuna.storages.InMemoryStorage(), "x", space())
    for value in ("me", 7, ["a"], f"{this_machine()}:abc:1"):
        study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs={"worker": value}))
    seconds = iter(range(1000))
    monitor = StaleTrialMonitor(study._storage, clock=lambda: float(next(seconds)))
    for _ in range(int(HEARTBEAT_TIMEOUT)):
        monitor.check(study.get_trials(deepcopy=False))
    states = [trial.state.name for trial in study.get_trials(deepcopy=False)]
    assert states == ["RUNNING", "RUNNING", "RUNNING", "WAITING"], "dead on this machine at once"
    for _ in range(5):
        monitor.check(study.get_trials(deepcopy=False))
    assert {trial.state.name for trial in study.get_trials(deepcopy=False)} == {"WAITING"}


@pytest.mark.parametrize("key", USER)
def test_status_and_report_go_on(key: str, space: Make, candidate: str, fast: Path) -> None:
    url = f"sqlite:///{fast}/nas.db"
    study = create_study(open_storage(url, create=True), "x", space())
    for value in ODD:
        fill(study, {"candidate": candidate, "candidate_hash": "x", "seed": 0, key: value}, {})
    assert status_lines(url, "x")
    assert write_report(url, "x", fast / "out")
    assert not list(fast.rglob("*.part"))


# The command line


def test_a_search_whose_every_trial_failed_has_a_status_of_its_own(
    space: Make, fast: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(fast)
    ours = space("search.trials=2")
    study = create_study(open_storage("sqlite:///nas.db", create=True), "tiny", ours)
    for _ in range(2):
        study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={"cause": "E: no"}))
    (fast / "tiny.yaml").write_text(json.dumps(ours.source.data))
    arguments = ["search", "tiny.yaml", "--storage", "sqlite:///nas.db"]
    monkeypatch.setattr("sys.argv", ["nas", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 3
    assert "2 failed of: E: no" in capsys.readouterr().out
    study.add_trial(create_trial(value=0.5))
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
