"""Searches on real digits: counts, repetition, resuming, every sampler and pruner, interruption."""

import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pytest
from conftest import outcomes
from optuna.trial import TrialState
from rich.console import Console
from running import LONG, only_zombies, wait_for

from nas.common.errors import StudyError
from nas.model.architecture import Architecture
from nas.model.network import Network
from nas.report.status import status_lines
from nas.search import queue
from nas.search import trial as trial_module
from nas.search.best_trials import best_trials
from nas.search.coordinator import LONGEST_POLL, SHARE, pause_after
from nas.search.progress import Progress
from nas.search.run import search
from nas.search.study import load_study
from nas.search.trial import probe_names
from nas.space.methods import PRUNERS, SAMPLERS
from nas.space.space import SearchSpace
from nas.storage.open import open_storage
from nas.training.candidate import Candidate
from nas.training.lightning import Trained
from nas.training.metrics import default_probes
from nas.training.result import Result

Make = Callable[..., SearchSpace]
Run = Callable[..., Any]
NAS = Path(sys.executable).with_name("nas")


def states(study: Any) -> dict[str, int]:
    return dict(Counter(trial.state.name for trial in study.get_trials(deepcopy=False)))


def told(study: Any) -> list[Any]:
    """What a search found out, without what a clock measured."""

    def curve(trial: Any) -> Any:
        result = json.loads(trial.user_attrs["result"])
        return [result["curve"], result["losses"], result["initial_hash"], result["measures"]]

    return [
        (trial.number, trial.state.name, trial.params, trial.values, curve(trial))
        for trial in study.get_trials(deepcopy=False)
    ]


# One process.


def test_a_search_trains_what_was_asked_for_and_no_more(space: Make, search_here: Run) -> None:
    study = search_here(space(), 3)
    assert states(study) == {"COMPLETE": 3}
    found = told(study)
    assert told(search_here(space(), 3)) == found
    more = search_here(space(), 5)
    assert told(more)[:3] == found
    assert states(more) == {"COMPLETE": 5}


def test_a_resumed_search_draws_what_an_uninterrupted_one_draws(
    space: Make, search_here: Run
) -> None:
    """Bit for bit: parameters, values, curves, and the hash of the initial weights."""
    whole = search_here(space(), 5, name="whole")
    search_here(space(), 2, name="parts")
    assert told(search_here(space(), 5, name="parts")) == told(whole)
    other = search_here(space("search.seed=1"), 5, name="other")
    assert [trial.params for trial in other.trials] != [trial.params for trial in whole.trials]


def test_trials_keep_all_that_is_needed(space: Make, search_here: Run) -> None:
    study = search_here(space("search.duplicates=new_seed"), 2)
    for trial in study.trials:
        attrs = trial.user_attrs
        candidate = Candidate.from_json(attrs["candidate"])
        assert attrs["candidate_hash"] == candidate.hash
        assert attrs["architecture_hash"] == candidate.architecture.hash
        result = json.loads(attrs["result"])
        assert len(result["curve"]) == candidate.training.epochs == 2
        assert result["curve"][-1]["val_accuracy"] == pytest.approx(trial.value, rel=1e-4)
        spent = candidate.cost()
        assert (attrs["parameters"], attrs["multiply_adds"], attrs["layers"]) == (
            spent.parameters,
            spent.multiply_adds,
            spent.depth,
        )
        assert set(attrs["provenance"]) >= {"torch", "lightning", "optuna", "python", "git_commit"}
        assert attrs["seconds"] > 0
        assert attrs["diverged"] is False
        assert len(trial.intermediate_values) == 2
        assert all(len(json.dumps(value)) < 64 * 1024 for value in attrs.values())


@pytest.mark.parametrize(
    ("asked", "taken"),
    [("null", []), ("false", []), ("[gradient_ratio]", ["probes_0", "probes_1", "probes_end"])],
)
def test_candidates_are_probed_where_the_space_asks(
    asked: str, taken: list[str], space: Make, search_here: Run
) -> None:
    made = space(f"search.probes={asked}", "training.epochs=1")
    (trial,) = search_here(made, 1).trials
    assert sorted(key for key in trial.user_attrs if key.startswith("probes_")) == taken


def test_twins_are_probed_where_the_space_says_nothing(space: Make) -> None:
    default = list(default_probes())
    for asked, of_candidate, of_twin in (
        ("null", [], default),
        ("true", default, default),
        ("false", [], []),
        ("[gradient_ratio]", ["gradient_ratio"], ["gradient_ratio"]),
    ):
        made = space(f"search.probes={asked}")
        assert probe_names(made, is_twin=False) == of_candidate
        assert probe_names(made, is_twin=True) == of_twin
    hessian = ["hessian_eigenvalue"]
    made = space("search.probes=null", "search.hessian=true")
    assert probe_names(made, is_twin=False) == []
    assert probe_names(made, is_twin=True) == default + hessian


def test_the_same_candidate_is_not_trained_twice(space: Make, search_here: Run) -> None:
    study = search_here(space("architecture.depth=1", "training.optimizer.lr=0.1"), 6)
    by_hash: dict[str, list[Any]] = {}
    for trial in study.trials:
        by_hash.setdefault(trial.user_attrs["candidate_hash"], []).append(trial)
    assert len(by_hash) == 2
    for first, *others in by_hash.values():
        assert "reused_from" not in first.user_attrs
        for other in others:
            assert other.user_attrs["reused_from"] == first.number
            assert other.value == first.value
            assert other.intermediate_values == first.intermediate_values
            assert other.user_attrs["result"] == first.user_attrs["result"]


def test_or_with_a_new_seed_where_that_is_wanted(space: Make, search_here: Run) -> None:
    settings = ("architecture.depth=1", "training.optimizer.lr=0.1", "search.duplicates=new_seed")
    study = search_here(space(*settings), 5)
    pairs = [(t.user_attrs["candidate_hash"], t.user_attrs["seed"]) for t in study.trials]
    assert len(set(pairs)) == 5
    assert sorted({seed for _, seed in pairs})[:2] == [0, 1]
    assert len({trial.user_attrs["result"] for trial in study.trials}) == 5


def test_nothing_to_search_is_one_training(space: Make, search_here: Run) -> None:
    """As with a paper's network."""
    fixed = space(
        "architecture.depth=1",
        "architecture.stages.0.shortcut=none",
        "training.optimizer.lr=0.1",
        "search.trials=1",
    )
    study = search_here(fixed)
    assert states(study) == {"COMPLETE": 1}
    assert study.trials[0].params == {}


def test_constraints_reject_before_training_and_others_take_the_place(
    space: Make, search_here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    depths: list[int] = []
    real = trial_module.train

    def train(candidate: Candidate, **options: Any) -> Trained:
        depths.append(candidate.cost().depth)
        return real(candidate, **options)

    monkeypatch.setattr(trial_module, "train", train)
    study = search_here(space("architecture.depth=[1, 2, 3]", "constraints={depth: {max: 6}}"), 4)
    rejected = [t for t in study.trials if "rejected" in t.user_attrs]
    trained = [t for t in study.trials if "rejected" not in t.user_attrs]
    assert rejected
    assert len(trained) == 4
    assert depths
    assert max(depths) <= 6, "a rejected candidate was trained"
    for trial in rejected:
        assert trial.state == TrialState.PRUNED
        assert trial.user_attrs["rejected"] == "depth"
        assert "result" not in trial.user_attrs
        assert max(trial.constraints.values()) > 0
    for trial in trained:
        assert trial.user_attrs["layers"] <= 6
        assert max(trial.constraints.values()) <= 0
    assert {best.number for best in best_trials(study)} <= {t.number for t in trained}


def test_constraints_that_leave_nothing_are_told(
    space: Make, search_here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "MOST_REJECTED", 3)
    with pytest.raises(StudyError, match=r"the constraints rejected 7 candidates: widen them"):
        search_here(space("constraints={parameters: {max: 1}}"), 2)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings that take no time: candidates learn the faster, the nearer lr is to 0.1."""

    def train(
        candidate: Candidate, *, seed: int, on_epoch: Any, pause_after: Any = None, **options: Any
    ) -> Trained:
        lr = candidate.training.optimizer.arguments["lr"]
        best, curve, pruned, paused = 1 - abs(math.log10(lr) + 1) / 10, [], False, False
        for epoch in range(1, candidate.training.epochs + 1):
            value = best * epoch / (epoch + 1)
            keys = ("train_loss", "val_loss"), ("train_accuracy", "val_accuracy")
            record = dict.fromkeys(keys[0], 1 - value) | dict.fromkeys(keys[1], value)
            curve.append({"epoch": float(epoch)} | record)
            if epoch < candidate.training.epochs:
                pruned = on_epoch(curve[-1])
                paused = not pruned and pause_after is not None and pause_after(curve[-1])
            if pruned or paused:
                break
        else:
            on_epoch(curve[-1])
        spent = candidate.cost()._asdict()
        result = Result(curve=curve, seed=seed, seconds=1.0, pruned=pruned or paused, **spent)
        result.measures = {"train_error": 0.5}
        return Trained(Network(candidate.architecture), result, None, paused)

    monkeypatch.setattr(trial_module, "train", train)


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_every_sampler_runs_and_repeats_itself(sampler: str, space: Make, search_here: Run) -> None:
    """Beyond its start-up trials, so that it draws by itself."""
    settings = [f"search.sampler={sampler}"]
    if sampler != "grid":
        settings += [
            "architecture.depth={low: 1, high: 3}",
            "training.optimizer={sgd: {lr: {low: 1e-3, high: 1, log: true}}}",
        ]
    study = search_here(space(*settings), 14)
    assert states(study) == {"COMPLETE": 8 if sampler == "grid" else 14}
    again = search_here(space(*settings), 14, name="again")
    assert told(again) == told(study)


@pytest.mark.usefixtures("made_up")
def test_the_grid_is_searched_once(space: Make, search_here: Run) -> None:
    study = search_here(space("search.sampler=grid", "training.epochs=1"), 99)
    points = [tuple(sorted(trial.params.items())) for trial in study.trials]
    assert len(points) == len(set(points)) == 8
    assert search_here(space("search.sampler=grid", "training.epochs=1"), 99).trials[-1].number == 7


@pytest.mark.usefixtures("made_up")
def test_a_constrained_grid_is_searched_once_too(space: Make, search_here: Run) -> None:
    study = search_here(
        space("search.sampler=grid", "training.epochs=1", "constraints={depth: {max: 6}}"), 99
    )
    points = [tuple(sorted(trial.params.items())) for trial in study.trials]
    assert len(points) == len(set(points)) == 8
    assert states(study) == {"COMPLETE": 4, "PRUNED": 4}


def pruned_search(space: Make, search_here: Run, pruner: str, objectives: str, num: int) -> Any:
    """A search of learning rates most of which are hopeless; checks what must hold of it."""
    settings = (
        f"search.pruner={pruner}",
        f"search.objectives={objectives}",
        "training.epochs=8",
        "training.optimizer={sgd: {lr: {low: 1e-6, high: 0.3, log: true}}}",
        "dataset.train_size=128",
    )
    study = search_here(space(*settings), num)
    pruned = [t for t in study.trials if t.user_attrs.get("pruned")]
    whole = [t for t in study.trials if not t.user_attrs.get("pruned")]
    assert pruned
    assert whole
    expected = TrialState.PRUNED if objectives == "[val_accuracy]" else TrialState.COMPLETE
    assert {trial.state for trial in pruned} == {expected}
    assert all(1 <= trial.last_step < 8 for trial in pruned)
    assert all(trial.last_step == 8 for trial in whole)
    assert not {best.number for best in best_trials(study)} & {trial.number for trial in pruned}


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize("pruner", [name for name in PRUNERS if name != "none"])
@pytest.mark.parametrize("objectives", ["[val_accuracy]", "[val_accuracy, parameters]"])
def test_pruners_stop_hopeless_candidates(
    pruner: str, objectives: str, space: Make, search_here: Run
) -> None:
    """Also with several objectives: a pruned trial then has the values it was pruned at."""
    pruned_search(space, search_here, pruner, objectives, 16)


def test_real_trainings_are_pruned(space: Make, search_here: Run) -> None:
    pruned_search(space, search_here, "median", "[val_accuracy, parameters]", 10)


@pytest.mark.parametrize(
    "objectives",
    [
        ["val_loss"],
        ["train_loss"],
        ["parameters"],
        ["latency", "val_accuracy"],
        ["val_accuracy", "parameters", "multiply_adds"],
    ],
    ids="+".join,
)
def test_objectives(objectives: list[str], space: Make, search_here: Run) -> None:
    study = search_here(space(f"search.objectives={objectives}", "search.pruner=median"), 3)
    for trial in study.trials:
        result = json.loads(trial.user_attrs["result"])
        values = dict(zip(objectives, trial.values, strict=True))
        for name, value in values.items():
            if name == "latency":
                assert 0 < value < 1
            else:
                source = result if name in result else result["curve"][-1]
                assert value == pytest.approx(source[name], rel=1e-4)
    directions = ["MAXIMIZE" if name == "val_accuracy" else "MINIMIZE" for name in objectives]
    assert [direction.name for direction in study.directions] == directions


def test_a_diverged_candidate_is_a_finished_trial_with_a_flag(
    space: Make, search_here: Run
) -> None:
    settings = (
        "training.optimizer={sgd: {lr: 1e6}}",
        "architecture.norm=none",
        "training.epochs=3",
    )
    for objective in ("val_accuracy", "val_loss"):
        study = search_here(space(*settings, f"search.objectives=[{objective}]"), 2, name=objective)
        for trial in study.trials:
            assert trial.state == TrialState.COMPLETE
            assert trial.user_attrs["diverged"] is True
            assert not math.isnan(trial.value)
            assert objective != "val_accuracy" or 0 <= trial.value <= 1


def test_a_candidate_that_fails_does_not_end_the_search(
    space: Make, search_here: Run, fast: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = trial_module.train, []

    def train(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("no luck [today]")
        return real(*arguments, **options)

    monkeypatch.setattr(trial_module, "train", train)
    study = search_here(space("search.duplicates=new_seed"), 4)
    assert [trial.state.name for trial in study.trials] == [
        "COMPLETE",
        "FAIL",
        "COMPLETE",
        "COMPLETE",
    ]
    assert study.trials[1].user_attrs["error"].strip().endswith("RuntimeError: no luck [today]")
    assert len(calls) == 4
    lines = status_lines(f"sqlite:///{fast}/nas.db", "study")
    assert lines[1:3] == [
        "  4 trials: 3 trained to their end, 1 failed with an error",
        "  1 failed of: RuntimeError: no luck [today]",
    ]


def test_weights_of_the_best_are_kept(space: Make, search_here: Run, tmp_path: Path) -> None:
    import torch

    study = search_here(space(), 4)
    (best,) = best_trials(study)
    file = tmp_path / "study" / "weights" / f"trial-{best.number}.pt"
    state = torch.load(file, weights_only=True)
    candidate = Candidate.from_json(best.user_attrs["candidate"])
    Network(candidate.architecture).load_state_dict(state)
    assert not list(file.parent.glob("*.part"))


def test_what_is_drawn_is_what_is_stored(space: Make, search_here: Run) -> None:
    """The architecture of a trial follows from its parameters alone."""
    ours = space("search.sampler=tpe")
    for trial in search_here(ours, 3).trials:
        candidate = ours.candidate(optuna.trial.FixedTrial(trial.params))
        assert candidate.to_json() == trial.user_attrs["candidate"]
        assert Architecture.from_json(candidate.architecture.to_json()) == candidate.architecture


# What is shown.


def shown(study: Any, *, terminal: bool) -> str:
    """What a search that finds the trials of a study done one by one says and shows."""
    console = Console(file=io.StringIO(), force_terminal=terminal, width=150, color_system=None)
    progress = Progress(console, ["val_accuracy"], 9)
    trials = study.get_trials(deepcopy=False)
    with progress:
        for count in range(len(trials) + 1):
            progress.update(trials[:count])
            progress.update(trials[:count])
            if terminal:
                done = [trial for trial in trials[:count] if trial.state.is_finished()]
                console.print(progress.view(trials[:count], done))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_every_finished_trial_is_told_in_one_line(space: Make) -> None:
    """Once, plainly, whatever stands in it."""
    study = optuna.create_study(storage=optuna.storages.InMemoryStorage())
    ours = next(candidate for _, candidate in outcomes(space().candidate)).to_json()
    add = partial(optuna.trial.create_trial, user_attrs={"candidate": ours})
    study.add_trial(add(value=0.5))
    study.add_trial(add(value=0.25, user_attrs={"candidate": ours, "diverged": True}))
    study.add_trial(add(value=0.5, user_attrs={"candidate": ours, "reused_from": 0}))
    study.add_trial(add(state=TrialState.FAIL, user_attrs={"cause": "ValueError: [/b] [red]"}))
    pruned = {"candidate": ours, "pruned": True, "val_accuracy": 0.125}
    study.add_trial(add(state=TrialState.PRUNED, user_attrs=pruned, intermediate_values={3: 0.125}))
    study.add_trial(add(state=TrialState.PRUNED, user_attrs={"rejected": "depth"}))
    study.add_trial(add(state=TrialState.WAITING, user_attrs={}))
    what = "basic 2+2, none-identity, post_activation"
    lines = shown(study, terminal=False).splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        f"[search 1/9] trial 0: val_accuracy 0.5 {what}",
        f"[search 2/9] trial 1: val_accuracy 0.25, diverged {what}",
        f"[search 3/9] trial 2: val_accuracy 0.5, same as trial 0 {what}",
        "[search 4/9] trial 3: failed: ValueError: [/b] [red]",
        f"[search 5/9] trial 4: val_accuracy 0.125, pruned after epoch 3 {what}",
    ]


def test_a_terminal_shows_bar_best_and_what_runs(space: Make) -> None:
    study = optuna.create_study(storage=optuna.storages.InMemoryStorage())
    ours = next(candidate for _, candidate in outcomes(space().candidate)).to_json()
    add = partial(optuna.trial.create_trial, user_attrs={"candidate": ours})
    study.add_trial(add(value=0.25))
    study.add_trial(add(value=0.75))
    study.add_trial(add(state=TrialState.RUNNING, intermediate_values={1: 0.5}))
    study.add_trial(add(state=TrialState.RUNNING, user_attrs={}))
    text = shown(study, terminal=True)
    assert "search 0/9" in text
    assert "time left unknown" in text
    assert "search 2/9" in text
    assert re.search(r"about \d+ s left", text)
    assert "best: trial 1, val_accuracy 0.75  basic 2+2" in text
    assert "trial 2: epoch 1 of 2, 0.5  basic 2+2" in text
    assert "trial 3: starting" in text


# Real worker processes.


def quiet() -> Console:
    return Console(file=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def test_workers_find_what_one_process_finds(space: Make, search_here: Run, tmp_path: Path) -> None:
    ours = space("search.workers=2", "training.epochs=1")
    where = {"storage": f"sqlite:///{tmp_path}/other.db", "data_dir": tmp_path, "out": tmp_path}
    outcome = search(ours, trials=5, console=quiet(), **where)
    assert outcome.how == "finished"
    assert states(outcome.study) == {"COMPLETE": 5}
    assert len({trial.user_attrs["worker"] for trial in outcome.study.trials}) <= 2
    here = search_here(ours, 5)
    assert [trial.params for trial in outcome.study.trials] == [
        trial.params for trial in here.trials
    ]
    assert [trial.values for trial in outcome.study.trials] == [
        trial.values for trial in here.trials
    ]
    start = time.monotonic()
    assert search(ours, trials=5, console=quiet(), **where).how == "finished"
    assert time.monotonic() - start < 5, "workers were started although nothing is due"


def start_search(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen:
    (folder / "long.yaml").write_text(LONG)
    return subprocess.Popen(
        [NAS, "search", "long.yaml", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=os.environ | environment,
    )


def trained_epochs(url: str) -> int:
    """Epochs that running trials have behind them; 0 while there is no study."""
    try:
        study = load_study(open_storage(url), "long")
    except StudyError:
        return 0
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return max((trial.last_step or 0 for trial in running), default=0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupted_search_ends_cleanly_and_resumes(number: int, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/kept.db"
    process = start_search(tmp_path, "--trials", "2", "--study", "long", NAS_STORAGE=url)
    wait_for(lambda: trained_epochs(url) > 1)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does: every process of the group
    else:
        process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in output
    resume = "Resume with:\n  nas search long.yaml --trials 2 --study long"
    assert output.strip().endswith(resume)
    study = load_study(open_storage(url), "long")
    assert set(states(study)) == {"WAITING"}
    assert only_zombies(process.pid), "a worker was left behind"
    assert not (tmp_path / "runs" / "nas.db").exists(), "NAS_STORAGE was not honoured"
    if number == signal.SIGTERM:
        return
    again = start_search(tmp_path, "--trials", "2", "--timeout", "3s", NAS_STORAGE=url)
    output, _ = again.communicate(timeout=60)
    assert again.returncode == 0
    assert (
        "Time is up; nothing that finished is lost. Resume with:\n  nas search long.yaml" in output
    )
    assert set(states(load_study(open_storage(url), "long"))) == {"WAITING"}


def test_ctrl_c_while_workers_load_is_clean_too(tmp_path: Path) -> None:
    process = start_search(tmp_path)
    url = f"sqlite:///{tmp_path}/runs/nas.db"
    wait_for((tmp_path / "runs" / "nas.db").exists)
    wait_for(lambda: _due(url))
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=90)
    assert process.returncode == 130
    assert "Traceback" not in output
    wait_for(lambda: only_zombies(process.pid), 30)
    assert set(states(load_study(open_storage(url), "long"))) == {"WAITING"}


def _due(url: str) -> bool:
    try:
        return "WAITING" in states(load_study(open_storage(url), "long"))
    except StudyError:
        return False


LAST_BATCH_OF_ONE = """
name: bn1
dataset: {name: digits, image_size: 4, train_size: 65, validation_size: 33}
architecture:
  {stem: {conv3x3: {width: 4}}, depth: 1, stages: [{width: 4, stride: 2}, {width: 8, stride: 2}]}
training: {epochs: 1, batch_size: 64, optimizer: {name: sgd, lr: 0.05}}
search: {trials: 1, sampler: random, seed: 0}
"""


def test_a_last_batch_of_one_picture_with_features_of_one_pixel_is_a_result(
    space: Any, search_here: Any
) -> None:
    """Batch normalisation refused it and every trial failed."""
    study = search_here(space(text=LAST_BATCH_OF_ONE))
    (trial,) = study.get_trials()
    assert trial.state == TrialState.COMPLETE
    assert 0 <= trial.value <= 1
    assert 0 <= trial.user_attrs["train_error"] <= 1


def test_looks_at_a_study_become_fewer_as_they_take_longer() -> None:
    assert pause_after([0.001, 0.002], 0.5) == 0.5
    assert pause_after([0.01, 0.02], 0.5) == pytest.approx(0.01 / SHARE)
    assert pause_after([1.0, 0.001], 0.5) == 0.5, "one that took long, as the first does"
    assert pause_after([1.0, 1.0], 0.5) == LONGEST_POLL
