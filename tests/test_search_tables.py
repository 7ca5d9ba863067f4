"""docs/tables.md as it stands: a CSV file, two workers, twins, report and export."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")


def test_a_table_of_ones_own_in_five_minutes(tmp_path: Path) -> None:
    blocks = re.findall(r"```(bash|yaml|python)\n(.+?)```", PAGE, flags=re.DOTALL)
    (_, made), (_, space), (_, commands), (_, program) = blocks
    (tmp_path / "mine.yaml").write_text(space, encoding="utf-8")
    (tmp_path / "use.py").write_text(program, encoding="utf-8")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-ec", f"{made}{commands}python use.py"],
        cwd=tmp_path,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Features: 13, from 13 columns of numbers; to be predicted is one of 3" in done.stdout
    assert re.search(r"\['\d', '\d', '\d'\]$", done.stdout.strip())
    report = (tmp_path / "runs" / "mine" / "report.md").read_text(encoding="utf-8")
    assert "gradient boosting with its defaults" in report
    assert "pictures" not in report
    card = (tmp_path / "best.md").read_text(encoding="utf-8")
    assert "Trained on all 142 rows outside the test split" in card
