"""A storage that writes what belongs together in one transaction."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, TypeVar

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial

from nas.storage.delegate import DelegatingStorage
from nas.storage.one_transaction import Held, sessions_of

T = TypeVar("T")


class CollectingStorage(DelegatingStorage):
    """Optuna's storage of a database. A thread can make several calls in one transaction, and
    collect what it writes at trials until it reads something.
    """

    def __init__(self, inner: BaseStorage, database: RDBStorage) -> None:
        super().__init__(inner)
        self.database = database

    def again(self, method: Callable[[], T]) -> Callable[[], T]:
        """A call as this storage makes it."""
        return method

    @property
    def is_holding(self) -> bool:
        """Whether this thread is in a transaction of several calls."""
        return self._held.session is not None

    @property
    def _held(self) -> Held:
        """What this thread holds."""
        return sessions_of(self.database).of_thread

    def at_once(self, calls: Callable[[], T]) -> T:
        """See `at_once` below."""
        return self.again(partial(self._at_once, calls))()

    def _at_once(self, calls: Callable[[], T]) -> T:
        """One try; one by one where Optuna does without a call, as for what is there already."""
        with sessions_of(self.database).held(self.database.engine) as session:
            found = calls()
            if not session.is_undone:
                session.end()
                return found
        return calls()

    @contextmanager
    def collected(self) -> Iterator[None]:
        """See `collected` below."""
        self._held.writes = []
        try:
            yield
        finally:
            self._write_collected()

    def write_first(self) -> None:
        """Write what was collected, before a call that may read it."""
        if self._held.writes:
            self._write_collected()
            self._held.writes = []

    def _write_collected(self) -> None:
        """Write what was collected, and collect no more."""
        writes, self._held.writes = self._held.writes, None
        if writes:
            self.at_once(lambda: [write() for write in writes])

    def _now_or_later(self, write: Callable[[], object]) -> None:
        """Write, unless writes are collected."""
        if self._held.writes is None:
            write()
        else:
            self._held.writes.append(write)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """A trial with all its attributes; in a transaction with what that has written."""
        if self.is_holding:
            return self.call(self.database.get_trial, trial_id)
        return super().get_trial(trial_id)

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        """Store a parameter, now or with what is collected."""
        given = (trial_id, param_name, param_value_internal, distribution)
        self._now_or_later(partial(self.store_param, *given))

    def store_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        """Store a parameter now."""
        super().set_trial_param(trial_id, param_name, param_value_internal, distribution)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Store what is known of a trial."""
        self._now_or_later(partial(super().set_trial_user_attr, trial_id, key, value))

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Store what a sampler notes of a trial."""
        self._now_or_later(partial(super().set_trial_system_attr, trial_id, key, value))


def at_once(storage: BaseStorage, calls: Callable[[], T]) -> T:
    """Make calls about trials in one transaction, of which nothing is left if it fails. All are
    made again while the database is away, so they must be such as may be."""
    return storage.at_once(calls) if isinstance(storage, CollectingStorage) else calls()


def collected(storage: BaseStorage) -> AbstractContextManager[None]:
    """Write the parameters and attributes that this thread sets at trials at the end of the block,
    or before it reads anything, in one transaction."""
    return storage.collected() if isinstance(storage, CollectingStorage) else nullcontext()
