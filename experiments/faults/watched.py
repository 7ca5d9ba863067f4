"""A study run by real `nas` processes, and what an onlooker sees of it."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from nas.search.study import load_study
from nas.storage.open import open_storage

NAS = str(Path(sys.executable).with_name("nas"))
SPACE = Path(__file__).with_name("faults.yaml")
ROOT = Path(__file__).parents[2]
FINISHED = ("COMPLETE", "PRUNED", "FAIL")
#: read past Optuna, which would wait for a storage that is away
TRIALS = text(
    "SELECT number, state, datetime_complete FROM trials JOIN studies USING (study_id) "
    "WHERE study_name = :study"
)


@dataclass
class Row:
    """What a kind of fault did: trials that had finished when the last one was injected and at the
    end; finished ones that were lost; trials too many or finished twice; processes and trials that
    did not end. note: what else was seen."""

    fault: str
    injected: int
    before: int
    after: int
    asked: int
    lost: int
    duplicated: int
    hung: int
    seconds: float
    note: str = ""

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing twice, nothing hung, and all that was asked for."""
        return not (self.lost or self.duplicated or self.hung) and self.after == self.asked


@dataclass
class Watched:
    """A study of `trials` trials in a folder. study: its name, if it stands beside the search."""

    folder: Path
    trials: int
    settings: tuple[str, ...] = ()
    space: Path = SPACE
    storage: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    study: str = "faults"
    out: Path | None = None
    seen: dict[int, Any] = field(default_factory=dict)
    overrun: int = 0
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.storage = self.storage or f"sqlite:///{self.folder}/nas.db"
        self.log = self.folder / "log.txt"
        waiting = {"timeout": 1} if self.storage.startswith("sqlite") else {}
        self.engine = create_engine(self.storage, connect_args=waiting, poolclass=NullPool)

    def start(self, *more: str, verb: str = "search") -> subprocess.Popen[bytes]:
        """Begin the search, or go on with it, in a session of its own."""
        target = str(self.space) if verb == "search" else "faults"
        out = self.out or self.folder / "out"
        command = [NAS, verb, target, "--storage", self.storage, "--out", str(out)]
        if verb == "search":
            command += ["--trials", str(self.trials)]
            command += [part for setting in self.settings for part in ("--set", setting)]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*command, *more],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                cwd=self.folder,
                env=os.environ | {"PYTHONPATH": path} | self.environment,
            )

    def said(self) -> str:
        """All that the processes printed."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def all_trials(self) -> list[FrozenTrial]:
        """The trials as they stand."""
        return load_study(open_storage(self.storage), self.study).trials

    def rows(self) -> dict[int, tuple[str, str]]:
        """Number -> state and end of each trial; none while the storage is away."""
        with suppress(SQLAlchemyError), self.engine.connect() as connection:
            found = connection.execute(TRIALS, {"study": self.study})
            return {number: (state, str(end)) for number, state, end in found}
        return {}

    def look(self) -> int:
        """Remember what has finished; how many that are."""
        for number, row in self.rows().items():
            if row[0] in FINISHED:
                self.seen.setdefault(number, row)
        return len(self.seen)

    def run_for(self, seconds: float, process: subprocess.Popen[bytes]) -> bool:
        """Look on for so long; whether the process runs still."""
        deadline = time.monotonic() + seconds
        while process.poll() is None and (left := deadline - time.monotonic()) > 0:
            self.look()
            time.sleep(min(0.2, left))
        return process.poll() is None

    def wait_until(self, condition: Callable[[], Any], seconds: float = 120) -> None:
        """Look on until something is so; AssertionError where it does not come about."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"it did not come about:\n{self.said()[-2000:]}"
            self.look()
            time.sleep(0.1)

    def finish(self, process: subprocess.Popen[bytes], seconds: float = 600) -> int | None:
        """Look on until the process ends; one that does not counts as hung and is killed."""
        if self.run_for(seconds, process):
            self.overrun += 1
            kill_group(process)
            return None
        return process.returncode

    def row(self, fault: str, injected: int, before: int, note: str = "") -> Row:
        """The balance."""
        final = self.rows()
        now = {number: row for number, row in final.items() if row[0] in FINISHED}
        lost = sum(number not in now for number in self.seen)
        twice = sum(number in now and now[number] != was for number, was in self.seen.items())
        unfinished = len(final) - len(now)
        states = Counter(state.lower() for state, _ in now.values())
        told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        return Row(
            fault=fault,
            injected=injected,
            before=before,
            after=len(now),
            asked=self.trials,
            lost=lost,
            duplicated=twice + max(0, len(final) - self.trials),
            hung=self.overrun + unfinished,
            seconds=round(time.monotonic() - self.started, 1),
            note=f"{told}; {note}" if note else told,
        )


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to a process and all that it started, as when the power fails."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def processes() -> Iterator[tuple[int, int, int, str]]:
    """(pid, parent, session, command line) of what runs."""
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            if fields[0] != "Z":
                command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                yield int(place.name), int(fields[1]), int(fields[3]), command


def workers_of(process: subprocess.Popen[bytes]) -> list[int]:
    """The worker processes of a search: children of its fork server."""
    table = [row for row in processes() if row[2] == process.pid]
    servers = {pid for pid, parent, _, line in table if parent == process.pid and "forks" in line}
    return [pid for pid, parent, _, _ in table if parent in servers]


def left_behind(process: subprocess.Popen[bytes]) -> list[int]:
    """Processes of a search that has ended."""
    return [pid for pid, _, session, _ in processes() if session == process.pid]
