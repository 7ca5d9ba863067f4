"""Inject every fault into real searches and print what was lost: nothing should be.

python -m experiments.faults.run            # all of them, the long form, writes result.json
python -m experiments.faults.run --short    # what the tests run
"""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from experiments.faults import candidates, commands, crowds, engines, kills, places
from experiments.faults.places import NotPermittedError
from experiments.faults.watched import Row

RESULT = Path(__file__).with_name("result.json")
Scenario = Callable[[Path], Row]

#: what no other test covers
SHORT: dict[str, Scenario] = {
    "workers": partial(kills.workers_killed, times=3),
    "coordinator": partial(kills.coordinator_killed, times=1),
    "power": partial(kills.power_lost, times=1),
    "candidates": partial(
        candidates.bad_candidates, faults=["hang", "memory", "raise", "kill", "nan"]
    ),
    "storage-full": partial(places.storage_full, seconds=15),
    "results-full": places.results_full,
    "read-only": places.read_only_results,
    "version": places.other_version,
    "clock": crowds.clock_jumps,
}
LONG: dict[str, Scenario] = SHORT | {
    "workers": partial(kills.workers_killed, times=50),
    "coordinator": partial(kills.coordinator_killed, times=5),
    "power": partial(kills.power_lost, times=5),
    "ctrl-c": partial(kills.interrupted, times=5, number=signal.SIGINT),
    "sigterm": partial(kills.interrupted, times=5, number=signal.SIGTERM),
    "candidates": partial(
        candidates.bad_candidates, faults=["hang", "hang", "memory", "raise", "kill", "stop", "nan"]
    ),
    "in-a-row": candidates.three_in_a_row,
    "orphans": candidates.orphaned,
    "storage-locked": partial(places.storage_locked, seconds=150),
    "storage-full": partial(places.storage_full, seconds=120),
    "damaged": places.damaged,
    "twins-ended": partial(commands.twins_ended, times=3),
    "extend-ended": partial(commands.extension_ended, times=3),
    "report-ended": partial(commands.writing_ended, verb="report", times=4),
    "export-ended": partial(commands.writing_ended, verb="export", times=4),
    "twins-full": partial(commands.twins_without_room, seconds=60),
    "report-full": partial(commands.writing_without_room, verb="report"),
    "export-full": partial(commands.writing_without_room, verb="export"),
    "two-searches": crowds.two_searches,
    "changed-space": crowds.changed_space,
    "eight-workers": partial(crowds.eight_workers, trials=200),
    "joined": partial(crowds.joined_and_killed, times=5),
    "postgresql": partial(engines.server_restarted, trials=60, seconds=120),
    "postgresql-ended": partial(engines.ended_on_postgres, times=3),
    "ray-ended": partial(engines.ended_on_ray, times=2),
    "ray": partial(engines.node_lost, trials=24),
}
HEAD = ("fault", "injected", "before", "after", "asked", "lost", "duplicated", "hung", "seconds")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="the form the tests run")
    parser.add_argument("--table", action="store_true", help="only print the kept results")
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(LONG)}")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background jobs
    scenarios = SHORT if options.short else LONG
    kept = {} if options.short or not RESULT.exists() else json.loads(RESULT.read_text())
    found = {name: Row(**row) for name, row in kept.items()}
    for name in [] if options.table else options.names or scenarios:
        row = injected(name, scenarios[name])
        if row is not None:
            found[name] = row
            print(line(row), flush=True)
        if not options.short:
            rows = {name: asdict(found[name]) for name in LONG if name in found}
            RESULT.write_text(json.dumps(rows, indent=1) + "\n")
    print("\n" + table([found[name] for name in LONG if name in found]))
    sys.exit(not all(row.clean for row in found.values()))


def injected(name: str, scenario: Scenario) -> Row | None:
    """The balance of one scenario; None, and why, where it cannot be had here."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return scenario(Path(folder))
        except NotPermittedError as error:
            print(f"{name}: left out, {error}", file=sys.stderr)
            return None


def line(row: Row) -> str:
    """One row of the Markdown table."""
    return "| " + " | ".join(str(value) for value in asdict(row).values()) + " |"


def table(rows: list[Row]) -> str:
    """All rows, and the sums that should be zero."""
    head = ["| " + " | ".join((*HEAD, "seen besides")) + " |", "|" + "---|" * (len(HEAD) + 1)]
    sums = {key: sum(getattr(row, key) for row in rows) for key in ("lost", "duplicated", "hung")}
    injected = sum(row.injected for row in rows)
    end = f"{injected} faults: " + ", ".join(f"{count} {key}" for key, count in sums.items()) + "."
    return "\n".join([*head, *(line(row) for row in rows), "", end])


if __name__ == "__main__":
    main()
