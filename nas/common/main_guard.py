"""Scripts without a main guard: worker processes import the script that started them, and would
start the whole again."""

import multiprocessing
import os
import sys

#: exit status of a worker that ran into this
EXIT_NO_GUARD = 78


class NoGuardError(SystemExit):
    """Ends a script with a sentence and without a traceback."""


def no_guard() -> NoGuardError:
    """What is wrong with the script."""
    return NoGuardError(
        "nas: worker processes import the script that started them. Put what it does under "
        'the main guard, if __name__ == "__main__":, and run it again.'
    )


def leave_if_importing_main() -> None:
    """End this process if it is a worker that imports the script which is starting it."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(EXIT_NO_GUARD)


def refuse_standard_input() -> None:
    """NoGuardError if the script was read from standard input: workers cannot import it."""
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    if getattr(main, "__spec__", None) is None and file and not os.path.exists(file):
        raise NoGuardError(
            "nas: worker processes import the script that started them, and this one came from "
            'standard input. Write it to a file, under the main guard if __name__ == "__main__":, '
            "and run that."
        )
