"""Deleting a study, with the studies beside it and the files that were written for them.

A folder that another study has too, as a copy has, stays.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.trial import TrialState

from nas.common.errors import StudyError
from nas.common.paths import study_folder
from nas.report.style import counted
from nas.search.beside import (
    BASELINE,
    TWINS,
    folder_name,
    folder_of,
    its_search,
    search_of,
    studies_in,
    study_beside,
)
from nas.search.study import load_study
from nas.search.trial_attributes import REJECTED
from nas.storage.bulk_read import trials_of
from nas.storage.open import open_storage
from nas.storage.url import hidden

#: what nas writes into the folder of a study
FOLDERS = ("weights", "checkpoints", "export", "logs", "mlruns")
FILES = ("report.html", "report.md", "payoff.json", "trials.csv")


@dataclass(frozen=True)
class Deletion:
    """What is to be deleted: studies by name, paths, and both in lines for the user."""

    studies: list[str]
    paths: list[Path]
    lines: list[str]


def deleted(storage: str, name: str, out: str | Path) -> Deletion:
    """What goes with a study. StudyError where there is none, or it is one beside a search."""
    backend = open_storage(storage)
    study = load_study(backend, name)
    search = its_search(study)
    if search_of(study.user_attrs) and search is not None:
        raise StudyError(
            f"{name!r} stands beside the study {search.study_name!r}, with which it goes."
        )
    beside = (study_beside(study, ending) for ending in (BASELINE, TWINS))
    studies = [study, *(one for one in beside if one)]
    names = [one.study_name for one in studies]
    kept = {folder_of(entry) for entry in studies_in(backend) if entry.name not in names}
    folders = [folder_name(one) for one in studies]
    paths = [
        path for one in folders if one not in kept for path in files_of(study_folder(out, one))
    ]
    lines = [f"In {hidden(storage)}:"]
    for one in studies:
        trials = trials_of(one, only=(REJECTED,))
        running = sum(trial.state == TrialState.RUNNING for trial in trials)
        note = f", {running} of them in training: its workers will stop" if running else ""
        lines.append(f"  study {one.study_name}, {counted(len(trials), 'trial')}{note}")
    lines += [f"  {path}" for path in paths]
    return Deletion(names, paths, lines)


def files_of(folder: Path) -> list[Path]:
    """What nas wrote into a folder."""
    return [folder / name for name in (*FOLDERS, *FILES) if (folder / name).exists()]


def delete_study(storage: str, what: Deletion) -> None:
    """Delete studies and files; folders that are empty then go too."""
    backend = open_storage(storage)
    for name in reversed(what.studies):  # the search last: what is left can be deleted again
        optuna.delete_study(study_name=name, storage=backend)
    for path in what.paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    for folder in {path.parent for path in what.paths}:
        if not any(folder.iterdir()):
            folder.rmdir()
