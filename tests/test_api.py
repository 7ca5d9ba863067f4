"""The Python side: the public names, spaces from Python, and what can be done with an outcome."""

import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TINY
from optuna.storages import InMemoryStorage
from report_studies import make_study, make_twins

import nas
from nas.common.errors import ExportError, SpaceError, StudyError, UserError
from nas.data import open_data

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
FUNCTIONS = ["search", "payoff", "report", "export", "compare", "load_study"]

DATA: dict[str, Any] = {
    "name": "tiny",
    "dataset": {"name": "digits", "train_size": 96, "validation_size": 40},
    "architecture": {
        "stem": {"conv3x3": {"width": 2}},
        "depth": (1, 2),
        "stages": [
            {"width": 2, "shortcut": ["identity", "none"]},
            {"width": 4, "stride": 2, "transition": "zero_pad"},
        ],
    },
    "training": {"epochs": 2, "batch_size": 32, "optimizer": {"name": "sgd", "lr": [0.03, 0.1]}},
    "search": {"trials": 4, "sampler": "random", "pruner": "none", "probes": False, "workers": 1},
}


# The package.


def test_the_public_names_are_there_and_in_dir() -> None:
    assert set(FUNCTIONS) <= set(nas.__all__)
    for name in nas.__all__:
        assert getattr(nas, name) is not None
        assert name in dir(nas)
    assert {name for name in dir(nas) if not name.startswith("_")} == set(nas.__all__) - {
        "__version__"
    }
    assert re.fullmatch(r"\d+\.\d+\.\d+", nas.__version__)
    assert (ROOT / "nas" / "py.typed").exists()


def test_importing_nas_takes_less_than_a_tenth_of_a_second() -> None:
    """Of processor time, the best of three, in a process of its own."""
    program = (
        "import time; start = time.process_time(); import nas; print(time.process_time() - start)"
    )
    command = [sys.executable, "-c", program]
    runs = [subprocess.run(command, capture_output=True, text=True) for _ in range(3)]
    assert min(float(run.stdout) for run in runs) < 0.1


@pytest.mark.parametrize("name", nas.__all__)
def test_the_page_of_the_python_side_names_everything(name: str) -> None:
    assert f"`nas.{name}" in PAGE
    if name in FUNCTIONS:
        for parameter in inspect.signature(getattr(nas, name)).parameters:
            if parameter != "changes":
                assert f"`{parameter}" in PAGE, parameter


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_typed_and_described(name: str) -> None:
    function = getattr(nas, name)
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty
    for parameter in signature.parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty, parameter
    assert len(function.__doc__) > 100


# Spaces.


def test_a_space_from_python_is_that_of_the_same_yaml() -> None:
    ours = nas.SearchSpace.from_dict(DATA)
    assert ours.hash == nas.SearchSpace.from_yaml(TINY).hash
    changed = nas.SearchSpace.from_dict(DATA, ["training.epochs=3"])
    assert changed.epochs == 3
    assert DATA["training"]["epochs"] == 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"trainin": {}}, "dict: trainin: unknown key 'trainin'"),
        ({"training": {"epochs": "x"}}, "dict: training.epochs: "),
        ({"name": float("nan")}, "dict: a search space is of mappings, lists, texts and finite"),
        ({"name": object()}, "dict: a search space is of mappings, lists, texts and finite"),
    ],
    ids=["unknown key", "wrong type", "not a number", "an object"],
)
def test_faults_of_a_mapping_name_their_key(change: dict[str, Any], told: str) -> None:
    with pytest.raises(SpaceError, match=told):
        nas.SearchSpace.from_dict(DATA | change)


def test_faults_of_settings_and_texts_have_their_place() -> None:
    with pytest.raises(SpaceError, match=r"--set training\.epochs=0: "):
        nas.SearchSpace.from_dict(DATA, ["training.epochs=0"])
    with pytest.raises(SpaceError, match=r"text:2:7: "):
        nas.SearchSpace.from_yaml("\nname: [1]\n")


def test_a_space_shows_what_is_searched() -> None:
    ours = nas.SearchSpace.from_dict(DATA)
    assert repr(ours).splitlines() == [
        "SearchSpace(tiny: 3 searched parameters, 4 distinct architectures)",
        "  depth: 1, 2",
        "  stages.0.shortcut: identity, none",
        "  training.optimizer.sgd.lr: 0.03, 0.1",
    ]
    page = ours._repr_html_()
    assert "<td>stages.0.shortcut</td><td>identity, none</td>" in page


# Outcomes.


@pytest.fixture
def outcome(
    searched: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> nas.Outcome:
    """The study of `searched`, loaded in a copy of its folder."""
    shutil.copytree(searched[0], tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    return nas.load_study()


def test_a_study_is_loaded(outcome: nas.Outcome) -> None:
    assert repr(outcome) == "Outcome('tiny', loaded: 3 trials: 3 trained to their end)"
    assert outcome.verdict.startswith("No twins have been trained yet")
    assert "No twins have been trained yet" in outcome._repr_html_()
    with pytest.raises(StudyError, match="there is no study 'other'; there is tiny"):
        nas.load_study("other")


def test_two_studies_are_compared_and_reported(tmp_path: Path) -> None:
    storage = InMemoryStorage()
    first, second = (make_study(storage, name, seed=0) for name in ("first", "second"))
    found = nas.compare(first, second, smallest_effect=0.01)
    assert (found.answer, found.mean) == ("no difference", 0.0)
    assert found.num_pairs > 0
    assert repr(found).startswith("StudyComparison(no difference)\n")
    page, *_ = found.report(tmp_path)
    assert page.parent.name == "second-against-first"
    assert found.verdict.splitlines()[0].split(":")[0] in page.read_text(encoding="utf-8")


def test_studies_of_two_storages_are_compared_by_their_own_twins() -> None:
    first, second = (make_study(InMemoryStorage(), "same", seed=0) for _ in range(2))
    make_twins(first, depths=[1, 5])
    assert nas.compare(first, second).compared.gains == []
    make_twins(second, depths=[1, 5])
    assert nas.compare(first, second).compared.gains


def test_the_best_network_has_its_weights(outcome: nas.Outcome) -> None:
    network = outcome.best_network()
    assert not network.training
    best = outcome.study.best_trial
    data = open_data(nas_dataset(outcome), data_dir=Path(), batch_size=40, seed=0)
    pictures, labels = next(iter(data.val_dataloader()))
    with torch.inference_mode():
        right = (network(pictures).argmax(1) == labels).float().mean()
    assert float(right) == pytest.approx(best.user_attrs["val_accuracy"], abs=0.026)
    shutil.rmtree("runs/tiny/weights")
    with pytest.raises(ExportError, match=rf"nas\.export\(study, trial={best.number}\)"):
        outcome.best_network()


def nas_dataset(outcome: nas.Outcome) -> Any:
    """The data set of a study."""
    from nas.search.study import space_of

    return space_of(outcome.study).dataset


def test_trials_as_a_table(outcome: nas.Outcome) -> None:
    pandas = pytest.importorskip("pandas")
    table = outcome.to_dataframe()
    assert isinstance(table, pandas.DataFrame)
    assert list(table["number"]) == [0, 1, 2]
    assert set(table["outcome"]) == {"trained"}
    trial = outcome.study.trials[1]
    assert table.loc[1, "val_accuracy"] == trial.value
    assert table.loc[1, "param.depth"] == trial.params["depth"]


def test_without_pandas_it_is_said_what_to_install(
    outcome: nas.Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match=r"pip install 'nas\[pandas\]'"):
        outcome.to_dataframe()


@pytest.mark.parametrize("by", ["outcome", "study", "name", "newest"])
def test_a_report_is_written_of_whatever_names_a_study(by: str, outcome: nas.Outcome) -> None:
    given = {"outcome": outcome, "study": outcome.study, "name": "tiny", "newest": None}[by]
    written = nas.report(given, out="elsewhere")
    assert Path("elsewhere/tiny/report.html") in written
    assert all(path.exists() for path in written)


def test_export_and_twins_take_an_outcome(outcome: nas.Outcome) -> None:
    said: list[str] = []
    assert nas.export(outcome, train=False, output="net.py", say=said.append) == Path("net.py")
    assert Path("net.pt").exists()
    with pytest.raises(StudyError, match="depths"):
        nas.payoff(outcome, depths=[0])
    twins = nas.payoff(outcome, top=0, seeds=1, depths=[1], timeout=1, workers=1)
    assert (twins.study.study_name, twins.how) == ("tiny-twins", "timeout")
    with pytest.raises(StudyError, match="none of them is the best"):
        twins.best_network()
    assert nas.load_study().study.study_name == "tiny"


def test_a_search_from_python_runs_what_the_space_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `twins=True` the random search beside it too, as the command line does."""
    monkeypatch.chdir(tmp_path)
    space = nas.SearchSpace.from_dict(DATA, ["search.trials=1", "search.baseline=random"])
    outcome = nas.search(space, twins=True)
    assert (outcome.study.study_name, outcome.how) == ("tiny-random", "finished")
    assert nas.load_study().study.study_name == "tiny"
