"""Studies that other programs made with Optuna, in the same storage as ours."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import create_trial

import nas
from nas.cli import app, main
from nas.common.errors import StudyError
from nas.payoff.run import payoff
from nas.report.build import write_report
from nas.search.options import WorkerOptions
from nas.search.study import create_study, load_study
from nas.space.schema import PayoffSection
from nas.space.space import SearchSpace
from nas.storage.open import open_storage

Make = Callable[..., SearchSpace]
URL = "sqlite:///s.db"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def foreign(name: str, *directions: str, trials: int = 5) -> optuna.Study:
    """A study as a script of plain Optuna makes it."""
    study = optuna.create_study(study_name=name, storage=URL, directions=directions or ["maximize"])
    choice = {"x": FloatDistribution(0, 1), "shortcut": CategoricalDistribution(["a", "b"])}
    for index in range(trials):
        study.add_trial(
            create_trial(
                values=[index / 10] * len(study.directions),
                params={"x": index / 10, "shortcut": "a"},
                distributions=choice,
            )
        )
    return study


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Any:
    """A command on the storage: its status, and all it said."""

    def command(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["nas", *arguments, "--storage", URL])
        status: Any = 0
        try:
            main()
        except SystemExit as end:
            status = end.code
        said = capsys.readouterr()
        return status or 0, said.out + said.err

    return command


COMMANDS = [
    ["status"],
    ["report"],
    ["export"],
    ["export", "--no-train"],
    ["worker", "--timeout", "1s"],
    ["payoff"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("name", ["theirs", None])
@pytest.mark.parametrize(
    ("directions", "what"),
    [
        (
            ["maximize"],
            "it maximises one objective over 'shortcut', 'x', and 5 of 5 trials finished",
        ),
        (["minimize"], "it minimises one objective"),
        (["maximize", "minimize"], "it has 2 objectives over"),
    ],
)
def test_every_command_says_what_it_is(
    command: list[str], name: str | None, directions: list[str], what: str, run: Any
) -> None:
    foreign("theirs", *directions)
    status, said = run(command[0], *([name] if name else []), *command[1:])
    assert status == 2
    assert said.startswith(
        "nas: study 'theirs' was not made by `nas search`, but by another program"
    )
    assert what in said
    assert "There is no study of nas here yet: start one with `nas search digits`." in said
    assert_options_exist(said, command[0])
    assert not list(Path().rglob("*.html"))


def assert_options_exist(said: str, command: str) -> None:
    """Every option that is named is one of that command."""
    known = {
        option
        for one in app.registered_commands
        if one.callback is not None and one.callback.__name__ == command
        for option in re.findall(r"--[a-z-]+", str(one.callback.__annotations__))
    }
    assert set(re.findall(r"--[a-z-]+", said)) <= known


@pytest.mark.parametrize("options", [[], ["--extend"]], ids=str)
def test_a_search_does_not_go_on_in_it(options: list[str], run: Any) -> None:
    foreign("digits", "maximize", "minimize")
    status, said = run("search", "digits", "--timeout", "1s", *options)
    assert status == 2
    assert "study 'digits' was not made by `nas search`" in said
    assert "Start another one with --study NAME." in said
    assert len(optuna.load_study(study_name="digits", storage=URL).trials) == 5


@pytest.mark.parametrize("command", [["status"], ["report"]], ids=" ".join)
def test_the_newest_of_ours_is_taken(
    command: list[str], run: Any, space: Make, caplog: pytest.LogCaptureFixture
) -> None:
    foreign("older")
    create_study(open_storage(URL), "ours", space())
    foreign("newer")
    status, said = run(*command)
    assert status == 0
    assert "ours" in said
    assert caplog.messages == [
        "This is 'ours', the newest study that `nas search` made; 'newer' is newer, and another "
        "program made it with Optuna."
    ]
    status, said = run("status", "newer")
    assert "Studies of nas here: 'ours'." in said


def test_nothing_is_said_where_ours_is_the_newest(
    run: Any, space: Make, caplog: pytest.LogCaptureFixture
) -> None:
    foreign("older")
    create_study(open_storage(URL), "ours", space())
    assert run("status")[0] == 0
    assert not caplog.messages


def test_from_python_too(space: Make) -> None:
    study = foreign("theirs")
    with pytest.raises(StudyError, match="not made by `nas search`"):
        nas.export(study)
    with pytest.raises(StudyError, match="not made by `nas search`"):
        payoff(study, PayoffSection(), WorkerOptions(storage=URL))


def test_studies_that_stand_where_twins_and_baseline_would(space: Make) -> None:
    """They are not read as such, and nothing is trained in them."""
    ours = create_study(open_storage(URL, create=True), "ours", space())
    foreign("ours-twins")
    foreign("ours-random")
    assert "nothing is verified" in write_report(URL, "ours")[1].read_text()
    with pytest.raises(StudyError, match="Rename or remove it: the twins go by that name"):
        payoff(ours, PayoffSection(top=0, depths=[1]), WorkerOptions(storage=URL))


def test_the_dashboard_takes_any_study(space: Make) -> None:
    foreign("theirs")
    assert load_study(open_storage(URL), None).study_name == "theirs"
    assert load_study(open_storage(URL), "theirs").study_name == "theirs"
