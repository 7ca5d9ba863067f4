"""Plugins: modules of the user's own that register parts when they are imported."""

import hashlib
import importlib
import os
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from nas.common.errors import UserError

#: the entry points by which installed packages name their plugins: these are always imported
GROUP = "nas.plugins"
#: how a plugin is named: package.module
MODULE = r"^[A-Za-z_][A-Za-z0-9_]{0,99}(\.[A-Za-z_][A-Za-z0-9_]{0,99}){0,20}$"

#: plugin -> the start of the SHA-256 of its file, of all that this process imported
_imported: dict[str, str] = {}


def import_plugins(names: Iterable[str]) -> None:
    """Import plugins, from the current folder or installed; UserError where one cannot be."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # a user's own file beside the space
    for name in names:
        if name not in _imported:
            _import(name)


@cache
def import_installed_plugins() -> None:
    """Import the plugins of installed packages, once."""
    import_plugins(entry.module for entry in entry_points(group=GROUP))


def imported_plugins() -> dict[str, str]:
    """Plugin -> the start of the SHA-256 of its file, of all that this process imported."""
    return dict(_imported)


def _import(name: str) -> None:
    try:
        file = importlib.import_module(name).__file__
    except Exception as error:  # the user's module can raise anything
        why = f"{type(error).__name__}: {error}"
        raise UserError(
            f"plugin {name!r} cannot be imported ({why}); it was looked for in '{os.getcwd()}' "
            "and the installed packages."
        ) from error
    _imported[name] = hashlib.sha256(Path(file).read_bytes()).hexdigest()[:12] if file else ""
