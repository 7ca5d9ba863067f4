"""Seconds until a worker looks for trials: the first, which loads the libraries, and the next ones.

`python -m experiments.speed.worker_start`; processor time beside the wall clock, as others may use
the machine.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from nas.search.pools.local import Crew
from nas.search.study import create_study
from nas.search.worker import Job
from nas.space.space import SearchSpace
from nas.storage.open import open_storage


def start(crew: Crew, index: int) -> dict[str, float]:
    """Start one more worker and wait until it is ready."""
    begin = time.monotonic()
    member = crew.start_one(index)
    crew.members.append(member)
    assert member.pipe.poll(120)
    wall = time.monotonic() - begin
    ticks = Path(f"/proc/{member.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return {"seconds": round(wall, 2), "processor_seconds": sum(map(int, ticks)) / 100}


def main() -> None:
    """Start six workers one after another and write their times down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".json"))
    output = parser.parse_args().output
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/nas.db"
        create_study(open_storage(url, create=True), "digits", SearchSpace.load("digits", []))
        place = Path(folder)
        crew = Crew(Job(storage=url, study="digits", data_dir=place, out=place, workers=1), 0)
        crew.start()
        times = [start(crew, index) for index in range(6)]
        crew.leave()
    output.write_text(json.dumps(times, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(times))


if __name__ == "__main__":
    main()
