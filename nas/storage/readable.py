"""Trials that cannot be read are named and left out: a storage may be damaged, or hostile."""

from collections.abc import Iterable

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial
from sqlalchemy import select

from nas.common.waiting import Log
from nas.storage.handles import engine_of, trial_id_of
from nas.storage.tables import TRIALS

#: what reading a damaged row raises: JSON that is none, an unknown distribution or state, and what
#: Optuna asserts of numbers
DAMAGE = (
    *(ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError),
    AssertionError,
)


class ReadableTrials:
    """Reads the trials of studies one by one, and names those that cannot be read, once each."""

    def __init__(self) -> None:
        self._finished: dict[int, FrozenTrial] = {}
        self._left_out: set[int] = set()
        self._sound: dict[int, FrozenTrial] = {}

    def read(self, storage: BaseStorage, study_id: int, log: Log) -> list[FrozenTrial]:
        """The trials of a study that can be read, by number."""
        engine = engine_of(storage)
        assert engine is not None, "what is in memory was never stored"
        wanted = select(TRIALS.c.trial_id, TRIALS.c.number).where(TRIALS.c.study_id == study_id)
        with engine.connect() as connection:
            rows = list(connection.execute(wanted.order_by(TRIALS.c.number)))
        found = (self._read_one(storage, trial_id, number, log) for trial_id, number in rows)
        return [trial for trial in found if trial is not None]

    def sound(self, trials: Iterable[FrozenTrial], log: Log) -> list[FrozenTrial]:
        """The trials whose values are numbers, and who have a number themselves."""
        known = self._sound
        return [t for t in trials if known.get(trial_id_of(t)) is t or self._is_sound(t, log)]

    def _read_one(
        self, storage: BaseStorage, trial_id: int, number: int, log: Log
    ) -> FrozenTrial | None:
        """A trial, kept once it has finished; None if it cannot be read."""
        if trial_id in self._left_out:
            return None
        if trial_id not in self._finished:
            try:
                trial = storage.get_trial(trial_id)
            except DAMAGE as error:
                self._name(trial_id, number, f"{type(error).__name__}: {error}", log)
                return None
            if not trial.state.is_finished():
                return trial
            self._finished[trial_id] = trial
        return self._finished[trial_id]

    def _is_sound(self, trial: FrozenTrial, log: Log) -> bool:
        """Whether the values of a trial that was not looked at are numbers; else it is named."""
        if is_sound(trial):
            self._sound[trial_id_of(trial)] = trial
            return True
        if trial_id_of(trial) not in self._left_out:
            self._name(trial_id_of(trial), trial.number, "its values are not numbers", log)
        return False

    def _name(self, trial_id: int, number: int, why: str, log: Log) -> None:
        """Say once that a trial is left out."""
        self._left_out.add(trial_id)
        log(f"Trial {number} cannot be read and is left out ({why[:200]}).")


def is_sound(trial: FrozenTrial) -> bool:
    """Whether the values of a trial and its own number are numbers."""
    values = [trial.number, *(trial.values or ()), *trial.intermediate_values.values()]
    return all(isinstance(value, (int, float)) for value in values)
