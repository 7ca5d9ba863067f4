"""Before twins run: what effect so many pairs can resolve, and what their training costs."""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial
from scipy.optimize import nnls

from nas.common.text import duration
from nas.payoff.analysis import analyse
from nas.payoff.plan import Plan
from nas.payoff.queue import run_key, taken_places, valid_trials
from nas.payoff.runs import UniqueKey, every_run
from nas.payoff.text import counted
from nas.search.trial_attributes import is_complete
from nas.statistics import fewest_pairs, resolvable_effect
from nas.storage.bulk_read import trials_of
from nas.training.candidate import Candidate

#: what of a trial tells the time of a training, and from how many trials at most it is told
TIMED, MOST_TIMED = ("candidate", "seconds", "pruned"), 300
#: the seconds of a training
Seconds = Callable[[Candidate], float]


def forecast(plan: Plan, beyond: Plan, twins: Study, search: Study, workers: int) -> list[str]:
    """Lines on the twins that are still to be trained; none if all are."""
    taken, known = taken_places(twins), {run_key(trial) for trial in valid_trials(twins)}
    left = trainings(beyond, taken, known)
    if not left:
        return []
    timed = [trial for study in (search, twins) for trial in trials_of(study, only=TIMED)]
    lines = [cost_line("Twins", plan, left, seconds_by_trials(timed), workers)]
    lines.append(power_line(plan, known_spread(plan, twins)))
    if beyond != plan:
        lines.append(
            "More was asked for than was planned before the first twin: the runs added are shown "
            "apart, and decide no primary comparison."
        )
    return lines


def trainings(
    plan: Plan, taken: Collection[UniqueKey] = (), known: Collection[tuple[str, int]] = ()
) -> list[Candidate]:
    """The candidates of the runs that are not there yet, at most: an own best rate that turns out
    to be the shared one needs no further run. taken, known: the places, and the candidate hashes
    and seeds, of the runs that are there.
    """
    found: dict[tuple[str, int, bool], Candidate] = {}
    for run in every_run(plan, 1.0):
        is_own = run.cell.role == "own"
        key = (run.candidate.hash, plan.first_seed + run.cell.seed)
        if run.cell.key not in taken and (is_own or key not in known):
            found.setdefault((*key, is_own), run.candidate)
    return list(found.values())


def cost_line(
    what: str, plan: Plan, left: Sequence[Candidate], seconds: Seconds | None, workers: int
) -> str:
    """How many trainings there are, and how long they take."""
    text = f"{what}: {counted(plan.seeds, 'pair')}, at most {counted(len(left), 'training')}"
    if seconds is None:
        return f"{text}; how long they take is told when a trial has finished."
    if not workers:
        return f"{text}, about {duration(sum(map(seconds, left)))} of one worker."
    total = sum(map(seconds, left)) / min(workers, len(left))
    return f"{text}, about {duration(total)} with {counted(workers, 'worker')}."


def power_line(plan: Plan, spread: Sequence[float] = ()) -> str:
    """What effect the pairs resolve; `spread` are standard deviations of a pair, if known."""
    number = max(1, len(plan.comparisons))
    among = f"as one of {number} primary comparisons" if number > 1 else "as one comparison"
    pairs, effect = counted(plan.seeds, "pair"), resolvable_effect(plan.seeds, number)
    if math.isinf(effect):
        needed = fewest_pairs(number)
        return f"{pairs} can resolve no effect {among}, however large: that takes {needed}."
    return (
        f"With 80% probability {pairs} resolve an effect of {effect:.1f} standard deviations of a "
        f"pair, {among}{points(effect, spread)}."
    )


def points(effect: float, spread: Sequence[float]) -> str:
    """An effect in points, if it is known how far pairs spread."""
    if not spread:
        return ""
    low, high = (f"{effect * one:.1f}" for one in (min(spread), max(spread)))
    size = high if low == high else f"{low} to {high}"
    return f": {size} points of training error, by how far the pairs trained so far lie apart"


def known_spread(plan: Plan, twins: Study) -> list[float]:
    """The standard deviation of a pair in each primary comparison that has two of them."""
    effects = (
        one.interaction["train_error"]
        for one in analyse(twins).ladder
        if (one.order, one.role, one.reference, one.arm) in plan.comparisons
        and one.budget == 1
        and "train_error" in one.interaction
    )
    return [effect.sd for effect in effects if effect.n > 1]


def seconds_by_trials(trials: Iterable[FrozenTrial]) -> Seconds | None:
    """The time of a training, told from complete ones; None without any.

    Seconds by epoch are a share of the layers and one of the multiply-adds, neither negative, by
    least squares.
    """
    done = [trial for trial in trials if is_complete(trial) and "seconds" in trial.user_attrs]
    if not done:
        return None
    candidates = [Candidate.read(trial.user_attrs["candidate"]) for trial in done[-MOST_TIMED:]]
    seconds = [float(trial.user_attrs["seconds"]) for trial in done[-MOST_TIMED:]]
    sizes = np.array([size_of(candidate) for candidate in candidates], dtype=float)
    epochs = np.array([candidate.training.epochs for candidate in candidates])
    scale = sizes.mean(axis=0)
    shares, _ = nnls(sizes / scale, np.array(seconds) / epochs)
    return partial(seconds_by_size, shares / scale)


def seconds_by_size(shares: Sequence[float], candidate: Candidate) -> float:
    """The seconds of a training by layers and multiply-adds."""
    return float(np.dot(shares, size_of(candidate))) * candidate.training.epochs


def size_of(candidate: Candidate) -> tuple[int, int]:
    """Layers and multiply-adds."""
    spent = candidate.cost()
    return spent.depth, spent.multiply_adds
