"""Faults injected into real searches, the short form; the long one is experiments/faults/run.py."""

from pathlib import Path

import pytest

from experiments.faults.places import NotPermittedError
from experiments.faults.run import SHORT


@pytest.mark.parametrize("name", SHORT)
def test_nothing_is_lost_twice_or_hung(name: str, tmp_path: Path) -> None:
    try:
        row = SHORT[name](tmp_path)
    except NotPermittedError as error:
        pytest.skip(str(error))
    assert row.clean, row
    assert not any(word in row.note for word in ("NOT", "False", "None", "TRACEBACK")), row
