"""Many processes on one study, clocks that jump, and a space that changes under a study."""

import os
import random
import shutil
from contextlib import suppress
from pathlib import Path

from experiments.faults.places import NotPermittedError
from experiments.faults.watched import Row, Watched


def two_searches(folder: Path) -> Row:
    """The same command, started twice at once."""
    study = Watched(folder, trials=16)
    first, second = study.start(), study.start()
    study.wait_until(lambda: study.look() >= 2)
    before = study.look()
    statuses = [study.finish(process) for process in (first, second)]
    return study.row("two searches at once", 1, before, f"exit statuses {statuses}")


def eight_workers(folder: Path, trials: int) -> Row:
    """Eight workers on one SQLite file."""
    study = Watched(folder, trials, ("training.epochs=2",))
    process = study.start("--workers", "8")
    study.wait_until(lambda: study.look() >= trials // 2, 900)
    before = study.look()
    status = study.finish(process, 900)
    locks = study.said().lower().count("locked")
    note = f"exit status {status}, lock errors told: {locks}"
    return study.row(f"eight workers on SQLite, {trials} trials", 0, before, note)


def joined_and_killed(folder: Path, times: int) -> Row:
    """`nas worker` joins and is killed with all its processes."""
    study, chance = Watched(folder, trials=6 * times), random.Random(3)
    process, before = study.start("--workers", "1"), 0
    for _ in range(times):
        joined = study.start("--workers", "1", verb="worker")
        study.run_for(chance.uniform(8.0, 14.0), joined)
        before = study.look()
        with suppress(ProcessLookupError):
            os.killpg(joined.pid, 9)
        joined.wait()
    study.finish(process)
    return study.row("kill -9 of a joined machine's processes", times, before)


def clock_jumps(folder: Path) -> Row:
    """The clock goes forth by a day and back by two while a search runs (needs faketime)."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None or shutil.which("faketime") is None:
        raise NotPermittedError("Debian's package faketime is not installed")
    clock = folder / "clock"
    study = Watched(
        folder,
        trials=16,
        environment={
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        },
    )
    clock.write_text("+0\n")
    process = study.start()
    for target, jump in ((2, "+1d"), (6, "-1d"), (10, "+0")):
        study.wait_until(lambda target=target: study.look() >= target)
        clock.write_text(f"{jump}\n")
    before = study.look()
    study.finish(process)
    days = {trial.datetime_complete.day for trial in study.all_trials() if trial.datetime_complete}
    return study.row("clock jumps by days", 3, before, f"trials ended on {len(days)} dates")


def changed_space(folder: Path) -> Row:
    """Refused, with what changed; --extend goes on with the trials that fit, the old ones stay."""
    study = Watched(folder, trials=4)
    study.finish(study.start())
    before = study.look()
    change = ("--set", "architecture.depth=[1, 2, 3, 4]")
    status = study.finish(study.start(*change))
    told = "architecture.depth was [1, 2, 3], is [1, 2, 3, 4]" in study.said()
    extended = study.finish(study.start(*change, "--extend"))
    note = f"refused with {status}, change told: {told}, --extend ended with {extended}"
    return study.row("space changed under a study", 1, before, note)
