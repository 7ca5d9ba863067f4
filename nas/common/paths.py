"""Where studies, data sets, weights and reports are kept unless another place is given."""

import hashlib
import re
from pathlib import Path

from nas.common.errors import StudyError

STORAGE = "sqlite:///runs/nas.db"
DATA_DIR = Path("data")
OUT = Path("runs")


def checkpoint_file(folder: Path, study: str, number: int) -> Path:
    """Where the training of a trial is kept until it ends, whatever the study is called."""
    return inside(folder, folder / "checkpoints" / f"{file_name(study)}-{number}.pt")


def study_folder(out: str | Path, study: str) -> Path:
    """The folder of a study's results inside `out`, whatever the study is called."""
    return inside(Path(out), Path(out) / file_name(study))


def file_name(study: str) -> str:
    """The name of a study, or one that is made of it if it cannot be the name of a file."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", study):
        return study
    digest = hashlib.sha256(study.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{re.sub('[^A-Za-z0-9_-]', '_', study[:40])}-{digest}"


def inside(folder: Path, path: Path) -> Path:
    """The path, if it lies in a folder, also after links are followed; StudyError if it does not.

    Names of studies may be those of others: none is to be written to a place that a link of the
    same name leads to.
    """
    if not path.resolve().is_relative_to(folder.resolve()):
        raise StudyError(
            f"{path} is a link that leads out of {folder}. Remove the link, or give the folder "
            "that it leads to with --out DIR."
        )
    return path
