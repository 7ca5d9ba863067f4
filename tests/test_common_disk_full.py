"""Files that cannot be written to their end: told in a sentence, and nothing of them is left."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = pytest.mark.parametrize(
    "command",
    ["report tiny --out {}", "export tiny --no-train --output {}/best.py"],
    ids=["report", "export"],
)
#: the program, which gets a signal when it is about to end the writing of its second file
SIGNALLED = """
import os, sys
from nas.common import files

class System:
    written, number = 0, int(sys.argv.pop())
    def __getattr__(self, name):
        return getattr(os, name)
    def fsync(self, number):
        self.written += 1
        if self.written == 2:
            os.kill(os.getpid(), self.number)
        os.fsync(number)

files.os = System()
from nas.cli import main
main()
"""


def names_below(folder: Path) -> list[str]:
    return [name for _, _, names in os.walk(folder) for name in names]


@COMMANDS
def test_a_limit_on_the_size_of_files(
    command: str, searched: tuple[Path, str], tmp_path: Path
) -> None:
    """As a full disk does, it ends a file in its middle; afterwards the same command goes on."""

    def run(before: str) -> subprocess.CompletedProcess[str]:
        script = f'{before} exec "{sys.executable}" -m nas {command.format(tmp_path)}'
        return subprocess.run(
            ["sh", "-c", script],
            cwd=searched[0],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    ended = run("ulimit -f 2;")
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("nas: ")
    assert "File too large" in ended.stderr
    assert names_below(tmp_path) == []
    ended = run("")
    assert ended.returncode == 0, ended.stderr
    assert not any(name.endswith(".part") for name in names_below(tmp_path))
    assert any(name in ("report.html", "best.pt") for name in names_below(tmp_path))


@COMMANDS
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_signal_while_a_file_is_written(
    command: str, number: signal.Signals, searched: tuple[Path, str], tmp_path: Path
) -> None:
    """Killed, it leaves what it had begun, which is gone when it is given again."""

    def run(*program: str) -> int:
        given = [sys.executable, *program, *command.format(tmp_path).split()]
        if program[0] == "-c":
            given.append(str(int(number)))
        done = subprocess.run(
            given, cwd=searched[0], capture_output=True, text=True, timeout=300, check=False
        )
        assert "Traceback" not in done.stderr
        return done.returncode

    is_killed = number == signal.SIGKILL
    assert run("-c", SIGNALLED) == (-number if is_killed else 130)
    left = names_below(tmp_path)
    parts = [name for name in left if name.endswith(".part")]
    assert len(parts) == is_killed
    assert set(left) - set(parts) in ({"report.html"}, {"best.py"})
    assert run("-m", "nas") == 0
    assert not any(name.endswith(".part") for name in names_below(tmp_path))
    assert {"trials.csv", "best.pt"} & set(names_below(tmp_path))
