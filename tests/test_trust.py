"""The code of a space: never run on a look, named before it runs, and only on somebody's word."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest

from nas.common.errors import StudyError
from nas.data.catalog import Dataset
from nas.search.allow_code import require_trust, user_key, vouch

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
CODE = Dataset(name="module", class_path="mine.Data", image_shape=(1, 4, 4), num_classes=2)


class Here:
    """A folder with a space that runs code, and a user's state beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.user = folder, "me"
        (folder / "mine.py").write_text(MODULE)
        (folder / "own.yaml").write_text(SPACE)

    def nas(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command as this user; whether the code ran is asked of `ran`."""
        state = {"NAS_STATE_DIR": str(self.folder / "state" / self.user)}
        return subprocess.run(
            [NAS, *arguments],
            cwd=self.folder,
            env=os.environ | state,
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
    """With the study `own`, searched by `me`."""
    place = Here(tmp_path_factory.mktemp("trust"))
    looks = [place.nas("check", "own.yaml"), place.nas("check", "own.yaml", "--cost")]
    assert [look.returncode for look in looks] == [0, 0], looks
    assert not place.ran()
    for look in looks:
        assert "Searched, this space runs code: mine.Data. A check does not." in look.stdout
    assert "known to mine.Data alone" in looks[1].stdout
    assert not (place.folder / "state").exists()
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


def test_who_made_a_study_may_go_on(here: Here) -> None:
    for command in (["search", "own.yaml", "--trials", "2"], ["export", "--seeds", "1"]):
        run = here.nas(*command)
        assert run.returncode == 0, run.stderr
        assert run.stdout.startswith("This space runs code: mine.Data\n")
    assert here.ran()


COMMANDS = (
    ["search", "own.yaml", "--trials", "2"],
    ["export", "--seeds", "1", "--output", "other.py"],
    ["payoff", "--seeds", "1", "--depths", "1", "--top", "1", "--timeout", "1s"],
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_others_must_say_that_they_trust_it(
    here: Here, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here.ran()
    monkeypatch.setattr(here, "user", "other")
    refused = here.nas(*command)
    assert refused.returncode == 2, refused.stdout
    assert "was not made on this account, and it runs the code of mine.Data" in refused.stderr
    assert "add --trust" in refused.stderr
    assert not here.ran()
    trusted = here.nas(*command, "--trust")
    assert trusted.returncode == 0, trusted.stderr
    assert trusted.stdout.startswith("This space runs code: mine.Data\n")


def test_without_training_an_export_runs_no_code(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.ran()
    monkeypatch.setattr(here, "user", "other")
    run = here.nas("export", "--no-train", "--output", "third.py")
    assert run.returncode == 0, run.stderr
    assert not here.ran()


# What is signed


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> optuna.Study:
    """A study without trials, and a user without a key."""
    monkeypatch.setenv("NAS_STATE_DIR", str(tmp_path / "state"))
    made = optuna.create_study(study_name="own")
    made.set_user_attr("space", SPACE)
    return made


def no_word(text: str) -> None:
    """Says nothing."""


def add_trial(study: optuna.Study, **dataset: Any) -> None:
    """A due trial with a candidate of that data set."""
    candidate = json.dumps({"dataset": dataset})
    due = optuna.trial.create_trial(
        state=optuna.trial.TrialState.WAITING, user_attrs={"candidate": candidate}
    )
    study.add_trial(due)


def test_code_is_named_before_it_is_judged(study: optuna.Study) -> None:
    said: list[str] = []
    with pytest.raises(StudyError, match="add --trust"):
        require_trust(study, False, said.append)
    require_trust(study, True, said.append)
    assert said == ["This space runs code: mine.Data"] * 2


def test_a_signed_study_is_trusted_under_its_name_alone(study: optuna.Study) -> None:
    vouch(study, CODE, False, no_word)
    require_trust(study, False, no_word)
    other = optuna.create_study(study_name="other")
    for key, value in study.user_attrs.items():
        other.set_user_attr(key, value)
    with pytest.raises(StudyError, match="'other' was not made on this account"):
        require_trust(other, False, no_word)


@pytest.mark.parametrize(
    "changed", [{"class_path": "os.Evil"}, {"init_args": '{"a": 1}'}], ids=["class", "arguments"]
)
def test_code_that_was_put_in_later_is_refused(study: optuna.Study, changed: dict) -> None:
    """Also in a single trial, as twins are trained from the candidates that are stored there."""
    vouch(study, CODE, False, no_word)
    add_trial(study, class_path="mine.Data", init_args="{}")
    add_trial(study, class_path=None, init_args="{}")
    require_trust(study, False, no_word)
    add_trial(study, **{"class_path": "mine.Data", "init_args": "{}"} | changed)
    for judge in (
        lambda: require_trust(study, False, no_word),
        lambda: vouch(study, CODE, False, no_word),
    ):
        with pytest.raises(StudyError, match=next(iter(changed.values())).replace("{", r"\{")):
            judge()


def test_a_study_with_trials_is_not_signed_again(study: optuna.Study) -> None:
    add_trial(study, class_path="mine.Data", init_args="{}")
    with pytest.raises(StudyError, match="add --trust"):
        vouch(study, CODE, False, no_word)


@pytest.mark.parametrize("text", ["", "3", "{}", "[" * 100_000, '{"dataset": {"class_path": 3}}'])
def test_candidates_that_cannot_be_read_run_nothing(study: optuna.Study, text: str) -> None:
    study.set_user_attr("space", "name: [")
    for value in (text, None, 3):
        due = optuna.trial.create_trial(
            state=optuna.trial.TrialState.WAITING, user_attrs={"candidate": value}
        )
        study.add_trial(due)
    require_trust(study, False, no_word)


def test_a_study_without_code_needs_no_key(study: optuna.Study, tmp_path: Path) -> None:
    plain = optuna.create_study()
    vouch(plain, Dataset(name="digits"), False, no_word)
    require_trust(plain, False, no_word)
    assert not (tmp_path / "state").exists()


# The key


def test_the_key_is_its_owners_alone_and_stays(study: optuna.Study, tmp_path: Path) -> None:
    key = user_key()
    assert len(key) == 32
    assert user_key() == key
    file = tmp_path / "state" / "key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("fault", ["others", "short", "folder", "nowhere"])
def test_a_key_that_cannot_be_one_is_told(
    fault: str, study: optuna.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "state" / "key"
    if fault == "nowhere":
        monkeypatch.setenv("NAS_STATE_DIR", "/dev/null/nas")
    elif fault == "folder":
        file.mkdir(parents=True)
    else:
        user_key()
        file.chmod(0o644) if fault == "others" else file.write_bytes(b"x")
    with pytest.raises(StudyError, match="the key .*(remove it|NAS_STATE_DIR)"):
        vouch(study, CODE, False, no_word)


def test_the_key_lies_in_the_users_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NAS_STATE_DIR", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    user_key()
    assert (tmp_path / "nas" / "key").exists()
