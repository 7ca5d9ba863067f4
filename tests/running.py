"""Searches in processes of their own: a long one, waited for, and gone."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import TINY

LONG = TINY.replace("epochs: 2", "epochs: 2000").replace("name: tiny", "name: long")


def wait_for(condition: Callable[[], Any], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


def only_zombies(group: int) -> bool:
    """Whether no process of a group runs; dead ones may wait for their parent."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            return False
    return True
