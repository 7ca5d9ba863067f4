"""Studies on a real PostgreSQL server: many processes, a restart, deaths, and no password told."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import TINY
from optuna.trial import FrozenTrial, TrialState
from running import LONG, only_zombies, wait_for
from sqlalchemy import make_url

from experiments.faults.postgres import Postgres, programs
from nas.common.errors import StudyError
from nas.search.stale_trials import HEARTBEAT_TIMEOUT, StaleTrialMonitor
from nas.search.study import NUM_TRIALS, create_study, load_study
from nas.space.space import SearchSpace
from nas.storage.open import open_storage

pytestmark = pytest.mark.skipif(programs() is None, reason="PostgreSQL's initdb is not installed")
NAS = str(Path(sys.executable).with_name("nas"))
SHORT = TINY.replace("epochs: 2", "epochs: 10")
#: a command runs with process numbers of its own, as on another machine
ELSEWHERE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres() as running:
        yield running


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Start `nas` in a folder with two spaces; what is left of it at the end is killed."""
    started: list[subprocess.Popen] = []
    (tmp_path / "short.yaml").write_text(SHORT.replace("name: tiny", "name: short"))

    def run(*arguments: str, before: tuple[str, ...] = (), **environment: str) -> subprocess.Popen:
        log = (tmp_path / f"output-{len(started)}").open("w")
        process = subprocess.Popen(
            [*before, NAS, *arguments, "--out", "out"],
            cwd=tmp_path,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | {"NAS_DATA_DIR": str(tmp_path)} | environment,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def outputs(folder: Path) -> list[str]:
    """What the commands said, in the order they were started."""
    files = sorted(folder.glob("output-*"), key=lambda file: int(file.name.rpartition("-")[2]))
    return [file.read_text() for file in files]


def trials_of(url: str, study: str) -> list[FrozenTrial]:
    """The trials of a study; none while it is not there."""
    try:
        return load_study(open_storage(url), study).get_trials(deepcopy=False)
    except StudyError:
        return []


def num_finished(url: str, study: str) -> int:
    return sum(trial.state.is_finished() for trial in trials_of(url, study))


def command_lines() -> dict[int, str]:
    """Process -> its command line, of every process of this machine."""
    found = {}
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found[int(file.parent.name)] = file.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


def assert_complete(trials: list[FrozenTrial], number: int) -> None:
    """As many trials as were asked for, each finished with its own result."""
    assert Counter(trial.state.name for trial in trials) == {"COMPLETE": number}
    assert sorted(trial.number for trial in trials) == list(range(number))
    assert all("result" in trial.user_attrs for trial in trials)


def test_eight_workers_outlive_a_restart_of_the_server_and_tell_no_password(
    start: Callable[..., subprocess.Popen], tmp_path: Path
) -> None:
    with Postgres() as server:
        url = server.url
        search = ("search", "short.yaml", "--trials", "48", "--workers", "2")
        coordinator = start(*search, "--storage", url, "--set", "search.duplicates=new_seed")
        wait_for(lambda: trials_of(url, "short"))
        joined = [
            start("worker", "short", "--workers", "3", "--storage", url),
            start("worker", "short", "--workers", "3", NAS_STORAGE=url),
        ]
        wait_for(lambda: len({t.user_attrs.get("worker") for t in trials_of(url, "short")}) >= 8)
        typed = {coordinator.pid, joined[0].pid}
        told = {pid for pid, line in command_lines().items() if server.password in line}
        assert told == typed, "a password in the command line of a process nobody typed it for"
        server.stop("immediate")
        time.sleep(4)
        server.start()
        assert num_finished(url, "short") < 48, "the server was restarted too late"
        for process in (coordinator, *joined):
            process.wait(timeout=180)
        trials = trials_of(url, "short")
        study = load_study(open_storage(url), "short")
        attributes = [study.user_attrs, *(trial.user_attrs for trial in trials)]
        attributes.append(study._storage.get_study_system_attrs(study._study_id))
    said = outputs(tmp_path)
    assert [process.returncode for process in (coordinator, *joined)] == [0, 0, 0], said
    assert_complete(trials, 48)
    finished = re.findall(r"^\[search \d+/48\] trial (\d+):", said[0], flags=re.MULTILINE)
    assert sorted(map(int, finished)) == list(range(48)), "each told once, none twice"
    assert any("The storage does not answer" in output for output in said)
    assert not any("Traceback" in output for output in said)
    assert server.password not in f"{said} {attributes}"
    files = [file for file in (tmp_path / "out").rglob("*") if file.is_file()]
    assert {"report.html", "report.md"} <= {file.name for file in files}
    assert [file for file in files if server.password.encode() in file.read_bytes()] == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "wr@ng"}, "the user or the password is refused.* write @ as %40"),
        ({"database": "none"}, "there is no such database"),
        ({"host": "none.invalid"}, "the name of the host is not known"),
        ({"query": {"sslmode": "verify-full"}}, "no encrypted connection comes about"),
        ({"query": {"passwd": "wr@ng"}}, "an option of the URL is none of the driver's"),
    ],
)
def test_what_a_server_refuses_is_told_at_once_and_nothing_of_a_password(
    change: dict[str, Any], words: str, server: Postgres
) -> None:
    url = make_url(server.url).set(**change).render_as_string(hide_password=False)
    with pytest.raises(StudyError, match=words) as refusal:
        open_storage(url, wait=print)
    assert "wr" not in str(refusal.value).replace("Write", "").replace("write", "")
    assert server.password not in str(refusal.value)


def test_a_server_that_starts_later_is_waited_for() -> None:
    with Postgres() as server:
        with pytest.raises(StudyError, match="there is no study here yet"):
            open_storage(server.url)
        open_storage(server.url, create=True)
        server.stop()
        threading.Timer(3.0, server.start).start()
        said: list[str] = []
        assert open_storage(server.url, wait=said.append).get_all_studies() == []
    assert said == [
        "The storage does not answer (connection refused); waiting for it. Ctrl-C stops."
    ]


def test_two_searches_of_one_study_at_once_make_what_was_asked_for(
    start: Callable[..., subprocess.Popen], server: Postgres, tmp_path: Path
) -> None:
    """Into an empty database, so that both come to make the tables."""
    arguments = ("search", "short.yaml", "--trials", "9", "--study", "both", "--workers", "1")
    both = [start(*arguments, NAS_STORAGE=server.url) for _ in range(2)]
    statuses = [process.wait(timeout=120) for process in both]
    assert statuses == [0, 0], outputs(tmp_path)
    assert_complete(trials_of(server.url, "both"), 9)


@pytest.fixture
def running(
    start: Callable[..., subprocess.Popen], server: Postgres, space: Callable[..., SearchSpace]
) -> Callable[..., tuple[subprocess.Popen, Any]]:
    """Join a study of two long trials with a worker for each; return when both are in training."""

    def join(name: str, *before: str) -> tuple[subprocess.Popen, Any]:
        study = create_study(open_storage(server.url, create=True), name, space(text=LONG))
        study.set_user_attr(NUM_TRIALS, 2)
        process = start("worker", name, "--workers", "2", before=before, NAS_STORAGE=server.url)
        wait_for(lambda: in_training(study) == [0, 1])
        return process, study

    return join


def in_training(study: Any) -> list[int]:
    """Numbers of the trials that run and have an epoch behind them."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return [trial.number for trial in running if trial.last_step]


def due(study: Any) -> list[int]:
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    return [trial.number for trial in waiting]


def test_ctrl_c_of_who_joined_leaves_cleanly(running: Any) -> None:
    process, study = running("left")
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) == 130
    wait_for(lambda: only_zombies(process.pid), 20)
    assert {0, 1} <= set(due(study))


def test_who_is_killed_on_this_machine_is_noticed_at_once(running: Any) -> None:
    process, study = running("killed")
    os.killpg(process.pid, signal.SIGKILL)
    wait_for(lambda: only_zombies(process.pid))
    StaleTrialMonitor(study._storage).check(study.get_trials(deepcopy=False))
    assert {0, 1} <= set(due(study))


def can_be_elsewhere() -> bool:
    return subprocess.run([*ELSEWHERE, "true"], capture_output=True, check=False).returncode == 0


def test_who_is_killed_on_another_machine_is_noticed_by_its_silence(running: Any) -> None:
    """Its process numbers mean nothing here. The watch's clock runs fast, by leaps of a second."""
    if not can_be_elsewhere():
        pytest.skip("unshare --pid is not permitted here")
    process, study = running("elsewhere", *ELSEWHERE)
    seconds = iter(range(10_000))
    monitor = StaleTrialMonitor(study._storage, clock=lambda: float(next(seconds)))
    os.killpg(process.pid, signal.SIGKILL)
    wait_for(lambda: only_zombies(process.pid))
    for _ in range(int(HEARTBEAT_TIMEOUT)):
        monitor.check(study.get_trials(deepcopy=False))
    assert not {0, 1} & set(due(study)), "given up before its time"
    monitor.check(study.get_trials(deepcopy=False))
    monitor.check(study.get_trials(deepcopy=False))
    assert {0, 1} <= set(due(study))
