"""Scripts that start workers without a main guard end in one sentence that names it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import nas

space = nas.SearchSpace.load("digits", ["search.trials=1", "training.epochs=1", "payoff=null"])
nas.search(space, workers=1)
print("searched")
"""
GUARDED = SCRIPT.replace("\nspace", '\nif __name__ == "__main__":\n    space').replace(
    "\nnas.search", "\n    nas.search"
)


def run(folder: Path, script: str, *, piped: bool) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(script)
    return subprocess.run(
        [sys.executable, "-" if piped else "script.py"],
        cwd=folder,
        input=script if piped else None,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("piped", [False, True], ids=["a file", "standard input"])
def test_a_script_without_a_guard_ends_in_one_sentence(piped: bool, tmp_path: Path) -> None:
    ended = run(tmp_path, SCRIPT, piped=piped)
    assert ended.returncode == 1
    assert "searched" not in ended.stdout
    (line,) = ended.stderr.strip().splitlines()
    assert line.startswith("nas: worker processes import the script that started them")
    assert 'if __name__ == "__main__":' in line


def test_a_script_with_a_guard_searches(tmp_path: Path) -> None:
    ended = run(tmp_path, GUARDED, piped=False)
    assert ended.returncode == 0, ended.stderr
    assert "searched" in ended.stdout
