"""Enumerating a space without Optuna: what counts, lists and checks the candidates it holds."""

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, product
from typing import Any, TypeVar

from nas.common.registry import Registry
from nas.model.blocks import ACTIVATIONS, ORDERS
from nas.model.initialisations import INITIALISATIONS

T = TypeVar("T")
#: a parameter's name and values -> those to try, each with the number of values it stands for
Branches = Callable[[str, "Values"], Sequence[tuple[Any, float]]]
#: keys that decide which parts and options of parts exist, or coincide
DECIDING = frozenset(
    ("shortcut", "transition", "stride", "width", "from", "to", "block", "stem", "norm", "join")
    + ("optimizer", "schedule", "compression", "streams")
)
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


class EnumeratingTrial:
    """In place of an Optuna trial: at each parameter it takes the value whose index `path` says.

    It keeps what it was asked for: all parameters with their values, those of several values with
    the one taken, and how many candidates this one stands for (weight).
    """

    def __init__(self, path: list[int], branches: Branches) -> None:
        self.path = path
        self.branches = branches
        self.sizes: list[int] = []
        self.parameters: dict[str, Values] = {}
        self.values: dict[str, Any] = {}
        self.weight: float = 1

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return self._take(name, Values(list(choices)))

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> Any:
        return self._take(name, Values(range(low, high + 1, step), ranged=True))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> Any:
        if step is None:
            between = [low + (high - low) * index / (SPREAD - 1) for index in range(SPREAD - 1)]
            return self._take(name, Values([*between, high], math.inf, ranged=True))
        count = math.floor((high - low) / step + 1e-9) + 1
        items = [low + index * step for index in range(min(count, 1000))]
        return self._take(name, Values(items, count, ranged=True))

    def _take(self, name: str, values: Values) -> Any:
        self.parameters[name] = values
        options = self.branches(name, values)
        value = self._choose(options)
        if len(options) > 1:
            self.values[name] = value
        return value

    @property
    def taken(self) -> list[int]:
        """The index taken at each parameter."""
        return self.path + [0] * (len(self.sizes) - len(self.path))

    @property
    def is_last(self) -> bool:
        """Whether no other draw comes behind this one, which took the last value of all."""
        return all(one + 1 == size for one, size in zip(self.taken, self.sizes, strict=True))

    def _choose(self, options: Sequence[tuple[Any, float]]) -> Any:
        place = len(self.sizes)
        self.sizes.append(len(options))
        value, weight = options[self._branch(place, len(options))]
        self.weight *= weight
        return value

    def _branch(self, place: int, count: int) -> int:
        return self.path[place] if place < len(self.path) else 0


class RandomTrial(EnumeratingTrial):
    """A trial that takes values at random."""

    def __init__(self, generator: random.Random, branches: Branches) -> None:
        super().__init__([], branches)
        self.generator = generator

    def _branch(self, place: int, count: int) -> int:
        return self.generator.randrange(count)


class CountingTrial(EnumeratingTrial):
    """A trial that takes the choices of the blocks of a stage together: all alike, or one mixture
    that stands for all of them, as each is a network of its own.
    """

    def suggest_each(self, choices: dict[str, list[str]]) -> list[str]:
        """A value for each name; all names have the same values."""
        kinds, count = next(iter(choices.values())), len(choices)
        options: list[tuple[list[str], float]] = [([kind] * count, 1) for kind in kinds]
        if count > 1 and len(kinds) > 1:
            mixture = [kinds[0]] * (count - 1) + [kinds[1]]
            options.append((mixture, len(kinds) ** count - len(kinds)))
        return list(self._choose(options))


def all_draws(
    run: Callable[[EnumeratingTrial], T],
    branches: Branches,
    trial_type: type[EnumeratingTrial] = EnumeratingTrial,
) -> Iterator[tuple[EnumeratingTrial, T]]:
    """Every way a function can draw from a trial, with what it returned."""
    path: list[int] = []
    while True:
        trial = trial_type(path, branches)
        yield trial, run(trial)
        taken = trial.taken
        while taken and taken[-1] + 1 == trial.sizes[len(taken) - 1]:
            taken.pop()
        if not taken:
            return
        taken[-1] += 1
        path = taken


def sample_or_all(
    run: Callable[[EnumeratingTrial], T], branches: Branches, most: int
) -> Iterator[tuple[EnumeratingTrial, T]]:
    """All draws; of more than `most` the first ones, and as many at random."""
    for trial, found in islice(all_draws(run, branches), most):
        yield trial, found
        if trial.is_last:
            return
    generator = random.Random(0)
    for _ in range(most):
        trial = RandomTrial(generator, branches)
        yield trial, run(trial)


def found_parameters(draws: Iterable[tuple[EnumeratingTrial, Any]]) -> dict[str, Values]:
    """All parameters that some draws asked for, with their values."""
    found: dict[str, Values] = {}
    for trial, _ in draws:
        found |= trial.parameters
    return found


class EachValue(Sequence[tuple[Any, float]]):
    """All values, each for itself; not written out, as a range may be long."""

    def __init__(self, items: Any) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        return self.items[index], 1


def all_values(name: str, values: Values) -> Sequence[tuple[Any, float]]:
    """All values."""
    return EachValue(values.items)


def corner_values(name: str, values: Values) -> Sequence[tuple[Any, float]]:
    """All names, but of numbers only the smallest and the largest."""
    items = values.items
    if isinstance(items[0], str):
        return all_values(name, values)
    if values.ranged:
        return [(items[0], 1), (items[-1], 1)]
    return [(item, 1) for item in dict.fromkeys((min(items), max(items)))]


def coordinate_ascent(run: Callable[[EnumeratingTrial], T], score: Callable[[T], Any]) -> T:
    """The result of the largest score, found by changing one parameter after another until that
    makes it no better.
    """

    def take(choices: dict[str, Any], end: int) -> tuple[dict[str, Any], dict[str, Values], T]:
        made: dict[str, Any] = {}

        def one(name: str, values: Values) -> Sequence[tuple[Any, float]]:
            made[name] = choices.get(name, corner_values(name, values)[end][0])
            return [(made[name], 1)]

        trial = EnumeratingTrial([], one)
        return made, trial.parameters, run(trial)

    chosen, parameters, best = take({}, 0)
    improved = True
    while improved:
        improved = False
        for name, values in list(parameters.items()):
            for (item, _), end in product(corner_values(name, values), (0, -1)):
                tried = take(chosen | {name: item}, end)
                if score(tried[2]) > score(best):
                    (chosen, parameters, best), improved = tried, True
    return best


def shape_values(name: str, values: Values) -> Sequence[tuple[Any, float]]:
    """All values of what decides which parts exist or coincide; the rest is counted by one value.

    Of a depth it matters only whether it is one: then a stage may hold nothing but a transition.
    """
    key = name.rpartition(".")[2]
    if key == "depth" and values.size > 1 and 1 in values.items:
        return [(1, 1), (next(item for item in values.items if item != 1), values.size - 1)]
    if key in DECIDING or have_options(key, values.items):
        return all_values(name, values)
    return [(values.items[0], values.size)]


def have_options(key: str, items: Sequence[Any]) -> bool:
    """Whether parts that usually have no options have some, and so decide what else there is."""
    registries: dict[str, Registry[Any]] = {"activation": ACTIVATIONS, "activation_order": ORDERS}
    registries["initialisation"] = INITIALISATIONS
    return key in registries and any(registries[key].options(item) for item in items)


def placed_values(name: str, values: Values) -> Sequence[tuple[Any, float]]:
    """The same where placements are searched: which blocks they leave out depends on the depth and
    on their options.
    """
    if ".blocks." in name or "placement" in name.split(".") or name.rpartition(".")[2] == "depth":
        return all_values(name, values)
    return shape_values(name, values)


def parameter_values(name: str, values: Values) -> Sequence[tuple[Any, float]]:
    """All values of what decides which parameters exist where placements are searched: of the
    choices of single blocks one with a shortcut, if there is any.
    """
    if ".blocks." in name:
        kinds = [item for item in values.items if item != "none"]
        return [((kinds or values.items)[0], values.size)]
    return placed_values(name, values)


def start_values(name: str, values: Values) -> Sequence[tuple[Any, float]]:
    """All values of what decides whether weights can start as an initialisation says."""
    deciding = ("initialisation", "activation_order", "block", "shortcut", "norm", "join")
    if name.rpartition(".")[2] in deciding:
        return all_values(name, values)
    return [(values.items[0], 1)]


def stage_form_values(index: int, name: str, values: Values) -> Sequence[tuple[Any, float]]:
    """All values of what gives one stage its form; others keep theirs, strides are the largest."""
    key = name.rpartition(".")[2]
    if key == "stride":
        return [(max(values.items), 1)]
    elsewhere = name.startswith("stages.") and not name.startswith(f"stages.{index}.")
    kept = ("depth", "shortcut", "transition", "activation_order", "activation")
    if elsewhere or key in kept or "placement" in name.split("."):
        return [(values.items[0], 1)]
    return all_values(name, values)
