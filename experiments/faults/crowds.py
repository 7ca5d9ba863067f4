"""Many processes on one study, clocks that jump, and a space that changes under a study."""

import os
import random
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from experiments.faults.places import NotPermittedError
from experiments.faults.watched import Row, Watched

DAY = 86_400


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
    """The clock goes forth by a day and back by two while a search runs."""
    library, clock = preloaded(folder), folder / "clock"
    study = Watched(
        folder, trials=16, environment={"LD_PRELOAD": str(library), "CLOCK_JUMP": str(clock)}
    )
    clock.write_text("0")
    process = study.start()
    for target, jump in ((2, DAY), (6, -DAY), (10, 0)):
        study.wait_until(lambda target=target: study.look() >= target)
        clock.write_text(str(jump))
    before = study.look()
    study.finish(process)
    dates = {trial.datetime_complete.date() for trial in study.all_trials()}
    return study.row("clock jumps by days", 3, before, f"trials ended on {len(dates)} dates")


def preloaded(folder: Path) -> Path:
    """The library that lets the clock of a process jump."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise NotPermittedError("there is no C compiler for the clock that jumps")
    library = folder / "clock.so"
    source = Path(__file__).with_name("clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


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
