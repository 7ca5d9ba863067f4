"""Storages and folders that fail: locked, full, read-only, from another version."""

import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from experiments.faults.watched import Row, Watched


class NotPermittedError(Exception):
    """A fault that cannot be injected here, and why."""


@contextmanager
def small_disk(folder: Path, kibibytes: int) -> Iterator[Path]:
    """A file system of so many KiB, in memory; only root may make one."""
    folder.mkdir(parents=True, exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", str(folder)]
    done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotPermittedError(f"no file system can be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def storage_locked(folder: Path, seconds: float) -> Row:
    """Another program keeps the database to itself, for longer than SQLite waits."""
    study = Watched(folder, trials=12)
    process = study.start()
    study.wait_until(lambda: study.look() >= 2)
    before = study.look()
    holder = sqlite3.connect(folder / "nas.db", timeout=60, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    time.sleep(seconds)
    holder.execute("ROLLBACK")
    holder.close()
    study.finish(process)
    told = "The storage has not answered for" in study.said()
    return study.row(f"storage away for {seconds:g} s", 1, before, f"said so: {told}")


def storage_full(folder: Path, seconds: float) -> Row:
    """The disk of the database is full for a while."""
    with small_disk(folder / "disk", 4096) as disk:
        study = Watched(folder, trials=12, storage=f"sqlite:///{disk}/nas.db")
        process = study.start()
        study.wait_until(lambda: study.look() >= 2)
        before = study.look()
        fill(disk / "filler")
        study.run_for(seconds, process)
        (disk / "filler").unlink()
        study.finish(process)
        told = "full" in study.said()
        return study.row(f"disk of the storage full for {seconds:g} s", 1, before, f"said: {told}")


def fill(file: Path, keep: int = 0) -> None:
    """Take all the room there is, but for so many KiB."""
    with file.open("wb", buffering=0) as filler:
        with suppress(OSError):
            while True:
                filler.write(b"0" * 1024)
        filler.truncate(max(0, filler.tell() - 1024 * keep))


def results_full(folder: Path) -> Row:
    """No room for weights and checkpoints: only these are missing in the end."""
    with small_disk(folder / "out", 16) as disk:
        study = Watched(folder, trials=8)
        fill(disk / "filler")
        process = study.start()
        study.finish(process)
        told = "cannot be" in study.said()
        return study.row("disk of the results full", 1, 0, f"status {process.poll()}, said: {told}")


def read_only_results(folder: Path) -> Row:
    """A folder that cannot be written is refused at once; nothing is lost when that is mended."""
    with small_disk(folder / "out", 4096) as disk:
        study = Watched(folder, trials=6)
        process = study.start()
        study.wait_until(lambda: study.look() >= 2)
        process.terminate()
        study.finish(process)
        before = study.look()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        status = study.finish(study.start())
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        study.finish(study.start())
        return study.row("read-only folder of results", 1, before, f"exit status {status}")


def other_version(folder: Path) -> Row:
    """A database that a later Optuna wrote, and a study that a later nas wrote, are refused."""
    study = Watched(folder, trials=4)
    study.finish(study.start())
    before, statuses = study.look(), []
    database, kept = folder / "nas.db", folder / "kept.db"
    shutil.copyfile(database, kept)
    for change in (
        "UPDATE alembic_version SET version_num = 'v99.0.0.a'",
        "UPDATE study_user_attributes SET value_json = '99' WHERE key = 'format'",
    ):
        with sqlite3.connect(database) as connection:
            connection.execute(change)
        connection.close()
        statuses.append(study.finish(study.start()))
        shutil.copyfile(kept, database)
    study.finish(study.start())
    clean = "Traceback" not in study.said()
    note = f"exit statuses {statuses}{'' if clean else ', TRACEBACK'}"
    return study.row("database of another version", 2, before, note)


def damaged(folder: Path) -> Row:
    """A checkpoint and a database cut short."""
    study = Watched(folder, trials=4, settings=("training.epochs=400",))
    study.settings += ("search.workers=1",)
    process = study.start()
    checkpoints = folder / "out" / "faults" / "checkpoints"
    study.wait_until(lambda: any(checkpoints.glob("*.pt")), 300)
    before = study.look()
    process.kill()
    process.wait()
    file = next(checkpoints.glob("*.pt"))
    os.truncate(file, file.stat().st_size // 2)
    study.finish(study.start())
    told = "is not used, and the training starts anew" in study.said()
    return study.row("checkpoint cut short", 1, before, f"said so: {told}")
