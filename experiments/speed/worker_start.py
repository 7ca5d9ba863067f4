"""Seconds until a worker looks for trials: the first, which loads the libraries, and the next ones.

`python -m experiments.speed.worker_start`; processor time beside the wall clock, as others may use
the machine.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import psutil

from nas.search.pools.local import LocalPool
from nas.search.study import create_study
from nas.search.worker import WorkerSpec
from nas.space.space import SearchSpace
from nas.storage.open import open_storage


def start(pool: LocalPool, index: int) -> dict[str, float]:
    """Start one more worker and wait until it is ready."""
    begin = time.monotonic()
    worker = pool._start_worker(index)
    pool._workers.append(worker)
    assert worker.pipe.poll(120)
    wall = time.monotonic() - begin
    spent = psutil.Process(worker.process.pid).cpu_times()
    return {"seconds": round(wall, 2), "processor_seconds": round(spent.user + spent.system, 2)}


def main() -> None:
    """Start six workers one after another and write their times down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    output = parser.parse_args().output
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/nas.db"
        create_study(open_storage(url, create=True), "digits", SearchSpace.load("digits", []))
        place = Path(folder)
        spec = WorkerSpec(storage=url, study="digits", data_dir=place, out=place, num_workers=1)
        pool = LocalPool(spec, 0)
        pool._start()
        times = [start(pool, index) for index in range(6)]
        pool.stop()
    output.write_text(json.dumps(times, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(times))


if __name__ == "__main__":
    main()
