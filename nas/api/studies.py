"""The functions on a study that is there: load_study, report, export."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from optuna.study import Study

from nas.api.outcome import Outcome
from nas.common.errors import StudyError
from nas.common.paths import DATA_DIR, OUT, STORAGE
from nas.search.beside import search_beside
from nas.search.study import load_study as open_study
from nas.storage.handles import engine_of, storage_of
from nas.storage.open import open_storage


def load_study(
    name: str | None = None, *, storage: str = STORAGE, out: str | Path = OUT
) -> Outcome:
    """A study that is kept in a storage, with its trials, verdict and best network.

    name: default: the newest one. storage: the URL. out: the folder of weights and reports.
    StudyError where there is none of that name.
    """
    return Outcome(open_study(open_storage(storage), name), "loaded", storage, Path(out))


def report(
    study: Outcome | Study | str | None = None,
    *,
    storage: str = STORAGE,
    out: str | Path | None = None,
) -> list[Path]:
    """Write the report of a study, and return its files: a web page, Markdown, a table and JSON.

    study: an outcome, an Optuna study, or a name; default: the newest one. storage: the URL, where
    a name is given. out: the folder in which a folder of the study's name is made; default: that of
    the outcome, else `runs`.
    """
    from nas.report.build import write_report

    found = study_of(study, storage)
    folder = out or (study.out if isinstance(study, Outcome) else OUT)
    return write_report(url_of(found, storage), found.study_name, folder)


def export(
    study: Outcome | Study | str | None = None,
    *,
    trial: int | None = None,
    seeds: int = 3,
    train: bool = True,
    settings: Sequence[str] = (),
    formats: Sequence[str] = (),
    output: str | Path = "best.py",
    device: str = "auto",
    storage: str = STORAGE,
    data_dir: str | Path = DATA_DIR,
    out: str | Path | None = None,
    trust: bool = False,
    data: Any = None,
    say: Callable[[str], None] = print,
) -> Path:
    """Write the network of a trial (default: the best) as a Python module that needs nothing but
    torch, with its weights and a model card beside it; return the module's path.

    study: an outcome, an Optuna study, or a name; default: the newest one. It is trained on
    training and validation split over `seeds` seeds, and each is tested once; the weights are those
    of the first seed. Without `train` they are those of the search. settings: of the training, as
    `"training.epochs=100"`. formats: `"onnx"` and `"torch_export"` are written too. device: as
    `--device` has it. trust: run the code that a study of somebody else names. data: as in
    `nas.search`. ExportError says what is missing.
    """
    from nas.export.retrain import export as write_module

    found = study_of(study, storage)
    if "twins_of" in found.user_attrs:
        found = search_beside(found)
    return write_module(
        found,
        trial=trial,
        seeds=seeds,
        train=train,
        settings=settings,
        formats=formats,
        output=output,
        device=device,
        data_dir=data_dir,
        out=out or (study.out if isinstance(study, Outcome) else OUT),
        trust=trust,
        data=data,
        say=say,
    )


def study_of(study: Outcome | Study | str | None, storage: str) -> Study:
    """The Optuna study that is meant."""
    if isinstance(study, Outcome):
        return study.study
    return study if isinstance(study, Study) else open_study(open_storage(storage), study)


def url_of(study: Study, given: str) -> str:
    """The URL that a study is kept at; the one given where its storage does not say."""
    engine = engine_of(storage_of(study))
    if engine is None:
        raise StudyError(f"study {study.study_name!r} is in memory: it is to be in a database.")
    return str(engine.url.render_as_string(hide_password=False)) or given
