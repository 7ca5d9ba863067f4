"""A study that is renamed keeps its weights and checkpoints: they go by what a rename keeps."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import TrialState, create_trial
from optuna_dashboard import wsgi
from test_search_asha import PAUSING

from nas.common.paths import checkpoint_file, study_folder
from nas.export.retrain import export
from nas.payoff.study import open_twins
from nas.report.build import write_report
from nas.search.lease import acquire
from nas.search.queue import pending_of
from nas.search.study import FOLDER, create_study, folder_name
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
        earlier.setattr(
            sys.modules["nas.search.study"], "_claim_folder", lambda storage, study: None
        )
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


@pytest.mark.parametrize("folder", ["../x", 7, "", None])
def test_an_odd_folder_stays_inside(
    folder: Any, space: Make, storage: BaseStorage, tmp_path: Path
) -> None:
    study = create_study(storage, "study", space())
    study.set_user_attr(FOLDER, folder)
    assert study_folder(tmp_path, folder_name(study)).parent == tmp_path
