"""What the twins of a space will cost and can resolve, before anything of it is trained."""

import math
import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from nas.common.machine import default_workers
from nas.payoff.forecast import Seconds, cost_line, power_line, trainings
from nas.payoff.plan import make_plan
from nas.space.enumeration import RandomTrial, all_values
from nas.space.estimate import num_pictures, step_seconds, why_not_timed
from nas.space.schema import PayoffSection
from nas.space.space import SearchSpace
from nas.training.candidate import Candidate


def preview(space: SearchSpace, data_dir: Path) -> list[str]:
    """Lines on the twins after a search; of a space without `payoff` those of `nas payoff`.

    The best candidates are not known yet: the largest stands in for the first, random ones for the
    others.
    """
    section = space.section.payoff
    asked = section or PayoffSection()
    plan = make_plan(asked, stand_ins(space, max(1, asked.top)))
    left = trainings(plan)
    seconds = seconds_by_steps(space, left, data_dir)
    what = "Twins after the search" if section else "Twins, by `nas payoff`"
    workers = space.search.workers or default_workers()
    return [cost_line(what, plan, left, seconds, workers), power_line(plan)]


def stand_ins(space: SearchSpace, number: int) -> list[Candidate]:
    """The largest candidate of the space, with the longest training, and random ones."""
    _, (largest, _) = space.extremes()
    training = max(space.trainings(), key=lambda training: training.epochs)
    generator = random.Random(0)
    others = [space.candidate(RandomTrial(generator, all_values)) for _ in range(number - 1)]
    return [Candidate(architecture=largest, training=training, dataset=space.dataset), *others]


def seconds_by_steps(
    space: SearchSpace, candidates: Sequence[Candidate], data_dir: Path
) -> Seconds | None:
    """The time of a training, linear in multiply-adds through timed steps of the smallest and the
    largest candidate; None if no step can be timed here.
    """
    ends = [choose(candidates, key=multiply_adds) for choose in (min, max)]
    if why_not_timed(space, ends[1].architecture):
        return None
    pictures = num_pictures(space, data_dir)
    timed = [(multiply_adds(one), step_seconds(one.architecture, one.training)) for one in ends]
    return partial(seconds_of, timed, pictures)


def seconds_of(timed: Sequence[tuple[int, float]], pictures: int, candidate: Candidate) -> float:
    """The seconds of a training on so many pictures."""
    (low, fast), (high, slow) = timed
    slope = (slow - fast) / (high - low) if high > low else 0.0
    steps = candidate.training.epochs * math.ceil(pictures / candidate.training.batch_size)
    return (fast + slope * (multiply_adds(candidate) - low)) * steps


def multiply_adds(candidate: Candidate) -> int:
    """Multiply-adds for one picture."""
    return candidate.cost().multiply_adds
