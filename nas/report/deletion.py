"""Deleting a study, with the studies beside it and the files that were written for them.

A folder that another study has too, as a copy has, stays.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from nas.common.errors import StudyError
from nas.common.paths import study_folder
from nas.report.style import counted
from nas.search.study import (
    BASELINE,
    FOLDER,
    TWINS,
    folder_name,
    has_study,
    load_study,
    search_of,
)
from nas.search.trial_attributes import REJECTED
from nas.storage.bulk_read import trials_of
from nas.storage.open import open_storage
from nas.storage.url import hidden

#: what nas writes into the folder of a study
FOLDERS = ("weights", "checkpoints", "export")
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
    if beside := search_of(study.user_attrs):
        raise StudyError(f"{name!r} stands beside the study {beside!r}, with which it goes.")
    names = [name]
    for other in (name + BASELINE, name + TWINS):
        if has_study(backend, other) and search_of(load_study(backend, other).user_attrs) == name:
            names.append(other)
    kept = {
        folder_of(entry) for entry in backend.get_all_studies() if entry.study_name not in names
    }
    folders = [folder_name(load_study(backend, one)) for one in names]
    paths = [
        path for one in folders if one not in kept for path in files_of(study_folder(out, one))
    ]
    lines = [f"In {hidden(storage)}:"]
    for one in names:
        trials = trials_of(load_study(backend, one), only=(REJECTED,))
        running = sum(trial.state == TrialState.RUNNING for trial in trials)
        note = f", {running} of them in training: its workers will stop" if running else ""
        lines.append(f"  study {one}, {counted(len(trials), 'trial')}{note}")
    lines += [f"  {path}" for path in paths]
    return Deletion(names, paths, lines)


def folder_of(entry: Any) -> str:
    """The name of the folder of an entry in the list of studies."""
    return str(entry.user_attrs.get(FOLDER) or entry.study_name)


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
