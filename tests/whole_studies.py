"""A space through search, twins, report and export: for tests that hold a part of it at a time."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from conftest import NAS

from nas.cli import main


def command(folder: Path, *arguments: str) -> str:
    """What `nas` says in that folder, as a process of one thread."""
    run = subprocess.run(
        [NAS, *arguments],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def searched(folder: Path, name: str, text: str) -> Path:
    """The folder, in which the space of that name was searched and has its twins."""
    (folder / f"{name}.yaml").write_text(text)
    command(folder, "search", f"{name}.yaml")
    return folder


def trials(folder: Path, study: str) -> list[optuna.trial.FrozenTrial]:
    """The trials of a study in that folder."""
    return optuna.load_study(study_name=study, storage=f"sqlite:///{folder}/runs/nas.db").trials


def figures(folder: Path, study: str) -> Any:
    """The data of the figures of its report."""
    page = (folder / "runs" / study / "report.html").read_text(encoding="utf-8")
    found = re.search(r'id="figures">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def exported(
    folder: Path, study: str, trial: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The module of a trial; `nas export` itself holds that it computes what the network does, to
    the bit."""
    monkeypatch.chdir(folder)
    asked = ["--trial", str(trial), "--seeds", "1", "--output", f"{name}.py"]
    monkeypatch.setattr(sys, "argv", ["nas", "export", study, *asked])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    return (folder / f"{name}.py").read_text(encoding="utf-8")
