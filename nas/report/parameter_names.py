"""Parameters of a search as the report calls them: stages and blocks are numbered from 1.

Keys of a space, and with them the parameters of its study, count from 0: `stages.0.shortcut` is the
shortcut of stage 1.
"""

import re
from collections.abc import Iterable


def label(name: str) -> str:
    """A parameter's name as it is shown."""
    block = re.fullmatch(r"stages\.(\d+)\.blocks\.(\d+)\.(.+)", name)
    if block:
        return f"{block[3]}, stage {int(block[1]) + 1}, block {int(block[2]) + 1}"
    match = re.fullmatch(r"stages\.(\d+)\.(.+)", name)
    return f"{match[2]}, stage {int(match[1]) + 1}" if match else name


def renamed(names: Iterable[str]) -> dict[str, str]:
    """Parameter -> what the report calls it, of those that it calls otherwise."""
    labels = {name: label(name) for name in names}
    return {name: text for name, text in labels.items() if text != name}
