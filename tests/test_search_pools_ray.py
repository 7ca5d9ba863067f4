"""Workers that a real Ray cluster places: three nodes on this machine, of which one is killed."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import typer
from conftest import TINY
from optuna.trial import FrozenTrial, TrialState
from running import LONG, only_zombies, wait_for

from nas.cli import app
from nas.common.errors import StudyError
from nas.search.options import RayCluster
from nas.search.pools.ray import refuse_files, refuse_secrets
from nas.search.study import load_study
from nas.search.trial_attributes import CRASHES
from nas.storage.open import open_storage

NAS = Path(sys.executable).with_name("nas")
#: Ray's words for no usage statistics, and for the loopback address alone
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
#: what the parts of a cluster prove themselves with; Ray would make a file for it at home
TOKEN = "0123456789abcdef" * 2
NUM_TRIALS = 12


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Start `nas` in a folder with two spaces; killed at the end if it still runs."""
    started: list[subprocess.Popen] = []
    short = TINY.replace("epochs: 2", "epochs: 20").replace("name: tiny", "name: short")
    (tmp_path / "short.yaml").write_text(short)
    (tmp_path / "long.yaml").write_text(LONG)
    (tmp_path / "token").write_text(TOKEN)

    def run(*arguments: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [NAS, *arguments],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env=os.environ | QUIET | {"RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")},
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A head and two more nodes, each with room for one worker."""
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "token").write_text(TOKEN)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=node)
    made.second, made.third = made.add_node(num_cpus=1), made.add_node(num_cpus=1)
    yield made
    made.shutdown()


def process_tree(root: int) -> set[int]:
    """A process and all that descend from it."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def raylet(node: Any) -> int:
    return int(node.all_processes["raylet"][0].process.pid)


def has_mailbox(node: Any) -> bool:
    """Whether the search is a client of this node; with its own node it would die itself."""
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in process_tree(raylet(node))]
    return any(b"Mailbox" in line for line in lines)


def in_training(url: str, study: str, node: Any) -> FrozenTrial | None:
    """A trial that a worker of a node trains, with an epoch behind it."""
    there = process_tree(raylet(node))
    ours = [one for one in running(url, study) if one.last_step and pid_of(one) in there]
    return ours[0] if ours else None


def running(url: str, study: str) -> list[FrozenTrial]:
    """The trials that run; none before there is a study."""
    try:
        return load_study(open_storage(url), study).get_trials(states=(TrialState.RUNNING,))
    except StudyError:
        return []


def pid_of(trial: FrozenTrial) -> int:
    return int((trial.user_attrs.get("worker") or "::").split(":")[1] or -1)


def test_a_cluster_loses_a_worker_and_a_node_and_the_study_nothing(
    cluster: Any, start: Callable[..., subprocess.Popen], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/runs/nas.db"
    search = ("search", "short.yaml", "--trials", str(NUM_TRIALS), "--ray", cluster.address)
    process = start(*search, "--set", "search.duplicates=new_seed")
    victims: list[FrozenTrial] = []

    def stopped(node: Any) -> bool:
        """Whether a worker is held in the middle of a trial, so that it does not end it."""
        trial = in_training(url, "short", node)
        if trial is None:
            return False
        os.kill(pid_of(trial), signal.SIGSTOP)
        holds = any(pid_of(one) == pid_of(trial) for one in running(url, "short"))
        if holds:
            victims.append(trial)
        else:
            os.kill(pid_of(trial), signal.SIGCONT)
        return holds

    wait_for(lambda: stopped(cluster.head_node), 600)
    os.kill(pid_of(victims[0]), signal.SIGKILL)
    doomed = next(node for node in (cluster.second, cluster.third) if not has_mailbox(node))
    wait_for(lambda: stopped(doomed), 400)
    head = raylet(doomed)  # first: a worker that dies before its node has died by itself
    for pid in sorted(process_tree(head), key=lambda pid: pid != head):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert "Ray places 3 workers; 3 fit its 3 nodes now." in output
    assert "Traceback" not in output
    trials = load_study(open_storage(url), "short").get_trials()
    assert Counter(trial.state.name for trial in trials) == {"COMPLETE": NUM_TRIALS}
    assert all("result" in trial.user_attrs for trial in trials)
    crashed, lost = (trials[victim.number] for victim in victims)
    assert crashed.user_attrs["worker"] != victims[0].user_attrs["worker"]
    assert lost.user_attrs["worker"] != victims[1].user_attrs["worker"]
    assert crashed.system_attrs[CRASHES][0] == 1
    assert CRASHES not in lost.system_attrs, "a trial was blamed for the death of its node"


def test_ctrl_c_leaves_trials_due_and_no_ray_behind(
    start: Callable[..., subprocess.Popen], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/runs/nas.db"
    process = start("search", "long.yaml", "--trials", "2", "--ray", "--workers", "1")

    def states() -> set[str]:
        with suppress(StudyError):
            trials = load_study(open_storage(url), "long").get_trials(deepcopy=False)
            return {trial.state.name for trial in trials if trial.last_step or not trial.params}
        return set()

    wait_for(lambda: "RUNNING" in states() or process.poll() is not None, 600)
    rays = {pid for pid in process_tree(process.pid) if pid != process.pid}
    assert rays
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert states() == {"WAITING"}
    wait_for(lambda: only_zombies(process.pid) and not any(map(is_running, rays)), 120)


def is_running(pid: int) -> bool:
    with suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z"
    return False


def test_workers_are_counted_by_what_each_takes() -> None:
    node = {"CPU": 16.0, "GPU": 2.0, "memory": 64 * 2.0**30}
    assert RayCluster().num_workers(node) == 16
    assert RayCluster(cpus=2).num_workers(node) == 8
    assert RayCluster(cpus=0.1).num_workers(node) == 64, "each needs its memory"
    assert RayCluster(gpus=1).num_workers(node) == 2
    assert RayCluster(gpus=0.1).num_workers(node | {"GPU": 1.0}) == 10
    assert RayCluster(gpus=0.5).num_workers({"CPU": 16.0, "memory": 2.0**40}) == 0


def test_a_file_is_no_storage_for_several_machines() -> None:
    nodes = [{"NodeManagerHostname": os.uname().nodename}, {"NodeManagerHostname": "elsewhere"}]
    with pytest.raises(StudyError, match=r"there are other machines \(elsewhere\), and a study in"):
        refuse_files("sqlite:///runs/nas.db", nodes)
    refuse_files("sqlite:///runs/nas.db", nodes[:1])
    refuse_files("postgresql://user@host/nas", nodes)


def test_a_password_does_not_go_to_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://user:s3cret@host/nas"
    monkeypatch.setattr(sys, "argv", ["nas", "search", "digits", "--storage", url])
    with pytest.raises(StudyError, match="give the storage in the variable NAS_STORAGE") as error:
        refuse_secrets(url)
    assert "s3cret" not in str(error.value)
    monkeypatch.setattr(sys, "argv", ["nas", "search", "digits"])
    refuse_secrets(url)


@pytest.mark.parametrize(
    ("words", "address"),
    [
        (["digits", "--ray"], "local"),
        (["--ray", "--trials", "3", "digits"], "local"),
        (["digits", "--ray", "auto"], "auto"),
        (["digits", "--ray=10.0.0.1:6379"], "10.0.0.1:6379"),
        (["digits"], None),
    ],
)
def test_ray_stands_with_or_without_an_address(words: list[str], address: str | None) -> None:
    command = typer.main.get_command(app).commands["search"]  # type: ignore[attr-defined]
    assert command.make_context("search", list(words)).params["ray"] == address


def test_no_cluster_at_an_address_is_a_sentence(
    start: Callable[..., subprocess.Popen],
) -> None:
    process = start("search", "short.yaml", "--ray", "ray://127.0.0.1:1")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 2, output
    assert "nas: no Ray cluster can be joined at --ray ray://127.0.0.1:1" in output
