"""Classes of the user's own, or of packages, that a space names as package.module.Class."""

import importlib
import inspect
import os
import sys
from typing import Any, TypeVar

from nas.common.errors import UserError

#: how a class is written
CLASS_PATH = r"^[A-Za-z_][A-Za-z0-9_]{0,99}(\.[A-Za-z_][A-Za-z0-9_]{0,99}){1,20}$"
#: a class that a space names, and its arguments as JSON
Code = tuple[str, str]
T = TypeVar("T")


def import_class(class_path: str, key: str, base: type[T]) -> type[T]:
    """The class, looked for in the current folder too; UserError, which names the key of the space,
    where it cannot be imported or is no `base`."""
    module_name, _, name = class_path.rpartition(".")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # a user's own file beside the space
    try:
        kind = getattr(importlib.import_module(module_name), name)
    except Exception as error:  # the user's module can raise anything
        why = f"{type(error).__name__}: {error}"
        raise UserError(
            f"{key}: {class_path!r} cannot be imported ({why}); it was looked for in "
            f"'{os.getcwd()}' and the installed packages."
        ) from error
    if not inspect.isclass(kind) or not issubclass(kind, base):
        raise UserError(f"{key}: {class_path} {what_is_wrong(kind, base)}.")
    return kind


def what_is_wrong(kind: Any, base: type) -> str:
    """Why something is not a class of that base."""
    bases = inspect.getmro(kind) if inspect.isclass(kind) else ()
    if any(one.__module__.startswith("pytorch_lightning") for one in bases):
        return (
            "comes from the package pytorch_lightning, which does not mix with lightning; take "
            f"{base.__name__} from lightning.pytorch in its file"
        )
    return f"is not a {base.__name__} of lightning.pytorch"
