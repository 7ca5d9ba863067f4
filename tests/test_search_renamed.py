"""A study that is renamed keeps its weights and checkpoints: they go by what a rename keeps."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from conftest import PAUSING
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import TrialState, create_trial
from optuna_dashboard import wsgi
from report_studies import make_twins

from nas.common.errors import StudyError
from nas.common.paths import checkpoint_file, study_folder
from nas.export.retrain import export
from nas.payoff.run import stands
from nas.payoff.study import open_twins
from nas.report.build import write_report
from nas.report.data import gather
from nas.report.deletion import delete_study, deleted
from nas.report.finding import find
from nas.report.status import status_lines
from nas.report.studies import study_lines
from nas.search.baseline import run_baseline
from nas.search.beside import BASELINE, FOLDER, TWINS, folder_name
from nas.search.lease import acquire
from nas.search.options import WorkerOptions
from nas.search.queue import pending_of
from nas.search.study import create_study
from nas.search.trial import TrialEnvironment, run_trial
from nas.space.schema import PayoffSection
from nas.space.space import SearchSpace
from nas.storage.handles import engine_of, storage_of, study_id_of
from nas.storage.open import open_storage

Make = Callable[..., SearchSpace]


def renamed(study: Study, name: str) -> Study:
    """The study after its name was changed in the dashboard, which makes another one of it."""
    body = json.dumps({"study_name": name}).encode()
    request = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": f"/api/studies/{study_id_of(study)}/rename",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
    }
    statuses: list[str] = []
    storage = storage_of(study)
    list(wsgi(storage)(request, lambda status, *_: statuses.append(status)))
    assert statuses[0].startswith("201"), statuses
    return optuna.load_study(study_name=name, storage=storage)


@pytest.fixture
def storage(fast: Path) -> BaseStorage:
    return open_storage(f"sqlite:///{fast}/nas.db", create=True)


def test_its_weights_and_its_report_are_found(
    search_here: Callable[..., Study], space: Make, tmp_path: Path
) -> None:
    study = renamed(search_here(space(), 2), "thesis")
    module = export(study, train=False, output=tmp_path / "best.py", out=tmp_path)
    assert module.with_suffix(".pt").exists()
    engine = engine_of(storage_of(study))
    assert engine is not None
    for path in write_report(str(engine.url), "thesis", tmp_path):
        assert path.parent == tmp_path / "study"


def test_a_paused_training_goes_on_from_its_checkpoint(
    space: Make, tmp_path: Path, storage: BaseStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = space(*PAUSING, "training.epochs=3")
    study = create_study(storage, "first", ours)
    study.add_trial(create_trial(state=TrialState.WAITING))
    environment = TrialEnvironment(data_dir=tmp_path, out=tmp_path, interrupted=lambda: False)
    run_trial(storage, "first", ours, acquire(storage, study), environment)
    kept = checkpoint_file(tmp_path, "first", 0)
    assert kept.exists()
    study = renamed(study, "second")
    study.set_user_attr("num_trials", 1)
    again = acquire(storage, study, pending_of(study, ours))
    run_trial(storage, "second", ours, again, environment)
    assert study.trials[0].state == TrialState.COMPLETE
    assert not kept.exists(), "it was of no use"


def test_a_new_study_of_the_old_name_and_a_copy_have_other_folders(
    space: Make, storage: BaseStorage
) -> None:
    first = renamed(create_study(storage, "study", space()), "thesis")
    second = create_study(storage, "study", space())
    third = create_study(storage, "study-2", space())
    assert [folder_name(one) for one in (first, second, third)] == ["study", "study-2", "study-2-2"]
    for one in (first, second, third):
        assert folder_name(create_study(storage, one.study_name, space())) == folder_name(one)
    engine = engine_of(storage)
    optuna.copy_study(
        from_study_name="thesis",
        from_storage=str(engine.url),
        to_storage=str(engine.url),
        to_study_name="copy",
    )
    assert folder_name(create_study(storage, "copy", space())) == "study-3"
    assert folder_name(create_study(storage, "thesis", space())) == "study"


def test_studies_of_earlier_versions_stay_where_they_are(
    space: Make, storage: BaseStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(sys.modules["nas.search.study"], "claim_folder", lambda *_: None)
        old = create_study(storage, "old", space())
    assert FOLDER not in old.user_attrs
    assert folder_name(old) == "old"
    create_study(storage, "other", space())
    assert folder_name(create_study(storage, "old", space())) == "old"


def test_the_checkpoints_of_twins_are_those_of_their_search(
    space: Make, storage: BaseStorage
) -> None:
    study = create_study(storage, "study", space())
    twins, *_ = open_twins(storage, study, space(), PayoffSection())
    assert folder_name(twins) == "study-twins"
    assert folder_name(renamed(twins, "others")) == "study-twins"


def url_of(study: Study) -> str:
    engine = engine_of(storage_of(study))
    assert engine is not None
    return str(engine.url)


def names(storage: BaseStorage) -> set[str]:
    return {one.study_name for one in storage.get_all_studies()}


@pytest.fixture
def family(search_here: Callable[..., Study], space: Make, fast: Path) -> Study:
    """A search named study, with twins of which some were trained and a random search."""
    study = search_here(space(), 2)
    make_twins(study, depths=[1, 2], seeds=2)
    twins, *_ = open_twins(storage_of(study), study, space(), PayoffSection())
    assert twins.study_name == "study-twins"
    run_baseline(study, space(), WorkerOptions(storage=url_of(study), out=fast / "out"))
    return study


@pytest.mark.parametrize("moved", ["the search", "twins and random search", "all of them"])
def test_twins_and_random_search_are_found_whatever_has_been_renamed(
    moved: str, family: Study, space: Make, fast: Path
) -> None:
    storage, url = storage_of(family), url_of(family)
    before = gather(url, "study")
    assert before.has_twins
    assert before.baseline
    if moved != "the search":
        for ending in (TWINS, BASELINE):
            other = optuna.load_study(study_name="study" + ending, storage=storage)
            renamed(other, "other" + ending)
    study = family if moved.startswith("twins") else renamed(family, "thesis")
    name = study.study_name
    for asked in (name, *(one for one in names(storage) if one != name)):
        found = gather(url, asked)
        assert (found.name, found.verdict) == (name, before.verdict)
        assert found.payoff is not None
        assert found.payoff.study == name
        assert len(found.baseline) == len(before.baseline)
        assert find(url, asked)[0] == name
    told = status_lines(url, name)
    assert any(line.startswith("  random search: 2 trials") for line in told)
    assert any(line.startswith("  twins: ") for line in told)
    indented = [line.startswith("  ") for line in study_lines(url)[2:]]
    assert indented == [False, True, True]
    # resumed: what is there is gone on with, and nothing is made anew
    there = names(storage)
    assert stands(study)
    twins, *_ = open_twins(storage, study, space(), PayoffSection())
    assert twins.user_attrs["twins_of"] == name
    options = WorkerOptions(storage=url, out=fast / "out")
    assert len(run_baseline(study, space(), options).study.trials) == 2
    assert names(storage) == there
    # and goes with it
    delete_study(url, deleted(url, name, fast / "out"))
    assert not names(storage)


def test_a_new_study_of_the_old_name_does_not_take_the_twins_of_the_renamed_one(
    family: Study, space: Make, fast: Path
) -> None:
    storage, url = storage_of(family), url_of(family)
    renamed(family, "thesis")
    new = create_study(storage, "study", space("search.seed=7"))
    found = gather(url, "study")
    assert (found.baseline, found.has_twins) == ([], False)
    assert gather(url, "thesis").has_twins
    assert not stands(new)
    twins, *_ = open_twins(storage, new, space("search.seed=7"), PayoffSection())
    assert (twins.study_name, folder_name(twins)) == ("study-2-twins", "study-2-twins")
    run_baseline(new, space("search.seed=7"), WorkerOptions(storage=url, out=fast / "out"))
    both = {"study", "study-2-twins", "study-2-random"}
    assert set(deleted(url, "study", fast).studies) == both
    old = {"thesis", "study-twins", "study-random"}
    assert set(deleted(url, "thesis", fast).studies) == old


def test_twins_that_were_left_are_not_those_of_a_new_study_of_the_name(
    family: Study, space: Make, tmp_path: Path
) -> None:
    """As after the search alone was deleted in the dashboard."""
    storage, url = storage_of(family), url_of(family)
    optuna.delete_study(study_name="study", storage=storage)
    with pytest.raises(StudyError, match="'study', which is not there any more"):
        gather(url, "study-twins")
    new = create_study(storage, "study", space("search.seed=7"))
    assert folder_name(new) == "study-2"
    assert not gather(url, "study").has_twins
    assert [line.split()[0] for line in study_lines(url)[2:]] == [
        *("study", "study-random", "study-twins")
    ]
    for left in ("study-twins", "study-random"):
        delete_study(url, deleted(url, left, tmp_path))
    assert names(storage) == {"study"}


def test_the_twins_of_a_copy_are_its_own(family: Study, space: Make) -> None:
    storage, url = storage_of(family), url_of(family)
    optuna.copy_study(
        from_study_name="study", from_storage=url, to_storage=url, to_study_name="copy"
    )
    assert deleted(url, "copy", "runs").studies == ["copy"]
    assert not gather(url, "copy").has_twins
    copy = optuna.load_study(study_name="copy", storage=storage)
    twins, *_ = open_twins(storage, copy, space(), PayoffSection())
    assert twins.study_name == "copy-twins"
    assert gather(url, "study").has_twins


@pytest.mark.parametrize("folder", ["../x", 7, "", None])
def test_an_odd_folder_stays_inside(
    folder: Any, space: Make, storage: BaseStorage, tmp_path: Path
) -> None:
    study = create_study(storage, "study", space())
    study.set_user_attr(FOLDER, folder)
    assert study_folder(tmp_path, folder_name(study)).parent == tmp_path
