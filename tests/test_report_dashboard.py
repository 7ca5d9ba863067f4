"""optuna-dashboard on a study, by HTTP."""

import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nas.report.own_page import is_loopback, served_names

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
        assert "| stage | blocks | type | channels | stride | shortcut |" in note
        attrs = {one["key"]: one["value"] for one in trial["user_attrs"]}
        if "reused_from" not in attrs:
            assert "| epoch | training loss |" in note
        assert len(trial["intermediate_values"]) == 2
        assert "stages" in json.loads(attrs["candidate"])["architecture"]


def test_the_note_says_what_parameters_are_called_in_the_report(served: tuple[str, str]) -> None:
    found = study(served[0])
    assert "| `stages.0.shortcut` | shortcut, stage 1 |" in found["note"]["body"]
    names = {one["name"] for one in found["union_search_space"]}
    assert "stages.0.shortcut" in names, "stored names stay as they are"


def test_the_trial_page_is_no_wider_than_the_window(served: tuple[str, str]) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no chromium here")
    flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(120_000)
        page.goto(f"{served[0]}/dashboard/studies/1/trials?numbers=0")
        page.get_by_text("candidate {").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") == 1400
        browser.close()


# Requests of other pages


def ask(url: str, method: str, path: str, **headers: str) -> tuple[int, str]:
    """Status and text of a request with these headers, of which underscores are dashes."""
    address = url.removeprefix("http://")
    connection = http.client.HTTPConnection(address, timeout=30)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, path, headers={"Host": address, **given})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "localhost.evil.example:{port}",
        "127.0.0.1.evil.example",
    ]
    + ["127.0.0.1@evil.example", "localhost,evil.example", "192.0.2.1:{port}", "", "127.0.0.1:x"],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
def test_a_name_that_leads_here_is_refused(served: tuple[str, str], host: str, method: str) -> None:
    """The page of a name that its owner has rebound to this machine."""
    host = host.format(port=served[0].rpartition(":")[2])
    for path in ("/api/studies", "/api/studies/1", "/dashboard", "/static/bundle.js"):
        status, said = ask(served[0], method, path, Host=host, Origin=f"http://{host}")
        assert status == 403
        assert method == "HEAD" or said.startswith("This dashboard is not served under that name")


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "127.0.0.1", "[::1]"])
def test_the_names_of_this_machine_are_served_at_any_port(
    served: tuple[str, str], name: str
) -> None:
    """`ssh -L 9999:localhost:8080` makes another one of it."""
    for host in (name, f"{name}:9999"):
        assert ask(served[0], "GET", "/api/studies", Host=host)[0] == 200


FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:3000"},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "http://[broken"},
    {"Referer": "http://evil.example/x?http://{own}/"},
    {"Referer": "http://{own}@evil.example/"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site", "Origin": "http://{own}"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/api/studies/1"), ("POST", "/api/studies"), ("PUT", "/api/studies/1/note")],
)
def test_a_change_that_another_page_asks_for_is_refused(
    served: tuple[str, str], headers: dict[str, str], method: str, path: str
) -> None:
    own = served[0].removeprefix("http://")
    given = {name: value.format(own=own) for name, value in headers.items()}
    status, said = ask(served[0], method, path, **given)
    assert (status, said[:12]) == (403, "Another page")
    assert study(served[0])["name"] == "tiny"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "{url}", "Sec_Fetch_Site": "same-origin"},
        {"Referer": "{url}/dashboard/studies/1"},
        {"Host": "localhost:9999", "Origin": "http://localhost:9999"},
        {"Sec_Fetch_Site": "none"},
        {},
    ],
    ids=str,
)
def test_the_page_itself_and_programs_may_change(
    served: tuple[str, str], headers: dict[str, str]
) -> None:
    given = {name: value.format(url=served[0]) for name, value in headers.items()}
    assert ask(served[0], "DELETE", "/api/studies/999", **given)[0] == 404


def test_no_other_page_frames_it_or_takes_parts_of_it(served: tuple[str, str]) -> None:
    with urllib.request.urlopen(f"{served[0]}/dashboard", timeout=30) as answer:
        assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_names_of_exposed_dashboards() -> None:
    one, every = served_names("nas.example"), served_names("0.0.0.0")
    assert one("nas.example")
    assert not any(map(one, ("evil.example", "localhost", "192.0.2.1", "")))
    assert all(
        map(every, ("192.0.2.1", "[2001:db8::1]", "localhost", socket.gethostname().lower()))
    )
    assert not any(map(every, ("evil.example", "")))
    assert served_names("::1")("[::1]")


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
