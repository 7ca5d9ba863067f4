"""Thousands of quick trials: what grows with them?

`python -m experiments.scale.long` adds to `long.json`. Every trial is a real one of a search with
real worker processes; its training (long.yaml) is one step on 32 pictures. While it runs, memory
and open files of the coordinator and of the workers, and the bytes of the database, are read from
outside.
"""

import argparse
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np

from experiments.faults.watched import Watched, workers_of
from nas.common.machine import num_cores

HERE = Path(__file__).parent
RESULT = HERE / "long.json"
MEBIBYTE = 2**20
#: what is known of a moment, and grows or does not
MEASURES = {
    "coordinator_mebibytes": "MiB of the coordinator",
    "worker_mebibytes": "MiB of the largest worker",
    "coordinator_files": "open files of the coordinator",
    "worker_files": "most open files of a worker",
    "database_kibibytes_per_trial": "KiB of the database for each trial",
    "seconds_per_trial": "seconds for each trial since the row above",
}


def main() -> None:
    """One search, measured at so many moments."""
    parser = argparse.ArgumentParser(description="What grows with the number of trials.")
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sampler", default="random")
    parser.add_argument("--moments", type=int, default=8)
    parser.add_argument("--table", action="store_true", help="only print what is kept")
    asked = parser.parse_args()
    kept = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    if not asked.table:
        name = f"{asked.trials} trials, {asked.workers} workers, sampler {asked.sampler}"
        with tempfile.TemporaryDirectory() as folder:
            kept[name] = measured(Path(folder), asked)
        RESULT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    for name, found in kept.items():
        print("\n".join(table(name, found)))


def measured(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """What was seen of a search at its moments, and how it ended."""
    study = Watched(
        folder,
        asked.trials,
        (f"search.sampler={asked.sampler}",),
        space=HERE / "long.yaml",
        study="long",
    )
    process = study.start("--workers", str(asked.workers))
    rows = list(moments(study, process, asked.trials, asked.moments))
    status = process.wait()
    states = [state for state, _ in study.rows().values()]
    return {
        "exit_status": status,
        "complete": states.count("COMPLETE"),
        "others": len(states) - states.count("COMPLETE"),
        "cores": num_cores(),
        "rows": rows,
        "growth_per_1000_trials": growth(rows),
    }


def moments(study: Watched, process: Any, trials: int, number: int) -> Iterator[dict[str, float]]:
    """What is seen each time so many more trials have finished."""
    targets = [round(trials * (index + 1) / number) for index in range(number)]
    targets[-1] -= 1 + trials // 200  # while its workers are there still
    last, start = 0, time.monotonic()
    for target in targets:
        while (done := finished(study.folder / "nas.db")) < target:
            if process.poll() is not None:
                return
            time.sleep(0.5)
        now = time.monotonic()
        yield seen(study, process, done) | {
            "seconds_per_trial": round((now - start) / max(1, done - last), 3)
        }
        last, start = done, now


def seen(study: Watched, process: Any, done: int) -> dict[str, float]:
    """Memory, open files and bytes at this moment."""
    workers = workers_of(process)
    size = sum(path.stat().st_size for path in study.folder.glob("nas.db*"))
    return {
        "trials": done,
        "workers": len(workers),
        "coordinator_mebibytes": memory(process.pid),
        "worker_mebibytes": max(map(memory, workers), default=0.0),
        "coordinator_files": open_files(process.pid),
        "worker_files": max(map(open_files, workers), default=0),
        "database_kibibytes_per_trial": round(size / 1024 / max(1, done), 2),
    }


def finished(database: Path) -> int:
    """The trials that have finished."""
    with suppress(sqlite3.Error):
        url = f"file:{database}?mode=ro"
        with closing(sqlite3.connect(url, uri=True, timeout=5)) as connection:
            query = "SELECT count(*) FROM trials WHERE state NOT IN ('RUNNING', 'WAITING')"
            return int(connection.execute(query).fetchone()[0])
    return 0


def memory(pid: int) -> float:
    """MiB of a process that are in memory; 0 if it is gone."""
    with suppress(OSError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return round(pages * os.sysconf("SC_PAGE_SIZE") / MEBIBYTE, 1)
    return 0.0


def open_files(pid: int) -> int:
    """The open files of a process; 0 if it is gone."""
    with suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/fd"))
    return 0


def growth(rows: list[dict[str, float]]) -> dict[str, float]:
    """What each measure gains with a thousand trials: the slope of a line through all moments but
    the first, at which caches fill still."""
    later = rows[1:]
    if len(later) < 2:
        return {}
    trials = [row["trials"] for row in later]
    return {
        key: round(1000 * float(np.polyfit(trials, [row[key] for row in later], 1)[0]), 3)
        for key in MEASURES
    }


def table(name: str, found: dict[str, Any]) -> Iterator[str]:
    """What was seen, in Markdown."""
    yield f"\n{name}: exit status {found['exit_status']}, {found['complete']} complete, "
    yield f"{found['others']} otherwise\n"
    yield "| trials | " + " | ".join(MEASURES.values()) + " |"
    yield "|---" * (len(MEASURES) + 1) + "|"
    for row in found["rows"]:
        yield f"| {row['trials']:,} | " + " | ".join(str(row[key]) for key in MEASURES) + " |"
    grown = found["growth_per_1000_trials"]
    yield "| growth each 1,000 | " + " | ".join(f"{grown.get(key, 0):+}" for key in MEASURES) + " |"


if __name__ == "__main__":
    main()
