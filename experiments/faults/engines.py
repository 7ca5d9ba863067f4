"""Several machines: a PostgreSQL server that goes down, a Ray cluster that loses a node."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from experiments.faults.commands import SHORT, ended
from experiments.faults.places import NotPermittedError
from experiments.faults.postgres import Postgres, programs
from experiments.faults.watched import Row, Watched, processes


def server_restarted(folder: Path, trials: int, seconds: float) -> Row:
    """PostgreSQL crashes under eight workers, four of them joined, and is away for a while."""
    if programs() is None:
        raise NotPermittedError("PostgreSQL's initdb is not installed")
    with Postgres() as server:
        study = Watched(folder, trials, storage=server.url)
        searching = study.start("--workers", "4")
        study.wait_until(study.rows)
        joined = study.start("--workers", "4", verb="worker")
        study.wait_until(lambda: study.look() >= trials // 3, 600)
        before = study.look()
        server.stop()
        time.sleep(seconds)
        server.start()
        statuses = [study.finish(process) for process in (searching, joined)]
        name = f"PostgreSQL away for {seconds:g} s, 8 workers"
        return study.row(name, 1, before, f"exit statuses {statuses}")


def ended_on_postgres(folder: Path, times: int) -> Row:
    """SIGKILL to everything, Ctrl-C and SIGTERM in turns, with the study on PostgreSQL."""
    if programs() is None:
        raise NotPermittedError("PostgreSQL's initdb is not installed")
    with Postgres() as server:
        study = Watched(folder, 5 * times, SHORT, storage=server.url)
        return ended(study, times, "on PostgreSQL")


def ended_on_ray(folder: Path, times: int) -> Row:
    """The same with workers that Ray places, on the two nodes of a cluster."""
    with three_nodes(folder) as cluster:
        quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_TOKEN_PATH": str(folder / "token")}
        study = Watched(folder, 5 * times, SHORT, environment=quiet)
        return ended(study, times, "on Ray", more=("--ray", cluster.address))


def node_lost(folder: Path, trials: int) -> Row:
    """One of three nodes of a Ray cluster is killed with all that runs on it."""
    with three_nodes(folder) as cluster:
        quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_TOKEN_PATH": str(folder / "token")}
        study = Watched(folder, trials, environment=quiet)
        process = study.start("--ray", cluster.address)
        study.wait_until(lambda: study.look() >= trials // 3, 600)
        before = study.look()
        doomed = next(tree for tree in map(tree_of, cluster.others) if not serves(tree))
        for pid in sorted(doomed):  # the raylet is the oldest: it goes first
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        status = study.finish(process)
        return study.row("a node of a Ray cluster killed", 1, before, f"exit status {status}")


@contextmanager
def three_nodes(folder: Path) -> Iterator[Any]:
    """A head and two more nodes on this machine, each with room for one worker."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_TOKEN_PATH": str(folder / "token")}
    try:
        from ray.cluster_utils import Cluster
    except ImportError as error:
        raise NotPermittedError("Ray is not installed") from error
    node = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    cluster.others = [cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)]
    try:
        yield cluster
    finally:
        cluster.shutdown()


def tree_of(node: Any) -> set[int]:
    """The raylet of a node, and all processes that descend from it."""
    found = {int(node.all_processes["raylet"][0].process.pid)}
    table = list(processes())
    while more := {pid for pid, parent, _, _ in table if parent in found} - found:
        found |= more
    return found


def serves(tree: set[int]) -> bool:
    """Whether the search is a client of a node: with its own node it would die itself."""
    return any(pid in tree and "Mailbox" in line for pid, _, _, line in processes())
