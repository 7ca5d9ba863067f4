"""What people expect of any command line: -h, completion, choices; list, show, delete."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import get_args

import optuna
import pytest
import typer
from conftest import NAS, VERBS, Run

from nas import __version__
from nas.cli import app
from nas.cli.options import Varied, spaces_that_begin
from nas.space.schema import PayoffSection
from nas.space.space import bundled_spaces

STORAGE = "sqlite:///runs/nas.db"


def words(text: str) -> str:
    """Text on one line."""
    return " ".join(text.split())


def test_version(nas: Run) -> None:
    assert nas("--version") == (0, f"nas {__version__}\n", "")


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_h_is_help(verb: str, nas: Run) -> None:
    arguments = [verb] if verb else []
    status, output, _ = nas(*arguments, "-h")
    assert (status, output) == nas(*arguments, "--help")[:2]
    assert output.startswith("Usage: ")


def test_the_list_of_commands_has_whole_sentences(nas: Run) -> None:
    output = words(nas("-h")[1].partition("Commands:")[2])
    assert "..." not in output
    for command in app.registered_commands:
        paragraph = words((command.callback.__doc__ or "").split("\n\n")[0])  # type: ignore[union-attr]
        assert f"{command.name} {paragraph}" in output


@pytest.mark.parametrize("verb", VERBS)
def test_help_describes_every_argument_and_option(verb: str) -> None:
    command = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]
    assert len(command.help.split("\n\n")) > 1, "one sentence says not enough"
    for parameter in command.params:
        assert parameter.help, parameter.name


def test_choices_are_listed(nas: Run) -> None:
    assert "--baseline <random>" in nas("search", "-h")[1]
    assert (
        "--vary <shortcut|transition|placement|join|initialisation|activation_order|block>"
        in nas("payoff", "-h")[1]
    )
    known = get_args(PayoffSection.model_fields["vary"].annotation)
    assert [one.value for one in Varied] == list(known)


def test_a_shell_completes_verbs_and_spaces(tmp_path: Path) -> None:
    (tmp_path / "digits_of_mine.yaml").touch()
    (tmp_path / "other.txt").touch()
    (tmp_path / "folder").mkdir()

    def completed(line: str) -> set[str]:
        given = {"_NAS_COMPLETE": "complete_bash", "COMP_WORDS": line}
        given["COMP_CWORD"] = str(len(line.split(" ")) - 1)
        done = subprocess.run(
            [NAS], env=os.environ | given, cwd=tmp_path, capture_output=True, text=True
        )
        return set(done.stdout.split())

    assert completed("nas sta") == {"status"}
    assert completed("nas search digi") == {"digits", "digits_of_mine.yaml"}
    assert completed("nas search fold") == {"folder/"}


def test_spaces_in_folders_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spaces").mkdir()
    (tmp_path / "spaces" / "mine.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert spaces_that_begin("spaces/m") == ["spaces/mine.yaml"]
    assert set(bundled_spaces()) <= set(spaces_that_begin(""))


@pytest.mark.parametrize("given", ["3", "3.5", "90"])
def test_a_time_without_a_unit_is_refused(given: str, nas: Run) -> None:
    status, _, errors = nas("search", "digits", "--timeout", given)
    assert status == 2
    assert f"nas: --timeout {given}: add the unit: {given}s, {given}m or {given}h." in errors
    assert not Path("runs").exists()


# list, show, delete.


def test_list_tells_what_belongs_together(after: Path, nas: Run) -> None:
    nas("search", "tiny.yaml", "--trials", "3", "--baseline", "random")
    nas("search", "tiny.yaml", "--trials", "1", "--study", "another")
    status, output, _ = nas("list")
    lines = output.splitlines()
    assert status == 0
    assert lines[0] == f"studies in {STORAGE}, the newest first"
    rows = [line.split()[:3] for line in lines[2:]]
    assert rows == [
        ["another", "1/1", "finished"],
        ["tiny", "3/3", "finished"],
        ["tiny-random", "3/3", "finished"],
    ]
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d$", lines[2])


def test_list_says_what_can_be_resumed(after: Path, nas: Run) -> None:
    study = optuna.load_study(study_name="tiny", storage=STORAGE)
    study.set_user_attr("num_trials", 9)
    assert nas("list")[1].splitlines()[2].split()[1:4] == ["3/9", "to", "resume"]
    study.ask()
    assert nas("list")[1].splitlines()[2].split()[1:3] == ["3/9", "running"]


@pytest.mark.usefixtures("after")
def test_show_tells_a_trial(nas: Run) -> None:
    study = optuna.load_study(study_name="tiny", storage=STORAGE)
    trial = study.best_trial
    status, output, _ = nas("show", str(trial.number), "tiny")
    assert status == 0
    assert output.startswith(f"trial {trial.number} of study tiny: trained to its end\n")
    assert f"validation accuracy: {trial.user_attrs['val_accuracy']:.4f}" in output
    assert f"parameters: {trial.user_attrs['parameters']:,}" in output
    lr = trial.params["training.optimizer.sgd.lr"]
    assert f"training: epochs 2, batch_size 32, optimizer sgd lr {lr}, momentum 0.9" in output
    depth = trial.params["depth"]
    assert f"stage 1: {depth} block" in output
    command = output.splitlines()[-1].removeprefix("Export it: nas ")
    assert nas(*command.split(), "--no-train")[0] in (0, 2)
    status, _, errors = nas("show", "7")
    assert (status, errors) == (
        2,
        "nas: study 'tiny' has no trial 7; it has 3 trials, 0 to 2.\n",
    )


def test_show_tells_how_other_trials_stand(after: Path, nas: Run) -> None:
    study = optuna.load_study(study_name="tiny", storage=STORAGE)
    candidate = study.trials[0].user_attrs["candidate"]
    make = optuna.trial.create_trial
    fail, pruned = optuna.trial.TrialState.FAIL, optuna.trial.TrialState.PRUNED
    study.add_trial(make(state=fail, user_attrs={"cause": "out of memory"}))
    study.add_trial(
        make(
            state=pruned,
            user_attrs={"candidate": candidate, "pruned": True},
            intermediate_values={1: 0.5},
        )
    )
    study.add_trial(make(state=pruned, user_attrs={"rejected": "parameters"}))
    told = [nas("show", str(number))[1].splitlines()[0].partition(": ")[2] for number in (3, 4, 5)]
    assert told == [
        "failed: out of memory",
        "pruned after epoch 1",
        "rejected untrained by the constraints (parameters)",
    ]


def test_delete_takes_what_goes_with_a_study(after: Path, nas: Run) -> None:
    nas("search", "tiny.yaml", "--trials", "3", "--baseline", "random")
    nas("search", "tiny.yaml", "--trials", "1", "--study", "another")
    twins = optuna.create_study(study_name="tiny-twins", storage=STORAGE)
    twins.set_user_attr("twins_of", "tiny")
    mine = Path("runs/tiny/mine.txt")
    mine.write_text("not yours")
    status, output, errors = nas("delete", "tiny")
    assert (status, errors) == (2, "nas: nobody can be asked here: add --yes to delete 'tiny'.\n")
    assert "study tiny-random, 3 trials" in output
    assert "runs/tiny/weights" in output
    assert len(optuna.get_all_study_names(STORAGE)) == 4
    assert nas("delete", "tiny", "--yes")[0] == 0
    assert optuna.get_all_study_names(STORAGE) == ["another"]
    assert [str(path) for path in Path("runs/tiny").iterdir()] == [str(mine)]
    assert not Path("runs/tiny-random").exists()
    assert list(Path("runs/another/weights").glob("*.pt"))
    status, _, errors = nas("delete", "tiny", "--yes")
    assert (status, errors) == (2, "nas: there is no study 'tiny'; there is another.\n")


def test_the_folder_of_a_copy_stays(after: Path, nas: Run) -> None:
    """A copy of a study has the weights of that study until it is resumed."""
    optuna.copy_study(
        from_study_name="tiny", to_study_name="copy", from_storage=STORAGE, to_storage=STORAGE
    )
    assert nas("delete", "copy", "--yes")[0] == 0
    assert list(Path("runs/tiny/weights").glob("*.pt"))


def test_what_stands_beside_a_study_is_not_deleted_alone(after: Path, nas: Run) -> None:
    twins = optuna.create_study(study_name="tiny-twins", storage=STORAGE)
    twins.set_user_attr("twins_of", "tiny")
    status, _, errors = nas("delete", "tiny-twins", "--yes")
    assert status == 2
    assert "stands beside the study 'tiny', with which it goes" in errors
    assert nas("list")[1].splitlines()[3].split()[:4] == ["tiny-twins", "0/0", "not", "begun"]


@pytest.mark.parametrize(("answer", "left"), [("n\n", ["tiny"]), ("y\n", [])])
def test_delete_asks_in_a_terminal(after: Path, answer: str, left: list[str]) -> None:
    """Of a pseudo terminal, through `script`."""
    if shutil.which("script") is None:
        pytest.skip("needs `script` of util-linux")
    command = f"'{NAS}' delete tiny"
    done = subprocess.run(
        ["script", "-qec", command, "/dev/null"], input=answer, capture_output=True, text=True
    )
    assert "Delete all of this? [y/N]" in done.stdout
    assert optuna.get_all_study_names(STORAGE) == left
    assert ("Nothing was deleted." in done.stdout) == bool(left)
