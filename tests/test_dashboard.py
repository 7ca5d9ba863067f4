"""optuna-dashboard on a study, by HTTP."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nas.report.dashboard import is_loopback

NAS = Path(sys.executable).with_name("nas")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return bytes(answer.read())


@pytest.fixture(scope="module")
def served(searched: tuple[Path, str]) -> Iterator[tuple[str, str]]:
    """The dashboard's address without its path, and what it said; ended by Ctrl-C."""
    port = free_port()
    process = subprocess.Popen(
        [NAS, "dashboard", "--port", str(port)],
        cwd=searched[0],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = process.stdout.readline()
    yield f"http://127.0.0.1:{port}", said
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in rest


def test_it_says_where_it_is(served: tuple[str, str]) -> None:
    url, said = served
    assert said == f"Study tiny: {url}/dashboard/studies/1  (Ctrl-C ends)\n"


def test_the_page_is_there(served: tuple[str, str]) -> None:
    assert b"Optuna Dashboard" in get(f"{served[0]}/dashboard/studies/1")


def study(url: str) -> Any:
    return json.loads(get(f"{url}/api/studies/1?after=0"))


def test_the_study_is_there(served: tuple[str, str]) -> None:
    studies = json.loads(get(f"{served[0]}/api/studies"))["study_summaries"]
    assert [one["study_name"] for one in studies] == ["tiny"]
    trials = study(served[0])["trials"]
    assert [trial["state"] for trial in trials] == ["Complete"] * 3


def test_every_trial_has_its_note_curve_and_architecture(served: tuple[str, str]) -> None:
    for trial in study(served[0])["trials"]:
        note = trial["note"]["body"]
        assert "| blocks | type | channels | stride | shortcut |" in note
        attrs = {one["key"]: one["value"] for one in trial["user_attrs"]}
        if "reused_from" not in attrs:
            assert "| epoch | training loss |" in note
        assert len(trial["intermediate_values"]) == 2
        assert "stages" in json.loads(attrs["candidate"])["architecture"]


def test_a_port_that_is_taken_is_told(searched: tuple[Path, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = subprocess.run(
            [NAS, "dashboard", "--port", str(port)],
            cwd=searched[0],
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert run.returncode == 2
    assert run.stderr.startswith(f"nas: cannot listen on 127.0.0.1:{port}: ")
    assert "--port" in run.stderr
    assert "Traceback" not in run.stderr


def exposed(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A dashboard on an address this machine does not have."""
    return subprocess.run(
        [NAS, "dashboard", "--host", "192.0.2.1", "--port", "8080", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_others_reach_it_only_where_that_is_said(searched: tuple[Path, str]) -> None:
    run = exposed(searched[0])
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("nas: 192.0.2.1 is reached from other machines")
    assert "no password" in run.stderr
    assert "add --expose" in run.stderr


def test_what_is_exposed_is_told(searched: tuple[Path, str]) -> None:
    run = exposed(searched[0], "--expose")
    assert run.returncode == 2
    assert "Warning: the dashboard listens on 192.0.2.1. It has no password" in run.stdout
    assert "delete every study in sqlite:///runs/nas.db: tiny" in run.stdout
    assert "cannot listen on 192.0.2.1:8080" in run.stderr


def test_loopback_addresses() -> None:
    assert is_loopback("127.0.0.1")
    assert is_loopback("localhost")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("")
    assert not is_loopback("no such host")
