"""What a trial costs outside of its training in long studies.

Studies of 1,000 and 10,000 finished trials of 10 epochs lie in SQLite; trials then run as a worker
runs them, with a training that takes no time; those that constraints reject do not count. Seconds
of processor time, in which the machine's other work shows too: Optuna's own TPE, on the same
trials in memory, is told beside.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import optuna
import torch
from optuna.study import Study
from optuna.trial import TrialState, create_trial

from experiments.speed.studies import fill, result_of
from experiments.speed.table import Row
from nas.search import trial as trials
from nas.search.lease import acquire
from nas.search.queue import refill_of
from nas.search.study import create_study, load_study
from nas.space.space import SearchSpace
from nas.storage.handles import storage_of
from nas.storage.open import open_storage
from nas.training.lightning import Trained

#: trials -> milliseconds of one trial
GOALS = {1_000: 20, 10_000: 50}
REPEATS = 9
#: a candidate drawn again is trained too: in a long study most are
SPACE = ["training.epochs=10", "search.duplicates=new_seed", "search.pruner=hyperband"]
#: trials that wait for a worker, as a search with one keeps them
AHEAD = 2


def measure() -> list[Row]:
    """One row for each length."""
    space = SearchSpace.load("cifar", SPACE)
    found = []
    for count, goal in GOALS.items():
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{folder}/nas.db"
            fill(create_study(open_storage(url, create=True), "cifar", space), space, count)
            found.append(trial_row(url, count, goal, space))
    return found


def trial_row(url: str, count: int, goal: float, space: SearchSpace) -> Row:
    """One trial without its epochs, and one epoch, as a worker runs them."""
    storage = open_storage(url)
    study = load_study(storage, "cifar")
    refill_of(study, space, 2 * count, AHEAD)(study.get_trials(deepcopy=False))
    short = typical(lambda: run_one(study, space, epochs=0))
    long = typical(lambda: run_one(study, space, epochs=10))
    alone = typical(optuna_alone(study, space))
    return Row(
        what=f"suggestion and bookkeeping of one trial, {count:,} trials",
        goal=f"at most {goal} ms",
        found=f"{1000 * short:.0f} ms",
        reached=1000 * short <= goal,
        note=f"and {100 * (long - short):.1f} ms for each epoch; Optuna's TPE alone suggests in "
        f"{1000 * alone:.0f} ms here",
    )


def typical(work: Callable[[], float | None]) -> float:
    """The median of what counts, the first left out."""
    taken: list[float] = []
    while len(taken) <= REPEATS:
        seconds = work()
        if seconds is not None:
            taken.append(seconds)
    return median(taken[1:])


def run_one(study: Study, space: SearchSpace, epochs: int) -> float | None:
    """Processor time of a trial from its lease to its end, without making what stands for its
    training; None where nothing was trained."""
    outside: list[float] = []

    def train(candidate: Any, *, seed: int, on_epoch: Callable[..., Any], **_: Any) -> Trained:
        start = time.process_time()
        result, network = result_of(candidate, 3 * seed), torch.nn.Linear(1, 1)
        outside.append(time.process_time() - start)
        for record in result.curve[:epochs]:
            on_epoch(record)
        return Trained(network=network, result=result, data=None)

    trials.train = train
    study.add_trial(create_trial(state=TrialState.WAITING))  # as the coordinator does
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        place = trials.TrialEnvironment(data_dir=out, out=out, interrupted=lambda: False)
        start = time.process_time()
        acquired = acquire(storage_of(study), study)
        assert acquired is not None
        trials.run_trial(storage_of(study), study.study_name, space, acquired, place)
        taken = time.process_time() - start
    return taken - sum(outside) if outside else None


def optuna_alone(study: Study, space: SearchSpace) -> Callable[[], float]:
    """What Optuna's TPE as it comes takes to suggest, after the same trials."""
    beside = optuna.create_study(direction="maximize")
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    beside.add_trials(
        [
            create_trial(
                state=t.state, value=t.values[0], params=t.params, distributions=t.distributions
            )
            for t in done
            if t.values
        ]
    )

    def suggest() -> float:
        start = time.process_time()
        trial = beside.ask()
        space.candidate(trial)
        beside.tell(trial, state=TrialState.FAIL)
        return time.process_time() - start

    return suggest
