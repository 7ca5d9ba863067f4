"""`python -m nas`, and `nas`, are the command line.

Its imports take a second or two. Until they are there, Ctrl-C ends the process at once: there is
nothing to clean up, and libraries that are half imported turn the exception into others.
"""

import os
import signal
from types import FrameType


def main() -> None:
    """Run the command line."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # else somebody ignores it, as `nohup` does
        signal.signal(signal.SIGINT, leave)
    from nas.cli import main as run

    signal.signal(signal.SIGINT, before)
    run()


def leave(number: int, frame: FrameType | None) -> None:
    """End the process as the command line does."""
    try:
        os.write(2, b"Interrupted.\n")
    finally:
        os._exit(130)


if __name__ == "__main__":
    main()
