"""Before twins run: what effect so many pairs can resolve, and what their training costs."""

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial
from scipy.optimize import nnls

from nas.common.text import duration
from nas.payoff.analysis import analyse
from nas.payoff.costs import Seconds, cost_line, power_line, trainings
from nas.payoff.looks import runs_left, undecided
from nas.payoff.plan import Plan
from nas.payoff.primary import tested_effect
from nas.payoff.queue import run_key, taken_places, valid_trials
from nas.search.trial_attributes import is_complete
from nas.storage.bulk_read import trials_of
from nas.training.candidate import Candidate

#: what of a trial tells the time of a training, and from how many trials at most it is told
TIMED, MOST_TIMED = ("candidate", "seconds", "pruned"), 300
#: times the time that is left of a budget, beyond which the user is warned
LATE = 1.2


def forecast(
    plan: Plan,
    beyond: Plan,
    twins: Study,
    search: Study,
    workers: int,
    budget: float | None = None,
) -> list[str]:
    """Lines on the twins that are still to be trained; none if all are. budget: the seconds that
    are left for them.
    """
    left = trainings_left(beyond, twins)
    if not left:
        return []
    is_decided = plan.is_sequential and not undecided(analyse(twins), plan)
    seconds = seconds_of(search, twins)
    lines = [cost_line("Twins", plan, left, seconds, workers, is_decided=is_decided)]
    lines += [] if is_decided else [power_line(plan, known_spread(plan, twins))]
    if beyond != plan:
        lines.append(
            "More was asked for than was planned before the first twin: the runs added are shown "
            "apart, and decide no primary comparison."
        )
    if budget is not None and seconds is not None and workers:
        lines += over_budget(sum(map(seconds, left)) / min(workers, len(left)), budget)
    return lines


def over_budget(seconds: float, budget: float) -> list[str]:
    """A warning where trainings take longer than there is time for."""
    if seconds <= LATE * budget + 1:
        return []
    return [
        f"That is {duration(seconds - max(0.0, budget))} beyond the budget: trainings take longer "
        "here than when they were timed. Ctrl-C ends them, and the same line goes on with them."
    ]


def trainings_left(plan: Plan, twins: Study) -> list[Candidate]:
    """The candidates of the runs that are still to be trained, at most."""
    known = {run_key(trial) for trial in valid_trials(twins)}
    runs = runs_left(twins, plan) if plan.is_sequential else None
    return trainings(plan, taken_places(twins), known, runs)


def seconds_of(*studies: Study) -> Seconds | None:
    """The time of a training, told from those of a search and of its twins."""
    return seconds_by_trials(trial for study in studies for trial in trials_of(study, only=TIMED))


def known_spread(plan: Plan, twins: Study) -> list[float]:
    """The standard deviation of a pair in each primary comparison that has two of them."""
    effects = (
        tested_effect(one)
        for one in analyse(twins).ladder
        if (one.order, one.role, one.reference, one.arm) in plan.comparisons
        and one.budget == 1
        and len(one.gains["train_error"]) >= len(plan.ends)
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
