"""Names and what they stand for: one table for each kind of part."""

import inspect
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from functools import cache
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Registry(Generic[T]):
    """A table of named parts. The keyword-only parameters of a part are its options."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._parts: dict[str, T] = {}

    def add(self, name: str, part: T) -> T:
        """Enter a part; a second one of the same name is an error."""
        if name in self._parts:
            raise ValueError(f"{self.kind} {name!r} is registered twice.")
        self._parts[name] = part
        return part

    def register(self, name: str) -> Callable[[T], T]:
        """Enter the decorated function or class."""
        return lambda part: self.add(name, part)

    def __getitem__(self, name: str) -> T:
        if name not in self._parts:
            raise ValueError(unknown(self.kind, name, list(self._parts)))
        return self._parts[name]

    def __contains__(self, name: object) -> bool:
        return name in self._parts

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def options(self, name: str) -> dict[str, inspect.Parameter]:
        """Option name -> its parameter (annotation and default)."""
        part: Any = self[name]
        return keyword_only(part) if callable(part) else {}


@cache
def keyword_only(part: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The keyword-only parameters of a part; kept, as a check of a space asks often."""
    parameters = inspect.signature(part).parameters
    return {k: p for k, p in parameters.items() if p.kind is p.KEYWORD_ONLY}


def unknown(kind: str, name: object, known: list[str]) -> str:
    """The sentence for a name that is not in a table, with the nearest one that is."""
    if not known:
        return f"unknown {kind} {name!r}: there is none to give here."
    near = get_close_matches(str(name), known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r}: it can be {', '.join(known)}.{hint}"
