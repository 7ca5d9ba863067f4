"""Processes killed and interrupted at random moments of a search."""

import itertools
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
    """A search that is started, ended by SIGKILL at a random moment after another trial has
    finished, and started again."""
    study = Watched(folder, trials=6 * times)
    injected, before = under_fire(study, times, chance, kill)
    study.finish(study.start())
    return study.row(f"kill -9 of {what}", injected, before)


def interrupted(folder: Path, times: int, number: signal.Signals) -> Row:
    """Ctrl-C as a terminal sends it, or SIGTERM; the command is run again."""
    study, statuses = Watched(folder, trials=6 * times), []

    def interrupt(study: Watched, process: Any) -> None:
        statuses.append(stopped(study, process, number))

    injected, before = under_fire(study, times, random.Random(number), interrupt)
    study.finish(study.start())
    name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
    told = f"exit statuses {sorted(set(map(str, statuses)))}"
    return study.row(name, injected, before, told)


def in_turns(statuses: list[Any]) -> Kill:
    """Ends a command by SIGKILL to everything, by Ctrl-C and by SIGTERM, one after the other; the
    exit statuses of the last two are kept."""
    turns = itertools.cycle((signal.SIGKILL, signal.SIGINT, signal.SIGTERM))

    def end(study: Watched, process: Any) -> None:
        number = next(turns)
        if number == signal.SIGKILL:
            kill_group(process)
        else:
            statuses.append(stopped(study, process, number))

    return end


def under_fire(
    study: Watched, times: int, chance: random.Random, kill: Kill, *more: str, **command: Any
) -> tuple[int, int]:
    """Start a command and end it at a random moment after another trial has finished, again and
    again: how often, and how many trials had finished before the last one. more, command: as they
    are given to Watched.start.
    """
    injected = before = 0
    for _ in range(times):
        process, known = study.start(*more, **command), study.look()
        study.wait_until(lambda p=process, k=known: study.look() > k or p.poll() is not None, 300)
        if not study.run_for(chance.uniform(0.0, 3.0), process):
            break  # the study is at its end
        before = study.look()
        kill(study, process)
        injected += 1
    return injected, before


def stopped(study: Watched, process: Any, number: signal.Signals) -> int | None:
    """The exit status of a command that gets Ctrl-C, as a terminal sends it, or SIGTERM."""
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    status = study.finish(process, 60)
    study.wait_until(lambda: not left_behind(process), 120)
    return status
