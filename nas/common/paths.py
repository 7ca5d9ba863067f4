"""Where studies, data sets, weights and reports are kept unless another place is given."""

import hashlib
import re
from pathlib import Path

STORAGE = "sqlite:///runs/nas.db"
DATA_DIR = Path("data")
OUT = Path("runs")


def checkpoint_file(folder: Path, study: str, number: int) -> Path:
    """Where a trial's training is kept until it ends."""
    return folder / "checkpoints" / f"{study}-{number}.pt"


def study_folder(out: str | Path, study: str) -> Path:
    """The folder of a study's results inside `out`, whatever the study is called."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", study):
        return Path(out) / study
    digest = hashlib.sha256(study.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return Path(out) / f"{re.sub('[^A-Za-z0-9_-]', '_', study[:40])}-{digest}"
