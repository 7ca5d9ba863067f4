"""A space set up for a budget, by trainings that are timed here."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TINY, Run

from nas.common.errors import UserError
from nas.payoff import budgeted
from nas.payoff.budget import Load, Rates
from nas.payoff.budgeted import kept_settings, load_of, settings_for, whole
from nas.search.study import create_study
from nas.space.space import SearchSpace
from nas.storage.open import open_storage
from nas.training.lightning import train

WITH_TWINS = TINY + "payoff: {top: 0, seeds: 2, depths: [1], lr_factors: [1.0], stages: false}\n"


def test_what_is_set_stands_in_the_study_and_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = {8: Rates(0.001, 0.002)}
    known = Load(rates=rates, pictures=1_000, workers=2, candidates=8, twins=4)
    monkeypatch.setattr(budgeted, "load_of", lambda *_: known)
    make = partial(SearchSpace.from_yaml, WITH_TWINS)
    said: list[str] = []
    settings = settings_for(make, "10m", workers=2, data_dir=tmp_path, log=said.append)
    space = make(settings)
    assert "training.epochs=96" in settings
    assert (space.search.trials, space.epochs, space.search.budget) == (8, 96, "10m")
    assert said[-1] == f"--set {' '.join(settings)}"
    url = f"sqlite:///{tmp_path}/nas.db"
    create_study(open_storage(url, create=True), "tiny", space)
    kept = kept_settings(url, "tiny", "10m")
    assert kept is not None
    assert make(kept).hash == space.hash
    assert make(kept).search == space.search
    assert make(kept).section.payoff == space.section.payoff
    assert kept_settings(url, "tiny", "20m") is None
    assert kept_settings(url, "other", "10m") is None


def test_without_time_for_twins_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Load(rates={8: Rates(0.001, 1.0)}, pictures=1_000, workers=1, candidates=8, twins=80)
    monkeypatch.setattr(budgeted, "load_of", lambda *_: known)
    make = partial(SearchSpace.from_yaml, WITH_TWINS)
    said: list[str] = []
    settings = settings_for(make, "2m", workers=1, data_dir=tmp_path, log=said.append)
    assert make(settings).section.payoff is None
    assert "There is no time for twins; `nas payoff` trains them later." in said


def test_trainings_are_timed_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one thread, as workers have."""
    threads, devices = [], set[str]()

    def train_here(*given: Any, **others: Any) -> Any:
        threads.append(torch.get_num_threads())
        devices.add(others["device"])
        return train(*given, **others)

    monkeypatch.setattr(budgeted, "LONGEST", 0.1)
    monkeypatch.setattr(budgeted, "train", train_here)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = load_of(partial(SearchSpace.from_yaml, WITH_TWINS), 3, tmp_path)
        assert set(threads) == {1}
        assert devices == {"cpu"}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    (rates,) = found.rates.values()
    assert list(found.rates) == [8], "smaller than 8x8 says nothing"
    assert 0 < rates.candidate < rates.twins
    assert (found.pictures, found.workers) == (whole(SearchSpace.load("digits").dataset), 3)
    assert found.candidates == 8
    assert found.twins > 4


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--trials", "3"], "--budget decides what --trials says: leave one of them out."),
        (["--set", "training.epochs=3"], "--budget decides what --set training.epochs says"),
        (["--budget", "3"], "--budget 3: add the unit: 3s, 3m or 3h."),
    ],
)
def test_what_a_budget_decides_is_not_said_twice(options: list[str], told: str, nas: Run) -> None:
    given = ["--budget", "3m", *options]
    status, _, errors = nas("search", "digits", *given)
    assert status == 2
    assert told in errors


def test_a_data_set_of_unknown_size_is_refused(tmp_path: Path) -> None:
    text = TINY.replace(
        "name: digits, ", "class_path: a.B, image_shape: [1, 8, 8], num_classes: 10"
    )
    text = text.replace("train_size: 96, validation_size: 40", "")
    with pytest.raises(UserError, match="--budget: it is for the built-in data sets"):
        settings_for(
            partial(SearchSpace.from_yaml, text), "3m", workers=1, data_dir=tmp_path, log=print
        )
