"""Random search beside a search: its own draws, as many trials, and its place in the report."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import InMemoryStorage
from report_studies import make_study

from nas.report import data as facts
from nas.report.build import write_report
from nas.report.data import gather
from nas.report.status import status_lines
from nas.search.baseline import OTHER_SEED, at_random, run_baseline
from nas.search.options import WorkerOptions
from nas.search.study import load_study
from nas.space.space import SearchSpace
from nas.storage.handles import engine_of
from nas.storage.open import open_storage


def params(study: Any) -> list[dict[str, Any]]:
    return [trial.params for trial in study.get_trials(deepcopy=False)]


def test_the_space_is_drawn_at_random_with_another_seed_and_is_else_the_same(
    space: Callable[..., SearchSpace],
) -> None:
    given = space("search.sampler=tpe", "search.pruner=median", "search.seed=3")
    beside = at_random(space("search.sampler=tpe", "search.pruner=median", "search.seed=3"))
    assert (beside.search.sampler, beside.search.seed) == ("random", 3 + OTHER_SEED)
    assert beside.search.pruner == given.search.pruner
    assert beside.hash == given.hash
    assert at_random(space("search.seed=2147483647")).search.seed == OTHER_SEED - 1


@pytest.fixture
def beside(tmp_path: Path, space: Callable[..., SearchSpace], search_here: Any) -> Any:
    """A search of three trials at random, and random search beside it, in a file."""
    study = search_here(space(), 3)
    url = str(engine_of(study._storage).url)
    options = WorkerOptions(storage=url, data_dir=tmp_path, out=tmp_path / "out")
    outcome = run_baseline(study, space(), options)
    assert outcome.how == "finished"
    return url, study, outcome.study


def test_random_search_has_as_many_trials_of_its_own(beside: Any) -> None:
    url, study, random = beside
    assert random.study_name == "study-random"
    assert len(params(random)) == len(params(study)) == 3
    assert params(random) != params(study)
    seeds = {trial.user_attrs["seed"] for trial in random.get_trials(deepcopy=False)}
    assert seeds == {OTHER_SEED}


def test_it_is_not_the_newest_search_and_leads_to_the_report_of_the_search(beside: Any) -> None:
    url, _, _ = beside
    assert load_study(open_storage(url), None).study_name == "study"
    assert "3 trials: 3 trained to their end" in status_lines(url, "study-random")[1]
    found = gather(url, "study-random")
    assert (found.name, len(found.rows), len(found.baseline)) == ("study", 3, 3)


@pytest.fixture
def reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Writes the report of a study of 60 trials with so many trials of random search beside it."""

    def report(trials: int, seed: int = 1, **options: Any) -> dict[str, Any]:
        storage = InMemoryStorage()
        make_study(storage, **options)
        random = make_study(storage, "digits-random", trials=trials, seed=seed, **options)
        random.set_user_attr("baseline_of", "digits")
        monkeypatch.setattr(facts, "open_storage", lambda url: storage)
        page, markdown, numbers, _ = write_report("sqlite:///x", "digits", tmp_path)
        figures = re.search(r'id="figures">(.*?)</script>', page.read_text(), flags=re.DOTALL)
        assert figures
        return {
            "text": markdown.read_text(),
            "searches": json.loads(numbers.read_text())["searches"],
            "figures": json.loads(figures[1]),
        }

    return report


def test_the_report_shows_both_against_trials_and_against_training_spent(reported: Any) -> None:
    found = reported(30)
    search, random = found["searches"]
    assert (search["sampler"], random["sampler"]) == ("the search (tpe)", "random search")
    assert search["trials"] > random["trials"]
    for figure in ("history", "spending"):
        lines = [one for one in found["figures"][figure]["data"] if "lines" in one["mode"]]
        assert len(lines) == 2
        assert lines[0]["y"][-1] == pytest.approx(100 * search["best"])
        assert lines[1]["y"][-1] == pytest.approx(100 * random["best"])
    spent = found["figures"]["spending"]["data"]
    assert [line["x"][-1] for line in spent] == [search["seconds"], random["seconds"]]


def test_one_run_of_each_is_called_one_run_and_who_was_ahead_is_said(reported: Any) -> None:
    equal = reported(60, seed=0)["text"]
    assert "Neither was ahead here. One run of each is one run" in equal
    fewer = reported(6)
    search, random = fewer["searches"]
    assert search["best"] > random["best"]
    assert "The search (tpe) was ahead here." in fewer["text"]
    assert f"random search reached validation accuracy {100 * random['best']:.2f}%" in fewer["text"]
    assert "Beside it random search of the same space" in fewer["text"]


def test_a_smaller_objective_is_ahead_where_it_is_minimised(reported: Any) -> None:
    found = reported(6, objectives=("parameters",))
    search, random = found["searches"]
    assert search["best"] < random["best"]
    assert "The search (tpe) was ahead here." in found["text"]
