"""Real searches until an architecture of the table's top 1% is trained to its end.

    NAS_DATA_DIR=... python -m experiments.top_percent.live halving 0 1 2 3 4
    NAS_DATA_DIR=... python -m experiments.top_percent.live random 0 1 2 3 4

Each is `nas search` with one worker, ended by SIGTERM when it got there; what it took is the
processor time of the search and its worker, as the machine is shared, and the wall's beside.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from experiments.speed.searches import followed
from experiments.top_percent.replay import Table
from experiments.top_percent.table import HERE, SPACE
from nas.common.errors import StudyError
from nas.search.best_trials import complete_trials
from nas.search.study import load_study
from nas.storage.open import open_storage

RESULT = HERE / "live.jsonl"
WAYS = {
    "halving": ["search.pruner=halving"],
    "halving_2_4": ["search.pruner=halving", "search.rungs=[2, 4]"],
    "random": ["search.pruner=none", "search.sampler=random"],
}


def live(way: str, seed: int) -> dict[str, object]:
    """One search until it got there."""
    goal = Table.read().goal
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        settings = [*WAYS[way], f"search.seed={seed}", "search.trials=1000"]
        command = [Path(sys.executable).with_name("nas"), "search", SPACE, "--workers", "1"]
        command += [word for setting in settings for word in ("--set", setting)]
        process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, env=os.environ, start_new_session=True
        )
        url = f"sqlite:///{folder}/runs/nas.db"
        spent = followed(process, lambda: reached(url, goal), every=3.0)
        seconds = time.monotonic() - start
        process.send_signal(signal.SIGTERM)
        process.wait()
        found = reached(url, goal)
        trials = load_study(open_storage(url), "top_percent").get_trials()
    own = [trial for trial in trials if "reused_from" not in trial.user_attrs]
    return {
        "way": way,
        "seed": seed,
        "found": found,
        "seconds": round(spent, 1),
        "wall": round(seconds, 1),
        "candidates": len(own),
        "epochs": sum(trial.last_step or 0 for trial in own),
    }


def reached(url: str, goal: set[str]) -> bool:
    """Whether a candidate of the goal is complete."""
    with suppress(StudyError):
        done = complete_trials(load_study(open_storage(url), "top_percent"))
        return any(trial.user_attrs.get("candidate_hash") in goal for trial in done)
    return False


def main() -> None:
    """Search once for each seed, and write down each."""
    way, seeds = sys.argv[1], map(int, sys.argv[2:])
    for seed in seeds:
        row = live(way, seed)
        print(row, flush=True)
        with RESULT.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
