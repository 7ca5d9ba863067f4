"""The loggers and callbacks of the user's own that a space names, as data."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nas.common.class_paths import Code


@dataclass(frozen=True)
class Watchers:
    """Lightning's loggers and callbacks for every training, each as its class and arguments."""

    loggers: tuple[Code, ...] = ()
    callbacks: tuple[Code, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.loggers or self.callbacks)

    @property
    def code(self) -> frozenset[Code]:
        """What is run."""
        return frozenset(self.loggers + self.callbacks)


def codes(named: Iterable[Any]) -> tuple[Code, ...]:
    """Sections with `class_path` and `init_args` as classes with arguments in JSON."""
    return tuple((one.class_path, json.dumps(one.init_args, sort_keys=True)) for one in named)
