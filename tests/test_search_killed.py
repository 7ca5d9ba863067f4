"""A command that is killed at any write, or finds a disk full, goes on when it is given again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import BaseStorage
from sqlalchemy import Engine, event

from nas.payoff.plan import kept_plan
from nas.payoff.study import open_twins
from nas.search.beside import search_of
from nas.search.queue import refill_of
from nas.search.study import create_study, load_study
from nas.search.warm_start import warm_started
from nas.space.schema import PayoffSection
from nas.space.space import SearchSpace
from nas.storage.open import open_storage

Make = Callable[..., SearchSpace]


class KilledError(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


@contextmanager
def killed_at(number: int) -> Iterator[None]:
    """End what is done at a write to a database: what its transaction wrote before is undone."""
    left = [number]

    def write(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.split(None, 1)[0].upper() not in ("SELECT", "PRAGMA"):
            left[0] -= 1
            if left[0] < 0:
                raise KilledError

    event.listen(Engine, "before_cursor_execute", write)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", write)


def at_every_write(folder: Path, command: Callable[[str], Any]) -> Iterator[tuple[str, Any]]:
    """A storage for each write of a command, killed there and given again: what it returned."""
    for number in range(1000):
        url = f"sqlite:///{folder}/{number}.db"
        try:
            with killed_at(number):
                command(url)
        except KilledError:
            yield url, command(url)
        else:
            return
    raise AssertionError("the command writes without end")


def contents(storage: BaseStorage) -> dict[str, Any]:
    """Study -> its attributes and the states of its trials."""
    studies = optuna.get_all_study_summaries(storage)
    found = [load_study(storage, study.study_name) for study in studies]
    return {s.study_name: (s.user_attrs, [t.state for t in s.get_trials()]) for s in found}


def test_the_first_second_of_a_search(space: Make, fast: Path) -> None:
    """Tables, study, attributes, first trials."""

    def search(url: str) -> BaseStorage:
        storage = open_storage(url, create=True)
        study = create_study(storage, "study", space())
        refill_of(study, space(), 2, 2)(study.get_trials(deepcopy=False))
        return storage

    expected = contents(search(f"sqlite:///{fast}/whole.db"))
    ends = [contents(storage) for _, storage in at_every_write(fast, search)]
    assert len(ends) > 20
    assert all(end == expected for end in ends)


@pytest.fixture
def begun(search_here: Callable[..., Any], space: Make, fast: Path) -> Callable[[str], BaseStorage]:
    """Open a storage with a study of two trials in it, which is copied there first."""
    search_here(space(), 2)
    whole = fast / "nas.db"

    def opened(url: str) -> BaseStorage:
        file = Path(url.removeprefix("sqlite:///"))
        if not file.exists():
            file.write_bytes(whole.read_bytes())
        return open_storage(url)

    return opened


def test_a_study_that_is_extended(
    begun: Callable[[str], BaseStorage], space: Make, fast: Path
) -> None:
    wider = space("architecture.depth=[1, 2, 3]")

    def extend(url: str) -> BaseStorage:
        storage = begun(url)
        create_study(storage, warm_started(storage, "study", wider), wider)
        return storage

    expected = contents(extend(f"sqlite:///{fast}/whole.db"))
    assert list(expected) == ["study", "study-2"]
    ends = [contents(storage) for _, storage in at_every_write(fast, extend)]
    assert len(ends) > 10
    assert all(end == expected for end in ends)


def test_the_plan_of_twins(begun: Callable[[str], BaseStorage], space: Make, fast: Path) -> None:
    """Whoever asks for the newest study meanwhile gets the search."""

    def plan(url: str) -> BaseStorage:
        storage = begun(url)
        study = optuna.load_study(study_name="study", storage=storage)
        open_twins(storage, study, space(), PayoffSection())
        return storage

    expected = contents(plan(f"sqlite:///{fast}/whole.db"))
    assert kept_plan(expected["study-twins"][0])
    ends = [contents(storage) for _, storage in at_every_write(fast, plan)]
    assert len(ends) > 4
    assert all(end == expected for end in ends)
    assert search_of(expected["study-twins"][0]) == "study"
