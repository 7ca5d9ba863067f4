"""Files that cannot be written to their end are told in a sentence, and nothing of them is left."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "command",
    ["report tiny --out {}", "export tiny --no-train --output {}/best.py"],
    ids=["report", "export"],
)
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

    def files() -> list[str]:
        return [name for _, _, names in os.walk(tmp_path) for name in names]

    ended = run("ulimit -f 2;")
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("nas: ")
    assert "File too large" in ended.stderr
    assert files() == []
    ended = run("")
    assert ended.returncode == 0, ended.stderr
    assert not any(name.endswith(".part") for name in files())
    assert any(name in ("report.html", "best.pt") for name in files())
