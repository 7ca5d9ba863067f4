"""The code of a space: never run on a look, named before it runs, and only if it was allowed."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from conftest import TINY

from nas.common.errors import StudyError, UserError
from nas.search.allow_code import code_in_file, code_in_storage
from nas.search.lease import acquire
from nas.search.queue import pending_of, refill_of
from nas.search.study import NUM_TRIALS, create_study, load_study
from nas.search.trial import TrialEnvironment, run_trial
from nas.search.worker import WorkerSpec, run_pending
from nas.space.space import SearchSpace
from nas.storage.handles import storage_of
from nas.storage.open import open_storage

RUNNING = optuna.trial.TrialState.RUNNING
NAS = Path(sys.executable).with_name("nas")
MODULE = """
import pathlib
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, TensorDataset

pathlib.Path("ran").touch()


class Data(LightningDataModule):
    def setup(self, stage=None):
        x = torch.arange(40).view(-1, 1, 1, 1).expand(-1, 1, 4, 4) / 40
        self.pictures = TensorDataset(x, torch.arange(40) % 2)

    def train_dataloader(self):
        return DataLoader(self.pictures, batch_size=10)

    val_dataloader = test_dataloader = train_dataloader
"""
SPACE = """
name: own
dataset: {class_path: mine.Data, image_shape: [1, 4, 4], num_classes: 2}
architecture: {stem: {conv3x3: {width: 2}}, depth: 1, stages: [{width: 2}]}
training: {epochs: 1, batch_size: 10}
search: {trials: 1, sampler: random, pruner: none, workers: 1, probes: false}
"""
ALLOWED = frozenset({("mine.Data", "{}")})


class Here:
    """A folder with a space that runs code."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "mine.py").write_text(MODULE)
        (folder / "own.yaml").write_text(SPACE)

    def nas(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command; whether the code ran is asked of `ran`."""
        return subprocess.run(
            [NAS, *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def ran(self) -> bool:
        """Whether the code ran since this was asked last."""
        mark = self.folder / "ran"
        found = mark.exists()
        mark.unlink(missing_ok=True)
        return found


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Here:
    """With the study `own`."""
    place = Here(tmp_path_factory.mktemp("trust"))
    looks = [place.nas("check", "own.yaml"), place.nas("check", "own.yaml", "--cost")]
    assert [look.returncode for look in looks] == [0, 0], looks
    assert not place.ran()
    for look in looks:
        assert "Searched, this space runs code: mine.Data. A check does not." in look.stdout
    assert "known to mine.Data alone" in looks[1].stdout
    search = place.nas("search", "own.yaml")
    assert search.returncode == 0, search.stderr
    assert search.stdout.startswith("This space runs code: mine.Data\n")
    assert place.ran()
    return place


@pytest.mark.parametrize("look", ["schema", "status", "report"])
def test_looking_runs_nothing(here: Here, look: str) -> None:
    run = here.nas(look)
    assert run.returncode == 0, run.stderr
    assert not here.ran()


def test_code_in_a_file_that_is_passed_is_allowed(here: Here) -> None:
    again = ["--trials", "2", "--set", "search.duplicates=new_seed"]
    run = here.nas("search", "own.yaml", *again)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("This space runs code: mine.Data\n")
    assert here.ran()


COMMANDS = (
    ["worker", "own"],
    ["export", "--seeds", "1", "--output", "other.py"],
    ["payoff", "--seeds", "1", "--depths", "1", "--top", "1", "--timeout", "1s"],
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_code_out_of_a_storage_needs_trust(here: Here, command: list[str]) -> None:
    here.ran()
    refused = here.nas(*command)
    assert refused.returncode == 2, refused.stdout
    assert "runs the code of mine.Data with '{}', which was read from the storage" in refused.stderr
    assert "add --trust" in refused.stderr
    assert not here.ran()
    trusted = here.nas(*command, "--trust")
    assert trusted.returncode == 0, trusted.stderr
    assert trusted.stdout.startswith("This space runs code: mine.Data\n")


def test_without_training_an_export_runs_no_code(here: Here) -> None:
    here.ran()
    run = here.nas("export", "--no-train", "--output", "third.py")
    assert run.returncode == 0, run.stderr
    assert not here.ran()


# What is allowed


@pytest.fixture
def study() -> optuna.Study:
    """A study without trials that runs code."""
    made = optuna.create_study(study_name="own")
    made.set_user_attr("space", SPACE)
    return made


def no_log(text: str) -> None:
    """Logs nothing."""


def add_trial(study: optuna.Study, **dataset: Any) -> None:
    """A waiting trial with a candidate of that data set."""
    candidate = json.dumps({"dataset": dataset})
    study.add_trial(
        optuna.trial.create_trial(
            state=optuna.trial.TrialState.WAITING, user_attrs={"candidate": candidate}
        )
    )


def test_code_is_named_before_it_is_judged(study: optuna.Study) -> None:
    said: list[str] = []
    with pytest.raises(StudyError, match="add --trust"):
        code_in_storage(study, False, said.append)
    assert code_in_storage(study, True, said.append) == ALLOWED
    assert said == ["This space runs code: mine.Data"] * 2


def test_code_that_a_file_named_is_not_asked_for_again(study: optuna.Study) -> None:
    said: list[str] = []
    allowed = code_in_file(SearchSpace.from_yaml(SPACE), said.append)
    assert said == ["This space runs code: mine.Data"]
    assert code_in_storage(study, False, said.append, allowed) == allowed == ALLOWED
    assert len(said) == 1


@pytest.mark.parametrize(
    "changed", [{"class_path": "os.Evil"}, {"init_args": '{"a": 1}'}], ids=["class", "arguments"]
)
def test_other_code_in_a_single_trial_is_refused(study: optuna.Study, changed: dict) -> None:
    """As twins are trained from the candidates that are stored there."""
    add_trial(study, class_path="mine.Data", init_args="{}")
    add_trial(study, class_path=None, init_args="{}")
    code_in_storage(study, False, no_log, ALLOWED)
    add_trial(study, **{"class_path": "mine.Data", "init_args": "{}"} | changed)
    with pytest.raises(StudyError, match=next(iter(changed.values())).replace("{", r"\{")):
        code_in_storage(study, False, no_log, ALLOWED)


@pytest.mark.parametrize("text", ["", "3", "{}", "[" * 100_000, '{"dataset": {"class_path": 3}}'])
def test_candidates_that_cannot_be_read_run_nothing(study: optuna.Study, text: str) -> None:
    study.set_user_attr("space", "name: [")
    for value in (text, None, 3):
        waiting = optuna.trial.create_trial(
            state=optuna.trial.TrialState.WAITING, user_attrs={"candidate": value}
        )
        study.add_trial(waiting)
    assert code_in_storage(study, False, no_log) == frozenset()


@pytest.mark.parametrize("key", ["logger", "callbacks"])
def test_loggers_and_callbacks_are_code_like_any_other(tmp_path: Path, key: str) -> None:
    """A stranger's study asks for trust, and a worker runs what was allowed alone."""
    setting = f"training.{key}={{class_path: os.Evil, init_args: {{a: 1}}}}"
    space = SearchSpace.from_yaml(TINY, [setting])
    code = frozenset({("os.Evil", '{"a": 1}')})
    said: list[str] = []
    assert code_in_file(space, said.append) == code
    assert said == ["This space runs code: os.Evil"]
    url = f"sqlite:///{tmp_path}/nas.db"
    study = create_study(open_storage(url, create=True), "tiny", space)
    with pytest.raises(StudyError, match="runs the code of os.Evil with .*add --trust"):
        code_in_storage(study, False, no_log)
    assert code_in_storage(study, True, no_log) == code
    spec = WorkerSpec(storage=url, study="tiny", data_dir=tmp_path, out=tmp_path, num_workers=1)
    with pytest.raises(StudyError, match="names other code in the storage .* os.Evil with"):
        run_pending(spec, lambda: True, no_log)
    with pytest.raises(UserError, match=f"training.{key}: 'os.Evil' cannot be imported"):
        run_trials_of(study, space, tmp_path)


def run_trials_of(study: optuna.Study, space: SearchSpace, folder: Path) -> None:
    """A trial of a study, in this process."""
    study.set_user_attr(NUM_TRIALS, 1)
    refill_of(study, space, 1, 1)(study.get_trials())
    storage = storage_of(study)
    trial = acquire(storage, study, pending_of(study, space))
    environment = TrialEnvironment(data_dir=folder, out=folder, interrupted=lambda: False)
    run_trial(storage, "tiny", space, trial, environment)


# What was allowed is what runs


def test_a_worker_refuses_code_that_was_not_allowed_when_it_was_started(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here.folder)
    url = "sqlite:///runs/nas.db"
    spec = WorkerSpec(storage=url, study="own", data_dir=tmp_path, out=tmp_path, num_workers=1)
    with pytest.raises(StudyError, match="names other code in the storage .* mine.Data with"):
        run_pending(spec, lambda: True, no_log)
    run_pending(replace(spec, allowed_code=ALLOWED), lambda: True, no_log)
    assert not here.ran(), "it is imported when a trial is trained"


def test_a_space_changed_in_the_storage_meanwhile_stops_the_search(tmp_path: Path) -> None:
    """A study without code; its space is replaced, and a worker dies and is started again."""
    (tmp_path / "mine.py").write_text(MODULE)
    plain = TINY.replace("epochs: 2", "epochs: 3000").replace("name: tiny", "name: plain")
    (tmp_path / "plain.yaml").write_text(plain)
    process = subprocess.Popen(
        [NAS, "search", "plain.yaml"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    url = f"sqlite:///{tmp_path}/runs/nas.db"
    try:
        worker = wait_for_worker(url)
        load_study(open_storage(url), "plain").set_user_attr("space", SPACE)
        os.kill(worker, signal.SIGKILL)
        output, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 2, output
    assert "study 'plain' names other code in the storage than when this command started" in output
    assert "Traceback" not in output
    assert not (tmp_path / "ran").exists()


def wait_for_worker(url: str) -> int:
    """The process that runs a trial of the study `plain`, once there is one."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with suppress(StudyError):
            for trial in load_study(open_storage(url), "plain").get_trials(states=(RUNNING,)):
                if trial.last_step:
                    return int(trial.user_attrs["worker"].split(":")[1])
        time.sleep(0.3)
    raise AssertionError("no trial was trained in time")
