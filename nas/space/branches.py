"""Walking through a space without Optuna: counting, listing and checking what it holds."""

import math
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
#: a parameter's name and values -> those to try, each with the number of values it stands for
Groups = Callable[[str, "Values"], list[tuple[Any, float]]]


class Values:
    """All values of a parameter, and how many there are (infinity for a continuous range)."""

    def __init__(self, items: Any, size: float | None = None) -> None:
        self.items = items
        self.size = len(items) if size is None else size

    def __str__(self) -> str:
        items = list(self.items)
        if self.size == math.inf:
            return f"{items[0]} to {items[-1]}"
        if len(items) > 8 and not isinstance(items[0], str):
            return f"{items[0]}, {items[1]}, …, {items[-1]}"
        return ", ".join(str(item) for item in items)


class Walker:
    """Stands in for a trial, and at each parameter takes the branch that `path` says."""

    def __init__(self, path: list[int], groups: Groups) -> None:
        self.path = path
        self.groups = groups
        self.sizes: list[int] = []
        self.parameters: dict[str, Values] = {}
        self.values: dict[str, Any] = {}
        self.weight: float = 1

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return self._take(name, Values(list(choices)))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        return self._take(name, Values(range(low, high + 1, step)))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        if step is None:
            return self._take(name, Values([low, high], math.inf))
        count = math.floor((high - low) / step + 1e-9) + 1
        return self._take(name, Values([low + index * step for index in range(min(count, 1000))], count))

    def _take(self, name: str, values: Values) -> Any:
        self.parameters[name] = values
        options = self.groups(name, values)
        place = len(self.sizes)
        self.sizes.append(len(options))
        value, weight = options[self.path[place] if place < len(self.path) else 0]
        self.weight *= weight
        if len(options) > 1:
            self.values[name] = value
        return value


def walk(run: Callable[[Walker], T], groups: Groups) -> Iterator[tuple[Walker, T]]:
    """Every branch of a function that draws from a trial, with what it returned."""
    path: list[int] = []
    while True:
        walker = Walker(path, groups)
        yield walker, run(walker)
        taken = path + [0] * (len(walker.sizes) - len(path))
        while taken and taken[-1] + 1 == walker.sizes[len(taken) - 1]:
            taken.pop()
        if not taken:
            return
        taken[-1] += 1
        path = taken


def every(name: str, values: Values) -> list[tuple[Any, float]]:
    """Branch on all values."""
    return [(item, 1) for item in values.items]


def ends(name: str, values: Values) -> list[tuple[Any, float]]:
    """Branch on all names, but of numbers only on the smallest and the largest."""
    items = list(values.items)
    if isinstance(items[0], str):
        return every(name, values)
    return [(item, 1) for item in dict.fromkeys((min(items), max(items)))]


def shapes(name: str, values: Values) -> list[tuple[Any, float]]:
    """Branch on what decides which parts exist or coincide; count the rest without branching.

    Of a depth it matters only whether it is one: then a stage may hold nothing but a transition.
    """
    key = name.rpartition(".")[2]
    if key == "depth" and values.size > 1 and 1 in values.items:
        return [(1, 1), (next(item for item in values.items if item != 1), values.size - 1)]
    if key in ("shortcut", "transition", "stride", "width", "block", "stem", "norm"):
        return every(name, values)
    return [(values.items[0], values.size)]


def forms_of_stage(index: int, name: str, values: Values) -> list[tuple[Any, float]]:
    """Branch on what gives one stage its form; other stages keep theirs, strides are the largest."""
    key = name.rpartition(".")[2]
    if key == "stride":
        return [(max(values.items), 1)]
    elsewhere = name.startswith("stages.") and not name.startswith(f"stages.{index}.")
    if elsewhere or key in ("depth", "shortcut", "transition", "activation_order", "activation"):
        return [(values.items[0], 1)]
    return every(name, values)
