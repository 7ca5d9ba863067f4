"""What comes after a search, killed, interrupted and without room: twins, report, export, and a
search that goes on with another space."""

import ast
import csv
import json
import os
import random
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from experiments.faults.kills import in_turns, stopped, under_fire
from experiments.faults.places import fill, small_disk
from experiments.faults.watched import Row, Watched, kill_group, left_behind

TWINS = ("--top", "0", "--depths", "1", "--seeds", "2")
TOTAL = re.compile(r"\[twins \d+/(\d+)\]")
SHORT = ("training.epochs=2",)
CHANGE = ("--set", "architecture.depth=[1, 2, 3, 4]", "--extend")
#: files that a report and an export write
FILES = {
    "report": ("report.html", "report.md", "payoff.json", "trials.csv"),
    "export": ("best.py", "best.pt"),
}


def searched(folder: Path, **where: Any) -> Watched:
    """A study whose four trials have finished."""
    study = Watched(folder, trials=4, settings=SHORT, **where)
    assert study.finish(study.start()) == 0, study.said()
    return study


def twins_ended(folder: Path, times: int) -> Row:
    """`nas payoff`, ended by SIGKILL to everything, Ctrl-C and SIGTERM, and given again."""
    parent = searched(folder)
    twins = Watched(folder, 0, storage=parent.storage, study="faults-twins")
    return ended(twins, times, "in the twins", verb="payoff", more=TWINS)


def extension_ended(folder: Path, times: int) -> Row:
    """`nas search --extend` the same, at first before it has a study."""
    parent = searched(folder)
    extended = Watched(
        folder, 4 + 6 * times, settings=SHORT, storage=parent.storage, study="faults-2"
    )
    for seconds in (0.5, 2.0, 3.0):
        process = extended.start(*CHANGE)
        extended.run_for(seconds, process)
        kill_group(process)
    return ended(extended, times, "in --extend", begun=3, more=CHANGE)


def ended(study: Watched, times: int, what: str, begun: int = 0, **command: Any) -> Row:
    """A command ended so often while trials finish, and given again until it ends by itself."""
    statuses: list[Any] = []
    more = command.pop("more", ())
    end = in_turns(statuses)
    injected, before = under_fire(study, times, random.Random(4), end, *more, **command)
    statuses.append(study.finish(study.start(*more, **command)))
    study.trials = study.trials or total(study)
    note = f"exit statuses {statuses}, {told(study.folder)}"
    return study.row(f"kill -9, Ctrl-C, SIGTERM {what}", begun + injected, before, note)


def writing_ended(folder: Path, verb: str, times: int) -> Row:
    """A report or an export ended at moments spread over the time it takes."""
    study = searched(folder)
    before, start = study.look(), time.monotonic()
    assert run(study, verb) == 0, study.said()
    whole = time.monotonic() - start
    injected = spoiled = 0
    for turn in range(times):
        clear(study.folder)
        process = begin(study, verb)
        if study.run_for(whole * (turn + 0.5) / times, process):
            injected += 1
            if turn % 2:
                stopped(study, process, signal.SIGINT)
            else:
                kill_group(process)
            study.wait_until(lambda p=process: not left_behind(p), 120)
        spoiled += len(list(halves(study.folder)))
    return balance(study, f"kill -9 and Ctrl-C in {verb}", verb, injected, before, spoiled)


def writing_without_room(folder: Path, verb: str) -> Row:
    """The disk of the results is full when a report or an export comes to be written."""
    study = searched(folder)
    before = study.look()
    with small_disk(folder / "small", 16384) as disk:
        fill(disk / "filler", keep=8)
        status = run(study, verb, disk)
        said = "No space left" in study.said()
        spoiled = len(list(halves(disk))) + len(files(disk, "*.part"))
        (disk / "filler").unlink()
        again = run(study, verb, disk)
        missing = [name for name in FILES[verb] if not files(disk, name)]
        spoiled += len(list(halves(disk))) + len(files(disk, "*.part")) + len(missing)
    note = f"exit statuses {[status, again]}, said: {said}, files spoiled: {spoiled}"
    row = study.row(f"disk full in {verb}", 1, before, note)
    row.lost += spoiled
    return row


def twins_without_room(folder: Path, seconds: float) -> Row:
    """The disk of storage and results is full for a while when twins are trained."""
    with small_disk(folder / "small", 16384) as disk:
        parent = searched(folder, storage=f"sqlite:///{disk}/nas.db", out=disk)
        twins = Watched(folder, 0, storage=parent.storage, out=disk, study="faults-twins")
        process = twins.start(*TWINS, verb="payoff")
        twins.wait_until(lambda: twins.look() >= 2)
        before = twins.look()
        fill(disk / "filler")
        twins.run_for(seconds, process)
        (disk / "filler").unlink()
        status = twins.finish(process)
        twins.trials = total(twins)
        note = f"exit status {status}, said: {'full' in twins.said()}, {told(disk)}"
        return twins.row(f"disk full for {seconds:g} s in the twins", 1, before, note)


def begin(study: Watched, verb: str, out: Path | None = None) -> Any:
    """Start a report or an export."""
    folder = out or study.folder / "out"
    more = ("--output", str(folder / "best.py"), "--seeds", "2") if verb == "export" else ()
    return study.start("--out", str(folder), *more, verb=verb)


def run(study: Watched, verb: str, out: Path | None = None) -> int | None:
    """The exit status of a report or an export."""
    return study.finish(begin(study, verb, out))


def clear(folder: Path) -> None:
    """Remove what reports and exports have written, so that they write it again."""
    for names in FILES.values():
        for path in [one for name in names for one in files(folder, name)]:
            path.unlink()
    for path in files(folder, "*-seed-*"):
        path.unlink()


def balance(study: Watched, fault: str, verb: str, injected: int, before: int, spoiled: int) -> Row:
    """The row of a command whose files were looked at, after it was given once more: files that
    are missing, half-written or left over count as lost."""
    status = run(study, verb)
    missing = [name for name in FILES[verb] if not files(study.folder, name)]
    left = files(study.folder, "*.part")
    spoiled += len(missing) + len(left) + len(list(halves(study.folder)))
    note = f"exit status {status}, files spoiled: {spoiled}"
    row = study.row(fault, injected, before, note)
    row.lost += spoiled
    return row


def total(twins: Watched) -> int:
    """How many twins there were to be, as `nas payoff` told."""
    found = TOTAL.findall(twins.said())
    return int(found[-1]) if found else 0


def told(folder: Path) -> str:
    """Files that were not written to their end."""
    return f"files spoiled: {len(files(folder, '*.part')) + len(list(halves(folder)))}"


def files(folder: Path, pattern: str) -> list[Path]:
    """The files of that name below a folder."""
    return sorted(folder.rglob(pattern))


def halves(folder: Path) -> Iterator[Path]:
    """Files under their final names that are not whole."""
    for path in files(folder, "*"):
        if path.is_file() and not is_whole(path):
            yield path


def is_whole(path: Path) -> bool:
    """Whether a file can be read to its end, as far as its kind is known."""
    try:
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".py":
            return bool(ast.parse(path.read_text(encoding="utf-8")).body)
        elif path.suffix == ".pt":
            torch.load(path, weights_only=True)
        elif path.suffix == ".csv":
            lines = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
            return len({len(line) for line in lines}) == 1
        elif path.suffix == ".html":
            return path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    except Exception:
        return False
    return bool(os.path.getsize(path)) or path.suffix in (".lock", ".txt")
