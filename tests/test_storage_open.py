"""Storages are opened as people name them: waited for, without a lock to read, no password told."""

import logging
import os
import re
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage
from sqlalchemy.exc import OperationalError, ProgrammingError

import nas.common.waiting
import nas.storage.retry
from nas.common.errors import StudyError
from nas.common.waiting import Waiting, WaitingLock
from nas.search.study import create_study
from nas.storage import open as opening
from nas.storage.locks import locked
from nas.storage.open import open_storage
from nas.storage.reasons import is_refusal, reason
from nas.storage.url import hidden, parsed

SECRET = "s3cret"


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting is told of at once, and tried again soon."""
    monkeypatch.setattr(nas.common.waiting, "SILENT_SECONDS", 0.05)
    monkeypatch.setattr(nas.storage.retry, "FIRST_BACKOFF", 0.02)


# URLs and passwords.


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite://runs/nas.db", "two slashes.* write sqlite:///runs/nas.db for a file in this"),
        ("sqlite://home/me/nas.db", "sqlite:////home/me/nas.db for one from the root"),
        ("postgresql://me:s3cret@word@host/db", "write @ as %40"),
        ("postgresql://me:a@s3cret@host:5432/db?sslmode=require", "write @ as %40"),
        ("postgresql://me:pa/s3cret@x@host/db", "write @ as %40"),
        ("postgresql://host?password=s3cret@word", "write @ as %40"),
        ("postgresql://me@host:s3cret/db", "cannot be read"),
        ("postgresql://me:s3cret", "cannot be read"),
        ("postgresql:/me:s3cret@host/db", "no URL"),
    ],
)
def test_urls_that_can_be_misread_are_refused_with_the_way_on(url: str, words: str) -> None:
    with pytest.raises(StudyError, match=words) as refusal:
        open_storage(url, create=True)
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@host/db",
        "postgresql://me:%40s3cret%2F@host:5432/db",
        "postgresql://host/db?user=me&sslpassword=s3cret",
        "mysql://host/db?user=me&passwd=s3cret",
        "postgresql://host/db?passfile=s3cret&options=s3cret",
        "postgresql://me:p@s3cret@host/db",
        "postgresql://me:p?s3cret@host/db",
        "postgresql://host/db?password=x@s3cret",
        "postgresql://me:s3cret",
        "postgresql://host:s3cret",
        "postgresql:me:s3cret@host",
        "s3cret@host",
        "postgresql://me:p/s3cret@host/db?x=s3cret",
    ],
)
def test_nothing_of_a_password_is_shown(url: str) -> None:
    assert SECRET not in hidden(url)
    assert "host" in hidden(url) or "***" in hidden(url)


def test_urls_as_they_should_be_are_left_alone() -> None:
    assert parsed("postgresql://me:%40s@host/db?application_name=nas").password == "@s"
    assert parsed("sqlite:////tmp/a@b/nas.db").database == "/tmp/a@b/nas.db"
    assert hidden("sqlite:////tmp/a@b/nas.db") == "sqlite:////tmp/a@b/nas.db"
    assert hidden("postgresql://me@host:5432/db") == "postgresql://me@host:5432/db"


@pytest.mark.parametrize(
    ("message", "told", "is_final"),
    [
        ('failed to resolve host "s3cret"', "the name of the host is not known", True),
        ('FATAL: password authentication failed for user "s3cret"', "password is refused", True),
        ('FATAL: database "s3cret" does not exist', "there is no such database", True),
        ("connection to s3cret failed: Connection refused", "connection refused", False),
        ("FATAL: the database system is starting up s3cret", "the server is starting up", False),
        ('invalid connection option "s3cret"', "an option of the URL is none of", True),
        ('connection is bad: invalid sslmode value: "s3cret"', "an option of the URL", True),
        ('what nobody foresaw: "s3cret"', "Exception of the database's driver", False),
        ('relation "s3cret" does not exist', "there are no tables of Optuna", True),
    ],
)
def test_messages_of_drivers_are_told_in_our_words(message: str, told: str, is_final: bool) -> None:
    error = OperationalError("SELECT", {}, Exception(message))
    assert told in reason(error)
    assert SECRET not in reason(error)
    assert is_refusal(error) == is_final


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://me:s3cret@host/db", "its driver is not installed here (import of MySQLdb"),
        ("redis://:s3cret@host/0", "this kind of database is not known here"),
    ],
)
def test_a_driver_that_is_not_there(url: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "MySQLdb", None)
    with pytest.raises(StudyError, match=re.escape(told)) as refusal:
        open_storage(url)
    assert SECRET not in str(refusal.value)


def test_a_server_that_is_not_there_shows_no_password(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StudyError, match="connection refused") as refusal:
        open_storage("postgresql://me:s3cret@127.0.0.1:1/db?sslpassword=s3cret")
    assert refusal.value.__cause__ is None
    assert refusal.value.__context__ is None, "a traceback would show what the driver said"
    assert SECRET not in f"{refusal.value}{capfd.readouterr()}"


# Waiting.


class Server:
    """Something that cannot be reached for a while."""

    def __init__(self, times: int, message: str) -> None:
        self.left, self.message = times, message
        self.make = opening.made

    def __call__(self, *arguments: Any) -> Any:
        if self.left:
            self.left -= 1
            raise OperationalError("", {}, Exception(self.message))
        return self.make(*arguments)


@pytest.mark.parametrize("known", [False, True])
def test_the_first_connection_is_waited_for(
    known: bool, tmp_path: Path, soon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "made", Server(3, "Connection refused"))
    said: list[str] = []
    url = f"sqlite:///{tmp_path}/nas.db"
    assert open_storage(url, create=True, wait=said.append, known=known).get_all_studies() == []
    assert said == [
        "The storage does not answer (connection refused); waiting for it. Ctrl-C stops."
    ]


def test_what_refuses_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "made", Server(1, "password authentication failed"))
    with pytest.raises(StudyError, match="cannot be opened: the user or the password is refused"):
        open_storage(f"sqlite:///{tmp_path}/nas.db", create=True, wait=print)


def test_where_nobody_waits_it_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_storage(f"sqlite:///{tmp_path}/nas.db", create=True)
    monkeypatch.setattr(opening, "made", Server(1, "Connection refused"))
    with pytest.raises(StudyError, match="cannot be opened: connection refused"):
        open_storage(f"sqlite:///{tmp_path}/nas.db")


def test_a_lock_that_another_process_holds_is_told(tmp_path: Path, soon: None) -> None:
    said: list[str] = []
    storage = open_storage(f"sqlite:///{tmp_path}/nas.db", create=True, wait=said.append)
    held = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from filelock import FileLock\n"
            "with FileLock(sys.argv[1]): print('held', flush=True); time.sleep(0.5)",
            str(tmp_path / "nas.db.lock"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert held.stdout is not None
    held.stdout.readline()
    with locked(storage):
        pass
    assert held.wait() == 0
    assert said[-1:] == [
        f"Waiting for {tmp_path}/nas.db.lock, which another process has locked. Ctrl-C stops."
    ]


def test_a_database_that_another_process_writes_is_waited_for(
    tmp_path: Path, soon: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also by those who only read, and in slices, so that Ctrl-C is heard."""
    monkeypatch.setitem(opening.CONNECT, "sqlite", {"timeout": 0.1})
    url = f"sqlite:///{tmp_path}/nas.db"
    optuna.create_study(storage=open_storage(url, create=True), study_name="x")
    reader = open_storage(url)
    writer = sqlite3.connect(tmp_path / "nas.db", check_same_thread=False)
    writer.execute("BEGIN EXCLUSIVE")
    threading.Timer(0.6, writer.rollback).start()
    start = time.monotonic()
    assert [one.study_name for one in reader.get_all_studies()] == ["x"]
    assert time.monotonic() - start > 0.3
    assert "another process has locked it. Waiting for it. Ctrl-C stops." in caplog.text


def test_short_waits_are_silent() -> None:
    said: list[str] = []
    with Waiting("Waiting.", said.append):
        pass
    time.sleep(0.1)
    assert said == []


def test_by_default_waiting_is_told_on_the_error_output(
    tmp_path: Path, soon: None, caplog: pytest.LogCaptureFixture
) -> None:
    with WaitingLock(tmp_path / "lock"):
        other = threading.Thread(target=lambda: WaitingLock(tmp_path / "lock").__enter__())
        other.daemon = True
        other.start()
        deadline = time.monotonic() + 60
        while not caplog.records and time.monotonic() < deadline:
            time.sleep(0.05)
    other.join()
    assert caplog.record_tuples == [
        (
            "nas",
            logging.WARNING,
            f"Waiting for {tmp_path}/lock, which another process has locked. Ctrl-C stops.",
        )
    ]


# Reading.


def test_reading_takes_no_lock_and_makes_no_tables(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    sqlite3.connect(tmp_path / "nas.db").close()
    with pytest.raises(StudyError, match="there is no study here yet"):
        open_storage(url)
    assert os.listdir(tmp_path) == ["nas.db"]
    open_storage(url, create=True)
    (tmp_path / "nas.db.lock").unlink()
    with WaitingLock(tmp_path / "elsewhere"):
        assert open_storage(url).get_all_studies() == []
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "nas.db"]


#: exit status where nothing can be mounted
NO_MOUNT = 77
READ_ONLY = f"""
mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit {NO_MOUNT}
! touch "$1/x" 2> /dev/null || exit {NO_MOUNT}
cd "$1"
"$2" -c "$3" status && "$2" -c "$3" report --out "$4"
"""


def test_status_and_report_work_on_a_read_only_file_system(space: Any, tmp_path: Path) -> None:
    backend = open_storage(f"sqlite:///{tmp_path}/ro/runs/nas.db", create=True)
    create_study(backend, "tiny", space())
    command = ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", str(tmp_path / "ro")]
    command += [sys.executable, "from nas.cli import main; main()", str(tmp_path / "out")]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except FileNotFoundError:
        pytest.skip("there is no unshare")
    if ran.returncode == NO_MOUNT or "Operation not permitted" in ran.stderr:
        pytest.skip(f"nothing can be mounted: {ran.stderr}")
    assert ran.returncode == 0, ran.stderr
    assert "study tiny in sqlite:///runs/nas.db" in ran.stdout
    assert "the storage cannot be written to, so the dashboard shows no report" in ran.stderr
    assert (tmp_path / "out" / "tiny" / "report.html").exists()
    assert sorted(os.listdir(tmp_path / "ro" / "runs")) == ["nas.db", "nas.db.lock"]


def test_what_another_process_made_meanwhile_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Optuna notes the version of new tables also where it only reads them, and two may meet."""
    calls = []

    def opened(*arguments: Any, **options: Any) -> RDBStorage:
        calls.append(options)
        if len(calls) == 1:
            raise ProgrammingError("CREATE TABLE", {}, Exception("relation already exists"))
        return RDBStorage(*arguments, **options)

    monkeypatch.setattr(opening, "RDBStorage", opened)
    open_storage(f"sqlite:///{tmp_path}/nas.db", create=True)
    assert len(calls) == 2
