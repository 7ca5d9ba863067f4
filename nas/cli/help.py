"""How the help of the commands looks."""

from collections.abc import Callable

#: -h is --help, for every command
HELP = {"help_option_names": ["-h", "--help"]}


def summary(command: Callable[..., None]) -> str:
    """The first paragraph of a command's description, for the list of commands."""
    return " ".join((command.__doc__ or "").split("\n\n")[0].split())
