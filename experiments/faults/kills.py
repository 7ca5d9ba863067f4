"""Processes killed and interrupted at random moments of a search."""

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.faults.watched import Row, Watched, kill_group, left_behind, workers_of

Kill = Callable[[Watched, Any], None]


def workers_killed(folder: Path, times: int) -> Row:
    """SIGKILL to one worker after another."""
    study, chance = Watched(folder, trials=max(8, times)), random.Random(0)
    process, injected, before = study.start(), 0, 0
    study.wait_until(lambda: workers_of(process))
    while injected < times and study.run_for(chance.uniform(1.0, 5.0), process):
        if workers := workers_of(process):
            before = study.look()
            os.kill(chance.choice(workers), signal.SIGKILL)
            injected += 1
    study.finish(process)
    return study.row("kill -9 of a worker", injected, before)


def coordinator_killed(folder: Path, times: int) -> Row:
    """SIGKILL to the coordinator; its workers leave by themselves, the command is run again."""

    def kill(study: Watched, process: Any) -> None:
        process.kill()
        process.wait()
        study.wait_until(lambda: not left_behind(process), 120)

    return ended_hard(folder, times, "the coordinator", kill, random.Random(1))


def power_lost(folder: Path, times: int) -> Row:
    """SIGKILL to everything at once; the command is run again."""
    chance = random.Random(2)
    return ended_hard(folder, times, "everything", lambda _, process: kill_group(process), chance)


def ended_hard(folder: Path, times: int, what: str, kill: Kill, chance: random.Random) -> Row:
    """A search that is started, ended by SIGKILL at a random moment, and started again."""
    study, before = Watched(folder, trials=4 * times), 0
    for _ in range(times):
        process = study.start()
        study.wait_until(lambda process=process: workers_of(process))
        study.run_for(chance.uniform(1.0, 8.0), process)
        before = study.look()
        kill(study, process)
    study.finish(study.start())
    return study.row(f"kill -9 of {what}", times, before)


def interrupted(folder: Path, times: int, number: signal.Signals) -> Row:
    """Ctrl-C as a terminal sends it, or SIGTERM; the command is run again."""
    study, chance = Watched(folder, trials=4 * times), random.Random(number)
    before, statuses = 0, []
    for _ in range(times):
        process = study.start()
        if not study.run_for(chance.uniform(3.0, 9.0), process):
            break  # the study is at its end
        before = study.look()
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        statuses.append(study.finish(process, 60))
        study.wait_until(lambda process=process: not left_behind(process), 120)
    study.finish(study.start())
    name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
    told = f"exit statuses {sorted(set(map(str, statuses)))}"
    return study.row(name, len(statuses), before, told)
