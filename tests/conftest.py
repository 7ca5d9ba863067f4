"""What the tests of the core share: small networks, small spaces, and searches in this process."""

import itertools
import math
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from nas.cli import app, main
from nas.model.architecture import Architecture, Named, Stage
from nas.model.blocks import BLOCKS, ORDERS, same_shape, transitions
from nas.model.layout import token_orders
from nas.space.space import SearchSpace

torch.set_num_threads(1)
# a shell starts background jobs with Ctrl-C ignored, and they hand that on to what the tests start
signal.signal(signal.SIGINT, signal.default_int_handler)


def pairs(*parts: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Rows with one entry of each part, such that every two entries of two parts meet in a row.

    Few faults need three choices to meet (Kuhn et al. 2004, IEEE TSE 30(6)), and all rows of the
    product would be a hundred times as many.
    """
    rows = list(itertools.product(*parts))
    met = {row: set(itertools.combinations(enumerate(row), 2)) for row in rows}
    left, chosen = set().union(*met.values()), []
    for gain in range(math.comb(len(parts), 2), 0, -1):
        for row in rows:
            if len(met[row] & left) >= gain:
                chosen.append(row)
                left -= met[row]
    return chosen


#: the block types of convolutions and of tokens, and the activation orders of each
CONV_BLOCKS = [name for name, block in BLOCKS.parts().items() if not block.tokens]
TOKEN_BLOCKS = [name for name in BLOCKS if name not in CONV_BLOCKS]
TOKEN_ORDERS = token_orders()
CONV_ORDERS = [name for name in ORDERS if name not in TOKEN_ORDERS]


def families(*parts: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Block types, orders that they have, and other parts: every two of them meet in a row."""
    convolutions = pairs(CONV_BLOCKS, CONV_ORDERS, *parts)
    return [*convolutions, *pairs(TOKEN_BLOCKS, TOKEN_ORDERS, *parts)]


def orders_of(block: str) -> list[str]:
    """The activation orders that a block type has."""
    return TOKEN_ORDERS if block in TOKEN_BLOCKS else CONV_ORDERS


#: block type, order, shortcut and transition
COMBINATIONS = families(same_shape(), transitions())

NAS = Path(sys.executable).with_name("nas")
Run = Callable[..., tuple[int, str, str]]
VERBS = [command.name or command.callback.__name__ for command in app.registered_commands]  # type: ignore[union-attr]

TINY = """
name: tiny
dataset: {name: digits, train_size: 96, validation_size: 40}
architecture:
  stem: {conv3x3: {width: 2}}
  depth: [1, 2]
  stages:
    - {width: 2, shortcut: [identity, none]}
    - {width: 4, stride: 2, transition: zero_pad}
training: {epochs: 2, batch_size: 32, optimizer: {name: sgd, lr: [0.03, 0.1]}}
search: {trials: 4, sampler: random, pruner: none, seed: 0, workers: 1, probes: false}
"""
PAUSING = ["search.pruner=halving", "search.rungs=[1]", "search.control=0"]


def small(
    block: str = "basic",
    order: str = "post_activation",
    shortcut: str = "identity",
    transition: str = "projection",
    norm: str | Named = "batch",
    **choices: Any,
) -> Architecture:
    """A network of three stages: one that keeps its shape, one that strides, one that widens."""
    kind = {"block": Named(block), "shortcut": shortcut, "transition": transition}
    stages = (
        Stage(depth=2, width=16, **kind),
        Stage(depth=2, width=32, stride=2, **kind),
        Stage(depth=1, width=48, **kind),
    )
    defaults = {
        "image_shape": (3, 9, 7),
        "num_classes": 5,
        "stem": Named.of("conv3x3", width=16),
        "stages": stages,
        "activation_order": order,
        "norm": Named(norm) if isinstance(norm, str) else norm,
    }
    return Architecture(**defaults | choices)


class MoreError(Exception):
    """A script ended: here a choice between so many values is open."""


class Script:
    """A trial that takes the choices it was given; enough to try out all there are."""

    def __init__(self, choices: list[Any]) -> None:
        self.choices = choices
        self.params: dict[str, Any] = {}

    def suggest_categorical(self, name: str, values: Any) -> Any:
        return self._next(name, list(values))

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        return self._next(name, list(range(low, high + 1, step)))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        assert step is not None, f"{name} is continuous"
        return self._next(name, [low + k * step for k in range(round((high - low) / step) + 1)])

    def _next(self, name: str, values: list[Any]) -> Any:
        assert name not in self.params, f"{name} is drawn twice"
        if len(self.params) == len(self.choices):
            raise MoreError(len(values))
        self.params[name] = values[self.choices[len(self.params)]]
        return self.params[name]


def outcomes(run: Callable[[Any], Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """Everything a function can draw from a trial: (parameters, what it returned)."""
    open_ends: list[list[int]] = [[]]
    while open_ends:
        script = Script(open_ends.pop())
        try:
            yield script.params, run(script)
        except MoreError as more:
            open_ends += [[*script.choices, index] for index in range(more.args[0])]


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder in which `nas search tiny.yaml` ran, with a space in its name; and what it said."""
    folder = tmp_path_factory.mktemp("a folder")
    (folder / "tiny.yaml").write_text(TINY)
    run = subprocess.run(
        [NAS, "search", "tiny.yaml", "--trials", "3"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return folder, run.stdout


@pytest.fixture
def space(tmp_path: Path) -> Callable[..., SearchSpace]:
    """Make a space from YAML text (default: TINY), with settings on top."""

    def make(*settings: str, text: str = TINY) -> SearchSpace:
        file = tmp_path / "space.yaml"
        file.write_text(text)
        return SearchSpace.load(file, settings)

    return make


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: SQLite waits for disks with every write."""
    if not Path("/dev/shm").is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture
def search_here(tmp_path: Path, fast: Path) -> Callable[..., Any]:
    """Run a search in this process, trial after trial, without worker processes."""

    def run(space: SearchSpace, trials: int | None = None, *, name: str = "study") -> Any:
        from nas.search.lease import acquire
        from nas.search.queue import pending_of, refill_of
        from nas.search.study import NUM_TRIALS, create_study
        from nas.search.trial import TrialEnvironment, run_trial
        from nas.storage.open import open_storage

        backend = open_storage(f"sqlite:///{fast}/nas.db", create=True)
        study = create_study(backend, name, space)
        study.set_user_attr(NUM_TRIALS, trials or space.search.trials)
        pending = pending_of(study, space)
        refill = refill_of(study, space, trials or space.search.trials, 2)
        environment = TrialEnvironment(
            data_dir=tmp_path, out=tmp_path / name, interrupted=lambda: False
        )
        while not refill(study.get_trials(deepcopy=False)) or study.get_trials(states=(0, 4)):
            trial = acquire(backend, study, pending)
            if trial is not None:
                run_trial(backend, name, space, trial, environment)
        return study

    return run


@pytest.fixture
def nas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Run:
    """Run the command line in this process, in an empty folder: (status, output, errors)."""
    monkeypatch.chdir(tmp_path)
    for name in ("NAS_STORAGE", "NAS_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["nas", *arguments])
        status: Any = 0
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def after(searched: tuple[Path, str], tmp_path: Path, nas: Run) -> Path:
    """A copy of the folder of a search, entered."""
    shutil.copytree(searched[0], tmp_path, dirs_exist_ok=True)
    return tmp_path
