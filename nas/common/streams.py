"""Standard streams that are closed, as services and job schedulers start programs."""

import os
import sys
from contextlib import suppress


def open_closed_streams() -> None:
    """Open the null device in the place of closed standard streams: files that are opened later
    would take their numbers, and get what is written to them."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):  # the lowest free number: this one
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
