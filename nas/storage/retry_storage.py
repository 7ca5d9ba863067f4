"""Optuna's storage in a database, waited for while the database is away."""

import copy
from collections.abc import Callable, Container, Sequence
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from nas.common.errors import StudyError, first_line
from nas.common.waiting import Log, log_warning, no_log
from nas.storage.cache import ChangesCache
from nas.storage.collecting import CollectingStorage
from nas.storage.handles import storage_of, study_id_of
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


class RetryStorage(CollectingStorage):
    """Optuna's cached storage of a database. Calls that are safe to repeat, as a lost answer to
    the first try changes nothing, are made again while the database is away; without `log` a
    database that is away is a StudyError at once.
    """

    def __init__(self, database: RDBStorage, log: Log | None) -> None:
        self.cache = ChangesCache(database)
        super().__init__(self.cache, database)
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

    def store_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        """Store a parameter. Optuna's cache knows the trials of a study once it has read them all:
        where one is damaged it knows none, and the database is asked past it.
        """
        given = (trial_id, param_name, param_value_internal, distribution)
        try:
            super().store_param(*given)
        except RecordGoneError:
            self.call(self.database._set_trial_param, *given, previous_distribution=distribution)

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
        self.write_first()
        return self.tried(self.again(method, is_passing=is_locked), *arguments, **options)

    def call(self, method: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Make a call, again while the database is away."""
        self.write_first()
        return self.tried(self.again(method), *arguments, **options)

    def again(
        self,
        method: Callable[P, T],
        log: Log | None = None,
        is_passing: Callable[[BaseException], bool] = is_away,
    ) -> Callable[P, T]:
        """A call that is made again for as long as this storage is waited for; one of several in a
        transaction is not, as all are."""
        if self.is_holding:
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
