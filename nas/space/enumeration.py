"""Walking through a space without Optuna: counting, listing and checking what it holds."""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, product
from typing import Any, TypeVar

T = TypeVar("T")
#: a parameter's name and values -> those to try, each with the number of values it stands for
Groups = Callable[[str, "Values"], Sequence[tuple[Any, float]]]
#: values that stand for a continuous range
SPREAD = 33


class Values:
    """All values of a parameter, and how many there are (infinity for a continuous range)."""

    def __init__(self, items: Any, size: float | None = None, *, ranged: bool = False) -> None:
        self.items = items
        self.size = len(items) if size is None else size
        self.ranged = ranged

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

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        return self._take(name, Values(range(low, high + 1, step), ranged=True))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        if step is None:
            between = [low + (high - low) * index / (SPREAD - 1) for index in range(SPREAD - 1)]
            return self._take(name, Values([*between, high], math.inf, ranged=True))
        count = math.floor((high - low) / step + 1e-9) + 1
        items = [low + index * step for index in range(min(count, 1000))]
        return self._take(name, Values(items, count, ranged=True))

    def _take(self, name: str, values: Values) -> Any:
        self.parameters[name] = values
        options = self.groups(name, values)
        place = len(self.sizes)
        self.sizes.append(len(options))
        value, weight = options[self._branch(place, len(options))]
        self.weight *= weight
        if len(options) > 1:
            self.values[name] = value
        return value

    def _branch(self, place: int, count: int) -> int:
        return self.path[place] if place < len(self.path) else 0


class Draw(Walker):
    """A walker that takes branches at random."""

    def __init__(self, generator: random.Random, groups: Groups) -> None:
        super().__init__([], groups)
        self.generator = generator

    def _branch(self, place: int, count: int) -> int:
        return self.generator.randrange(count)


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


def some(run: Callable[[Walker], T], groups: Groups, most: int) -> Iterator[tuple[Walker, T]]:
    """Every branch; where there are more than `most`, the first ones and as many at random."""
    walked = walk(run, groups)
    yield from islice(walked, most)
    if next(walked, None) is None:
        return
    generator = random.Random(0)
    for _ in range(most):
        walker = Draw(generator, groups)
        yield walker, run(walker)


class Each(Sequence[tuple[Any, float]]):
    """All values, each for itself; not written out, as a range may be long."""

    def __init__(self, items: Any) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        return self.items[index], 1


def every(name: str, values: Values) -> Sequence[tuple[Any, float]]:
    """Branch on all values."""
    return Each(values.items)


def ends(name: str, values: Values) -> Sequence[tuple[Any, float]]:
    """Branch on all names, but of numbers only on the smallest and the largest."""
    items = values.items
    if isinstance(items[0], str):
        return every(name, values)
    if values.ranged:
        return [(items[0], 1), (items[-1], 1)]
    return [(item, 1) for item in dict.fromkeys((min(items), max(items)))]


def largest(run: Callable[[Walker], T], score: Callable[[T], Any]) -> T:
    """The result of the largest score, found by changing one parameter after another."""

    def take(choices: dict[str, Any], end: int) -> tuple[dict[str, Any], dict[str, Values], T]:
        made: dict[str, Any] = {}

        def one(name: str, values: Values) -> Sequence[tuple[Any, float]]:
            made[name] = choices.get(name, ends(name, values)[end][0])
            return [(made[name], 1)]

        walker = Walker([], one)
        return made, walker.parameters, run(walker)

    chosen, parameters, best = take({}, 0)
    improved = True
    while improved:
        improved = False
        for name, values in list(parameters.items()):
            for (item, _), end in product(ends(name, values), (0, -1)):
                tried = take(chosen | {name: item}, end)
                if score(tried[2]) > score(best):
                    (chosen, parameters, best), improved = tried, True
    return best


def shapes(name: str, values: Values) -> Sequence[tuple[Any, float]]:
    """Branch on what decides which parts exist or coincide; count the rest without branching.

    Of a depth it matters only whether it is one: then a stage may hold nothing but a transition.
    """
    key = name.rpartition(".")[2]
    if key == "depth" and values.size > 1 and 1 in values.items:
        return [(1, 1), (next(item for item in values.items if item != 1), values.size - 1)]
    if key in ("shortcut", "transition", "stride", "width", "block", "stem", "norm"):
        return every(name, values)
    return [(values.items[0], values.size)]


def forms_of_stage(index: int, name: str, values: Values) -> Sequence[tuple[Any, float]]:
    """Branch on what gives one stage its form; others keep theirs, strides are the largest."""
    key = name.rpartition(".")[2]
    if key == "stride":
        return [(max(values.items), 1)]
    elsewhere = name.startswith("stages.") and not name.startswith(f"stages.{index}.")
    if elsewhere or key in ("depth", "shortcut", "transition", "activation_order", "activation"):
        return [(values.items[0], 1)]
    return every(name, values)
