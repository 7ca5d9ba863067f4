"""Where studies, data sets, weights and reports are kept unless another place is given."""

from pathlib import Path

STORAGE = "sqlite:///runs/nas.db"
DATA_DIR = Path("data")
OUT = Path("runs")
