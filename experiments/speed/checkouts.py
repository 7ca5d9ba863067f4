"""What whole searches take before and after a change, twins, report and all:

    NAS_DATA_DIR=... python -m experiments.speed.checkouts BEFORE AFTER [SPACE...]

BEFORE and AFTER are checkouts of this repository, whose code runs with the libraries of this one.
Both search at the same time, with one worker and a core each. The processor time of all processes
counts, until the command has ended; what it says of shortcuts should be the same.
`checkouts.json` is its output.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from experiments.speed.searches import followed
from experiments.speed.sizes import data_dir

RESULT = Path(__file__).parent / "checkouts.json"
SPACES = ("digits", "cifar_small")


def searched(space: str, place: tuple[int, Path]) -> dict[str, Any]:
    """One search of a checkout, on a core of its own."""
    index, checkout = place
    core = sorted(os.sched_getaffinity(0))[index]
    with tempfile.TemporaryDirectory() as folder, open(f"{folder}/said", "w+") as said:
        start = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-c", "from nas.cli import main; main()", "search", space]
            + ["--workers", "1", "--storage", f"sqlite:///{folder}/nas.db", "--out", folder]
            + ["--data-dir", str(data_dir().resolve())],
            stdout=said,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(checkout.resolve()), "COLUMNS": "200"},
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        spent = followed(process)
        seconds = time.monotonic() - start
        said.seek(0)
        lines = said.read().splitlines()
    return {
        "processor": round(spent, 1),
        "clock": round(seconds, 1),
        "trials": sum(line.startswith("[search ") for line in lines),
        "twins": sum(line.startswith("[twins ") for line in lines),
        "said": [line for line in lines[-12:] if folder not in line],
    }


def main() -> None:
    """Search and write the numbers down."""
    before, after, *spaces = sys.argv[1:]
    places = list(enumerate(map(Path, (before, after))))
    found = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    for space in spaces or SPACES:
        with ThreadPoolExecutor() as both:
            told = both.map(partial(searched, space), places)
        found[space] = dict(zip(("before", "after"), told, strict=True))
        print(json.dumps(found[space], indent=1), flush=True)
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
