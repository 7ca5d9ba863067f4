"""Searches as containers, services and job schedulers start them: little is as it is at a desk."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import TINY
from running import wait_for

PYTHON = [sys.executable, "-m", "nas"]
SEARCH = [*PYTHON, "search", "tiny.yaml", "--trials", "1"]
#: exit status where nothing can be mounted
NO_MOUNT = 77
#: no memory to share, as with `docker run --read-only`
NO_SHARED_MEMORY = f"mount -t tmpfs -o ro tmpfs /dev/shm || exit {NO_MOUNT}\n"
#: nothing can be written but one folder, seen from a root of its own
READ_ONLY_ROOT = f"""
set -e
trap 'exit {NO_MOUNT}' EXIT
mount --bind / "$1/root"
mount -o remount,ro,bind "$1/root"
mount --rbind /proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs -o ro tmpfs "$1/root/dev/shm"
mount -t tmpfs tmpfs "$1/root/mnt"
cp tiny.yaml "$1/root/mnt"
trap - EXIT
shift
"""


def run(
    folder: Path, command: list[str], **changes: str | None
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder with a space; variables that are None are not set."""
    (folder / "tiny.yaml").write_text(TINY)
    given = os.environ | {"CUDA_VISIBLE_DEVICES": ""} | changes
    return subprocess.run(
        command,
        cwd=folder,
        env={key: value for key, value in given.items() if value is not None},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


def run_apart(folder: Path, script: str, *more: str) -> subprocess.CompletedProcess[str]:
    """The same with mounts of its own."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare")
    ended = run(folder, ["unshare", "--mount", "sh", "-c", script, "sh", *more])
    if ended.returncode == NO_MOUNT or "Operation not permitted" in ended.stderr:
        pytest.skip(f"nothing can be mounted: {ended.stderr}")
    return ended


def test_search_and_export_need_no_shared_memory(tmp_path: Path) -> None:
    python = " ".join(PYTHON)
    script = f"{NO_SHARED_MEMORY} {' '.join(SEARCH)} && {python} export tiny --seeds 2"
    ended = run_apart(tmp_path, script)
    assert ended.returncode == 0, ended.stderr
    assert "Wrote best.py, best.pt" in ended.stdout
    assert ended.stdout.count("test accuracy") == 2
    assert "Warning" not in ended.stderr, ended.stderr


def test_no_folder_for_temporary_files_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    search = f"{' '.join(PYTHON)} search /mnt/tiny.yaml --storage sqlite:////mnt/nas.db --out /mnt"
    script = READ_ONLY_ROOT + f'chroot "{tmp_path}/root" sh -c "cd / && {search}"'
    ended = run_apart(tmp_path, script, str(tmp_path))
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr
    assert ended.stderr.splitlines()[-1] == (
        "nas: there is no folder for temporary files that can be written, which worker processes "
        "need: name one in the variable TMPDIR."
    )


@pytest.mark.parametrize("home", [None, "/nonexistent"], ids=["no home", "a home that is none"])
def test_a_bare_environment_is_enough(home: str | None, tmp_path: Path) -> None:
    """No home, no folder for temporary files where TMPDIR says, the plainest locale, few files."""
    folder = tmp_path / "größe"
    folder.mkdir()
    command = ["sh", "-c", f"ulimit -n 32; exec {' '.join(SEARCH)} --out ausgänge"]
    bare = {"TMPDIR": "/nonexistent", "LANG": None, "LC_ALL": "C", "USER": None, "TERM": None}
    ended = run(folder, command, HOME=home, **bare)
    assert ended.returncode == 0, ended.stderr
    assert "Report: ausgänge/tiny/report.html" in ended.stdout
    assert "Traceback" not in ended.stderr, ended.stderr


def test_closed_streams_are_no_files_of_the_search(tmp_path: Path) -> None:
    closed = "<&- >&- 2>&-"
    commands = [f"{' '.join(SEARCH)} {closed}", f"{' '.join(PYTHON)} export --seeds 1 {closed}"]
    ended = run(tmp_path, ["sh", "-c", " && ".join(commands)])
    assert ended.returncode == 0
    assert (tmp_path / "runs" / "tiny" / "report.html").exists()
    assert (tmp_path / "best.py").exists()
    assert run(tmp_path, ["sh", "-c", f"{' '.join(PYTHON)} status nope {closed}"]).returncode == 2


def test_a_program_without_an_output_searches(tmp_path: Path) -> None:
    """`pythonw` and services have no `sys.stdout` at all."""
    script = (
        "import sys; sys.stdout = None\n"
        "from nas.search.progress import lasting_console\n"
        "lasting_console().print('a line')"
    )
    ended = run(tmp_path, [sys.executable, "-c", script])
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.fixture
def few_processes() -> Iterator[Path]:
    """A control group of two processes and threads."""
    groups = [Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")]
    folder = next((one for one in groups if one.is_dir()), groups[0]) / f"nas-{os.getpid()}"
    try:
        folder.mkdir()
        (folder / "pids.max").write_text("2")
    except OSError as error:
        pytest.skip(f"no control group can be made: {error}")
    yield folder
    wait_for(lambda: not (folder / "cgroup.procs").read_text(), 60)
    with suppress(OSError):
        folder.rmdir()


def test_too_few_processes_are_a_sentence(few_processes: Path, tmp_path: Path) -> None:
    """OpenBLAS, where it starts threads at its import, has a sentence of its own and exits."""
    enter = f"echo $$ > {few_processes}/cgroup.procs; exec {' '.join(SEARCH)}"
    ended = run(tmp_path, ["sh", "-c", enter], OPENBLAS_NUM_THREADS="1")
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr
    line = ended.stderr.splitlines()[-1]
    assert line.startswith("nas: no more processes or threads can be started here: ")
