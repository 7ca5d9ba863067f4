"""What `nas search` says of its time before it begins."""

from pathlib import Path

import pytest

from nas.cli.costs import say_cost
from nas.payoff import preview
from nas.search.options import WorkerOptions
from nas.search.pools import server
from nas.search.study import create_study
from nas.space.space import SearchSpace
from nas.storage.open import open_storage


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkerOptions:
    """Options with a storage of their own; a time is told as the number of trials it is for."""
    monkeypatch.setattr(server, "start_server", lambda: None)
    monkeypatch.setattr(preview, "cost_lines", lambda space, _: [f"{space.search.trials} trials"])
    return WorkerOptions(storage=f"sqlite:///{tmp_path}/nas.db", workers=2)


def test_the_time_told_is_that_of_the_trials_asked_for(
    told: WorkerOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    say_cost("digits", [], None, told, None, 6)
    say_cost("digits", ["search.trials=4"], None, told, None, None)
    assert capsys.readouterr().out == "6 trials\n4 trials\n"


def test_no_time_of_the_whole_is_told_where_a_study_goes_on(
    told: WorkerOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    space = SearchSpace.load("digits")
    create_study(open_storage(told.storage, create=True), "digits", space)
    say_cost("digits", [], None, told, None, None)
    assert not capsys.readouterr().out
    say_cost("digits", [], None, told, "another", None)
    assert capsys.readouterr().out == "30 trials\n"
