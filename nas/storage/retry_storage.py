"""Optuna's storage in a database, waited for while the database is away."""

import copy
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from typing import Any, ParamSpec, TypeVar

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from nas.common.errors import StudyError, first_line
from nas.common.waiting import Log, log_warning, no_log
from nas.storage.cache import ChangesCache
from nas.storage.delegate import DelegatingStorage
from nas.storage.handles import storage_of, study_id_of
from nas.storage.one_transaction import Held, sessions_of
from nas.storage.readable import DAMAGE, ReadableTrials
from nas.storage.reasons import is_away, is_locked
from nas.storage.retry import LOCK_TIMEOUT, RETRY_TIMEOUT, with_retry

P = ParamSpec("P")
T = TypeVar("T")
#: seconds a lock is waited for when nobody waits any more
LAST_LOCK_TIMEOUT = 10.0
#: calls that read what is known of a study besides its trials
READS_OF_STUDIES = (
    *("get_all_studies", "get_study_name_from_id", "get_study_directions"),
    *("get_study_user_attrs", "get_study_system_attrs"),
)
#: calls that look for something that need not be there
LOOK_UPS = ("get_study_id_from_name", "get_trial_id_from_study_id_trial_number")


class RecordGoneError(StudyError, KeyError):
    """A study or trial is not in the storage any more: a KeyError, as Optuna's contract asks for,
    that ends the program with a sentence if nobody expects it."""

    def __str__(self) -> str:  # KeyError quotes its text
        return "the study is not there any more: somebody deleted it, as the dashboard can."


class DamagedStudyError(StudyError):
    """What a storage holds of a study, besides its trials, cannot be read."""

    def __init__(self, error: BaseException) -> None:
        self.why = f"{type(error).__name__}: {first_line(error)[:200]}"
        super().__init__(
            f"a study in this storage is damaged ({self.why}): name another one, or take it out "
            "with `optuna delete-study`."
        )


class RetryStorage(DelegatingStorage):
    """Optuna's cached storage of a database. Calls that are safe to repeat, as a lost answer to
    the first try changes nothing, are made again while the database is away; without `log` a
    database that is away is a StudyError at once.
    """

    def __init__(self, database: RDBStorage, log: Log | None) -> None:
        self.database, self.cache = database, ChangesCache(database)
        super().__init__(self.cache)
        self.log = log or log_warning
        self.timeout, self.lock_timeout = RETRY_TIMEOUT if log else 0.0, LOCK_TIMEOUT
        self.readable = ReadableTrials()
        self._watched: tuple[Sequence[FrozenTrial], Sequence[FrozenTrial]] = ((), ())

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """The directions of a study; DamagedStudyError if it has none."""
        found = super().get_study_directions(study_id)
        if not found:
            raise DamagedStudyError(ValueError("it has no direction"))
        return found

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """The trials of a study; those that cannot be read are named and left out."""
        trials = self._readable(study_id, states, self.inner.get_all_trials, False, states)
        found = self.readable.sound(trials, self.log)
        return copy.deepcopy(found) if deepcopy else found

    def watched(self, study_id: int) -> Sequence[FrozenTrial]:
        """See `watched` below."""
        listed = self._readable(study_id, None, self.cache.listed)
        if self._watched[0] is not listed:
            self._watched = (listed, self.readable.sound(listed, self.log))
        return self._watched[1]

    def _readable(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        read: Callable[..., Sequence[FrozenTrial]],
        *options: Any,
    ) -> Sequence[FrozenTrial]:
        """The trials that a call reads, or where it fails for one that is damaged all others."""
        try:
            return self.call(read, study_id, *options)
        except RecordGoneError:  # or a key that is missing in a damaged row
            return self._read_one_by_one(study_id, states)
        except StudyError:
            raise
        except DAMAGE:
            return self._read_one_by_one(study_id, states)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """A trial with all its attributes."""
        if self._held.session is not None:  # which alone shows what it has written
            return self.call(self.database.get_trial, trial_id)
        return super().get_trial(trial_id)

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        """Store a parameter."""
        given = (trial_id, param_name, param_value_internal, distribution)
        self._now_or_later(partial(self._set_param, *given))

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Store what is known of a trial."""
        self._now_or_later(partial(super().set_trial_user_attr, trial_id, key, value))

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Store what a sampler notes of a trial."""
        self._now_or_later(partial(super().set_trial_system_attr, trial_id, key, value))

    def _set_param(self, *given: Any) -> None:
        """Store a parameter. Optuna's cache knows the trials of a study once it has read them all:
        where one is damaged it knows none, and the database is asked past it.
        """
        try:
            super().set_trial_param(*given)
        except RecordGoneError:
            distribution = given[-1]
            self.call(self.database._set_trial_param, *given, previous_distribution=distribution)

    @property
    def _held(self) -> Held:
        """What this thread holds."""
        return sessions_of(self.database).of_thread

    def at_once(self, calls: Callable[[], T]) -> T:
        """See `at_once` below."""
        return self.again(self._at_once)(calls)

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

    def _now_or_later(self, write: Callable[[], object]) -> None:
        """Write, unless writes are collected."""
        if self._held.writes is None:
            write()
        else:
            self._held.writes.append(write)

    def _write_first(self) -> None:
        """Write what was collected before a call, which may read it."""
        if self._held.writes:
            self._write_collected()
            self._held.writes = []

    def _write_collected(self) -> None:
        """Write what was collected, and collect no more."""
        writes, self._held.writes = self._held.writes, None
        if writes:
            self.at_once(lambda: [write() for write in writes])

    def _read_one_by_one(
        self, study_id: int, states: Container[TrialState] | None
    ) -> list[FrozenTrial]:
        """The trials that can be read; RecordGoneError if the study is not there."""
        self._check_study(study_id)
        trials = self.call(self.readable.read, self.inner, study_id, self.log)
        return [trial for trial in trials if states is None or trial.state in states]

    def _check_study(self, study_id: int) -> None:
        """RecordGoneError if the study is not there. Its attributes are read, as Optuna keeps its
        name in memory; they may be damaged.
        """
        with suppress(DamagedStudyError):
            self.get_study_system_attrs(study_id)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"log": log_warning}  # another process has an output of its own

    def call_once(self, method: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Make a call that must not be made twice, again only if it did nothing."""
        self._write_first()
        return self.tried(self.again(method, is_passing=is_locked), *arguments, **options)

    def call(self, method: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Make a call, again while the database is away."""
        self._write_first()
        return self.tried(self.again(method), *arguments, **options)

    def again(
        self,
        method: Callable[P, T],
        log: Log | None = None,
        is_passing: Callable[[BaseException], bool] = is_away,
    ) -> Callable[P, T]:
        """A call that is made again for as long as this storage is waited for; one of several in a
        transaction is not, as all are."""
        if self._held.session is not None:
            return method
        return with_retry(method, log or self.log, self.timeout, is_passing, self.lock_timeout)

    def tried(self, method: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Make a call; if what it is about is gone, say so."""
        try:
            return method(*arguments, **options)
        except KeyError as error:
            if method.__name__ in LOOK_UPS:
                raise
            raise RecordGoneError from error
        except StudyError:
            raise
        except DAMAGE as error:
            if method.__name__ not in READS_OF_STUDIES:
                raise
            raise DamagedStudyError(error) from error


def keep_without(storage: BaseStorage, names: Sequence[str], beginning: str) -> None:
    """From now on read trials without the attributes of those names, and without those that begin
    like that: lists of trials lack them, a trial that is asked for has them all."""
    if isinstance(storage, RetryStorage):
        storage.cache.leave_out(names, beginning)


def at_once(storage: BaseStorage, calls: Callable[[], T]) -> T:
    """Make calls about trials in one transaction, of which nothing is left if it fails. All are
    made again while the database is away, so they must be such as may be."""
    return storage.at_once(calls) if isinstance(storage, RetryStorage) else calls()


def collected(storage: BaseStorage) -> AbstractContextManager[None]:
    """Write the parameters and attributes that this thread sets at trials at the end of the block,
    or before it reads anything, in one transaction."""
    return storage.collected() if isinstance(storage, RetryStorage) else nullcontext()


def watched(study: Study) -> Sequence[FrozenTrial]:
    """The trials of a study for who looks at it again and again: one object for as long as none of
    them changes, which is not to be changed."""
    storage = storage_of(study)
    if isinstance(storage, RetryStorage):
        return storage.watched(study_id_of(study))
    return study.get_trials(deepcopy=False)


def stop_retrying(storage: BaseStorage) -> None:
    """Wait for a storage no more, as nobody waits for what is done with it now."""
    if isinstance(storage, RetryStorage):
        storage.timeout, storage.lock_timeout = 0.0, LAST_LOCK_TIMEOUT


def retried(storage: BaseStorage, call: Callable[P, T], log: Log | None = None) -> Callable[P, T]:
    """A call that is made of others of a storage, made again as those are. Without `log` it is
    silent, as they tell what is waited for."""
    if isinstance(storage, RetryStorage):
        return storage.again(call, log or no_log)
    return with_retry(call)


def log_of(storage: BaseStorage) -> Log:
    """Where a storage says what it waits for."""
    return storage.log if isinstance(storage, RetryStorage) else log_warning
