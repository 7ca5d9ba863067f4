"""The trial queue: a few trials wait in a study, ahead of its workers, until it has all of them."""

import contextlib
from collections.abc import Callable, Sequence
from functools import cache
from operator import is_
from typing import Any, NamedTuple, Protocol

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.common.errors import StudyError
from nas.search.exhaustion import exhausted, exhaustion_of
from nas.search.failures import cause_of, fail
from nas.search.lease import Pending, waiting
from nas.search.pruners.base import NoPruner, Pruner
from nas.search.pruners.registry import pruner_of
from nas.search.study import NUM_TRIALS
from nas.search.trial_attributes import counted, is_paused
from nas.search.trial_results import ending_of_paused
from nas.space.methods import SAMPLERS
from nas.space.space import SearchSpace
from nas.storage.handles import storage_of, trial_id_of
from nas.storage.locks import locked
from nas.storage.retry_storage import retried

#: rejected candidates for each one trained, before the constraints are taken to leave nothing
MOST_REJECTED = 50
#: adds trials to a study, of which it gets all there are; True if there were none left to add
Refill = Callable[[Sequence[FrozenTrial]], bool]


class TrialSource(Protocol):
    """The trials that a study is yet to have."""

    def remaining(self, trials: Sequence[FrozenTrial]) -> int:
        """How many are to be added to the trials there are."""

    def add(
        self, study: Study, trials: Sequence[FrozenTrial], count: int, hold: Callable[[], object]
    ) -> None:
        """Add the next ones; `hold` is called before each, and raises if the lock was lost."""


class TrialQueue:
    """Keeps trials waiting in a study until its source has no more.

    Few wait at a time, `prefetch` or more if many run, as every look at a study reads them all.
    Their parameters are drawn when they start.
    """

    def __init__(self, study: Study, source: TrialSource, prefetch: int) -> None:
        self._study = study
        self._source = source
        self._prefetch = prefetch

    def refill(self, trials: Sequence[FrozenTrial]) -> bool:
        """Add trials if too few wait; True if there were none left to add to the given ones."""
        remaining = self._source.remaining(trials)
        if remaining and num_wanted(trials, self._prefetch):
            retried(storage_of(self._study), self._add_missing)()
        return remaining == 0

    def _add_missing(self) -> None:
        """Add them while no other process that runs this study does."""
        with locked(storage_of(self._study)) as hold:
            trials = self._study.get_trials(deepcopy=False)
            missing = min(self._source.remaining(trials), num_wanted(trials, self._prefetch))
            self._source.add(self._study, trials, missing, hold)


def num_wanted(trials: Sequence[FrozenTrial], prefetch: int) -> int:
    """How many trials to add so that `prefetch` wait. More wait if more run, as other machines may
    have joined: twice as many, or half as many if they are many, as all read them all."""
    pending = sum(t.state == TrialState.WAITING and not is_paused(t) for t in trials)
    running = sum(trial.state == TrialState.RUNNING for trial in trials)
    return max(0, max(prefetch, min(2 * running, running // 2 + 8)) - pending)


class SearchSource:
    """The trials of a search: as many as were asked for, by whoever resumed it last.

    Candidates that constraints reject do not count. The sampler `grid` has one trial for each point
    of the grid, rejected or not.
    """

    def __init__(self, study: Study, space: SearchSpace, num_trials: int) -> None:
        self._demand = demand_of(study, space, num_trials)

    def remaining(self, trials: Sequence[FrozenTrial]) -> int:
        """See TrialSource; StudyError if the constraints reject nearly everything."""
        demand = self._demand()
        count = len(demand.counted(trials))
        _refuse_impossible(len(trials) - count, demand.total)
        return max(0, demand.total - count)

    def add(
        self, study: Study, trials: Sequence[FrozenTrial], count: int, hold: Callable[[], object]
    ) -> None:
        """See TrialSource."""
        demand = self._demand()
        first = len(demand.counted(trials))
        for index in range(first, first + count):
            hold()
            if demand.grid is None:
                study.add_trial(optuna.trial.create_trial(state=TrialState.WAITING))
            else:
                study.enqueue_trial(demand.grid[index])


def refill_of(study: Study, space: SearchSpace, num_trials: int, prefetch: int) -> Refill:
    """A function that keeps the queue of a search filled, and ends paused trials that cannot go on;
    True once there are no trials left to add."""
    queue = TrialQueue(study, SearchSource(study, space, num_trials), prefetch)
    pruner, demand = pruner_of(space), demand_of(study, space, num_trials)
    note_exhaustion = exhaustion_of(study, space)
    before: Sequence[FrozenTrial] = ()
    is_done = False

    def refill(trials: Sequence[FrozenTrial]) -> bool:
        nonlocal before, is_done
        if not trials or not are_same(trials, before):
            note_exhaustion(trials)
            end_unreachable(study, pruner, demand(), trials)
            before, is_done = trials, queue.refill(trials)
        return is_done

    return refill


def are_same(trials: Sequence[FrozenTrial], before: Sequence[FrozenTrial]) -> bool:
    """Whether no trial changed since an earlier look: each is the same object as long as it does
    not (nas/storage/cache.py)."""
    if trials is before:  # what does not change need not be looked at
        return True
    return len(trials) == len(before) and all(map(is_, trials, before))


class Demand(NamedTuple):
    """The trials that a study is to have: so many, or one for each point of a grid."""

    total: int
    grid: list[dict[str, Any]] | None

    def counted(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Those that count towards the total; in a grid also those that constraints reject."""
        return counted(trials) if self.grid is None else list(trials)


def demand_of(study: Study, space: SearchSpace, least: int = 0) -> Callable[[], Demand]:
    """A function that reads what a study is to have now: `least` trials at least, and no more than
    it took to try every candidate."""
    grid_of = cache(space.grid)

    def demand() -> Demand:
        asked = study.user_attrs.get(NUM_TRIALS)
        asked = max(least, asked if isinstance(asked, int) else 0)
        known = exhausted(study.user_attrs) if space.search.duplicates == "reuse" else None
        asked = min(asked, known[1]) if known else asked
        grid = grid_of(asked) if SAMPLERS[space.sampler.name].enumerates else None
        return Demand(asked if grid is None else len(grid), grid)

    return demand


def pending_of(study: Study, space: SearchSpace) -> Pending:
    """A function that lists the trials of a study that a worker may take."""
    pruner, demand = pruner_of(space), demand_of(study, space)
    if isinstance(pruner, NoPruner):  # none is paused: there is no need to read all trials
        return waiting

    def pending(study: Study) -> list[FrozenTrial]:
        asked = demand()
        return pruner.pending(asked.counted(study.get_trials(deepcopy=False)), asked.total)

    return pending


def end_unreachable(
    study: Study, pruner: Pruner, demand: Demand, trials: Sequence[FrozenTrial]
) -> None:
    """End the paused trials that cannot go on any more, with what they had reached."""
    for trial in pruner.unreachable(demand.counted(trials), demand.total):
        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
            _end_paused(study, trial)


def _end_paused(study: Study, trial: FrozenTrial) -> None:
    """End a paused trial; one whose result cannot be read has failed."""
    storage = storage_of(study)
    try:
        state, values = ending_of_paused(study, trial)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        fail(storage, trial_id_of(trial), f"its stored result cannot be read: {cause_of(error)}")
    else:
        storage.set_trial_state_values(trial_id_of(trial), state, values)


def _refuse_impossible(rejected: int, total: int) -> None:
    """StudyError if the constraints reject nearly everything that is drawn."""
    if rejected > MOST_REJECTED * total:
        raise StudyError(
            f"the constraints rejected {rejected} candidates: widen them, or narrow the space."
        )
