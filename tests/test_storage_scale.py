"""What keeps a study of thousands of trials as quick as a short one; nothing here is timed."""

import gc
import json
import tracemalloc
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.trial import Trial, TrialState, create_trial
from optuna_dashboard import get_note, save_note
from optuna_dashboard._custom_plot_data import get_plotly_graph_objects
from report_studies import make_study

from nas.report.build import write_report
from nas.report.trial_rows import Brief, brief
from nas.report.writers.trial_notes import MOST_TRIALS
from nas.search.best_trials import best_trials, is_among_best
from nas.search.samplers.subsampled_tpe import MOST_FINISHED, SubsampledTPESampler, subsample
from nas.search.trial_attributes import FOR_REPORTS, PROBES
from nas.space.methods import SAMPLERS
from nas.storage.bulk_read import trials_of
from nas.storage.bulk_write import write
from nas.storage.handles import engine_of
from nas.storage.open import open_storage
from nas.storage.retry_storage import keep_without


def drawn(trial: Trial) -> float:
    """A small space with a parameter that only one choice has."""
    value = trial.suggest_float("x", -1, 1) ** 2
    if trial.suggest_categorical("kind", ["plain", "wide"]) == "wide":
        value += trial.suggest_float("y", 0, 1)
    return value


def study_of(count: int, directions: int = 1) -> optuna.Study:
    """A study with so many trials drawn at random, every fifth pruned."""
    study = optuna.create_study(
        directions=["minimize"] * directions, sampler=optuna.samplers.RandomSampler(seed=0)
    )
    for number in range(count):
        trial = study.ask()
        values = [drawn(trial)] * directions
        pruned = number % 5 == 4
        if pruned:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, values)
    return study


def next_params(study: optuna.Study, sampler: optuna.samplers.BaseSampler) -> dict[str, Any]:
    """What a sampler draws next; the trial leaves no trace in what samplers see."""
    study.sampler = sampler
    trial = study.ask()
    drawn(trial)
    study.tell(trial, state=TrialState.FAIL)
    return trial.params


@pytest.mark.parametrize("directions", [1, 2])
def test_up_to_the_window_tpe_draws_what_it_draws_without_one(directions: int) -> None:
    study = study_of(MOST_FINISHED, directions)
    for seed in range(5):
        plain = optuna.samplers.TPESampler(seed=seed, group=True, multivariate=True)
        assert next_params(study, SAMPLERS["tpe"](seed)) == next_params(study, plain)


@pytest.mark.parametrize("directions", [1, 2])
def test_a_long_study_is_seen_through_its_best_and_a_sample_that_the_number_fixes(
    directions: int,
) -> None:
    study = study_of(2 * MOST_FINISHED, directions)
    trials = study.get_trials(deepcopy=False)
    first = [trial.number for trial in subsample(study, trials, 7)]
    assert first == [trial.number for trial in subsample(study, trials, 7)]
    other = [trial.number for trial in subsample(study, trials, 8)]
    assert len(first) == len(other) == MOST_FINISHED
    assert first != other
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    best = {trial.number for trial in sorted(complete, key=lambda trial: trial.values)[:25]}
    assert best <= set(first) & set(other)


def test_a_draw_looks_at_no_more_than_the_window() -> None:
    sampler = SubsampledTPESampler(0)
    next_params(study_of(2 * MOST_FINISHED), sampler)
    assert sampler.history is not None
    seen = sampler.history.study.get_trials()
    assert [trial.state.is_finished() for trial in seen] == [True] * MOST_FINISHED + [False]


def test_running_trials_are_always_seen() -> None:
    study = study_of(2 * MOST_FINISHED)
    running = study.ask()
    trials = study.get_trials(deepcopy=False)
    assert running.number in {trial.number for trial in subsample(study, trials, 0)}


@pytest.fixture
def stored(tmp_path: Path) -> BaseStorage:
    """A database."""
    return open_storage(f"sqlite:///{tmp_path}/nas.db", create=True)


def url_of(storage: BaseStorage) -> str:
    """Where a database lies."""
    engine = engine_of(storage)
    assert engine is not None
    return str(engine.url)


def test_a_report_is_published_without_reading_the_notes_of_trials(
    stored: BaseStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(stored, trials=40)
    best = sorted(best_trials(study), key=lambda trial: trial.number)[0]
    save_note(Trial(study, best._trial_id), "a person's own")
    url = url_of(stored)

    def read(*_: object) -> dict[str, Any]:
        raise AssertionError("the attributes of the study were read")

    def publish() -> dict[str, Any]:
        with monkeypatch.context() as patch:
            patch.setattr("optuna.storages.RDBStorage.get_study_system_attrs", read)
            write_report(url, "digits", tmp_path)
        return published(stored, study)

    first = publish()
    assert "nas-edf" in first
    stored.set_study_system_attr(study._study_id, "dashboard:plot_data:nas-gone:0", "{}")
    assert publish() == first, "what an older report left is gone"
    assert "nothing is verified" in get_note(study)
    attrs = stored.get_study_system_attrs(study._study_id)
    assert attrs["dashboard:note_ver"] == 2
    kept = {t.number: attrs.get(f"dashboard:{t._trial_id}:note_str:0") for t in study.trials}
    noted = {number: note for number, note in kept.items() if note}
    assert noted.pop(best.number) == "a person's own"
    assert len(noted) == MOST_TRIALS - 1, "the best trials, and no others"
    assert all("| blocks | type |" in note for note in noted.values())


def published(storage: BaseStorage, study: optuna.Study) -> dict[str, Any]:
    """The figures in the dashboard by name."""
    found = get_plotly_graph_objects(storage.get_study_system_attrs(study._study_id))
    return {name: json.loads(text) for name, text in found.items()}


def test_a_trial_that_runs_again_replaces_what_it_wrote(stored: BaseStorage) -> None:
    study = optuna.create_study(storage=stored)
    trial = study.ask()
    trial.set_user_attr("candidate", "kept")
    write(study, trial._trial_id, {"layers": 8})
    write(study, trial._trial_id, {"layers": 9})
    assert study.trials[0].user_attrs == {"candidate": "kept", "layers": 9}


def test_of_a_trial_that_has_ended_nothing_is_written(stored: BaseStorage) -> None:
    study = optuna.create_study(storage=stored)
    trial = study.ask()
    study.tell(trial, 1.0)
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        write(study, trial._trial_id, {"layers": 8})
    assert "layers" not in study.trials[0].user_attrs


def test_the_best_trials_are_those_that_none_dominates() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    points = [(1, 5), (3, 5), (2, 2), (3, 5), (1, 1), (2, 3), (3, 6), (0, 1)]
    study.add_trials([create_trial(values=list(map(float, point))) for point in points])
    assert [trial.number for trial in best_trials(study)] == [1, 2, 4]
    assert [n for n in range(len(points)) if is_among_best(study, n)] == [1, 2, 4]


def test_a_report_reads_what_optuna_reads_but_for_what_it_does_not_show(
    stored: BaseStorage,
) -> None:
    study = make_study(stored, trials=25)
    make_study(stored, "beside", trials=3)
    whole = open_storage(url_of(stored)).get_all_trials(study._study_id)
    found = trials_of(study, ["probes_1"])
    assert [trial.number for trial in found] == [trial.number for trial in whole]
    for one, other in zip(found, whole, strict=True):
        kept = {key: value for key, value in other.user_attrs.items() if key != "probes_1"}
        assert one.user_attrs == kept
        for name in ("state", "values", "params", "distributions"):
            assert getattr(one, name) == getattr(other, name)
        reported = {} if other.state == TrialState.COMPLETE else other.intermediate_values
        assert one.intermediate_values == reported
        assert one.datetime_complete == other.datetime_complete
    assert any("probes_1" in trial.user_attrs for trial in whole)
    results = {t.number: t.user_attrs["result"] for t in whole if "result" in t.user_attrs}
    shortened = {
        t.number: t.user_attrs["result"]
        for t in trials_of(study, brief={"result": brief})
        if "result" in t.user_attrs
    }
    assert shortened == {number: brief(text) for number, text in results.items()}
    assert {len(one.measures) for one in shortened.values() if isinstance(one, Brief)} == {9}


def kept_bytes(study: optuna.Study) -> int:
    """What it takes to keep the trials of a study in memory once they have been read."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    study.get_trials(deepcopy=False)
    gc.collect()
    found = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return found


def test_finished_trials_share_what_is_equal_and_workers_keep_less_of_them(
    stored: BaseStorage,
) -> None:
    make_study(stored, "short", trials=2)
    name = make_study(stored, trials=200).study_name
    url, found = url_of(stored), {}
    optunas = optuna.storages.get_storage(url)
    for kind, storage in {
        "Optuna's": optunas,
        "ours": open_storage(url),
        "a worker's": open_storage(url),
    }.items():
        if kind == "a worker's":
            keep_without(storage, FOR_REPORTS, PROBES)
        optuna.load_study(study_name="short", storage=storage).get_trials()  # what is kept once
        found[kind] = kept_bytes(optuna.load_study(study_name=name, storage=storage))
        assert len(storage.get_all_trials(2)) == 200
        for trial in storage.get_all_trials(2):
            whole = optunas.get_trial(trial._trial_id)
            assert storage.get_trial(trial._trial_id) == whole
            if kind == "a worker's":
                kept = [one for one in whole.user_attrs if one not in FOR_REPORTS]
                kept = [one for one in kept if not one.startswith(PROBES)]
                whole.user_attrs = {key: whole.user_attrs[key] for key in kept}
            assert trial == whole
    assert found["ours"] < 0.8 * found["Optuna's"]
    assert found["a worker's"] < 0.5 * found["Optuna's"]
