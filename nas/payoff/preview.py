"""What a space will cost, its twins and its random baseline too, before anything is trained."""

import math
import random
from collections.abc import Sequence
from pathlib import Path

from nas.common.devices import Device
from nas.common.text import counted, duration
from nas.payoff.costs import Seconds, cost_line, power_line, trainings
from nas.payoff.plan import make_plan
from nas.space.enumeration import RandomTrial, all_values
from nas.space.estimate import (
    PROCESSOR,
    Estimate,
    estimate,
    give_or_take,
    num_pictures,
    num_workers,
    seconds_of,
    size_of,
    timed_on,
    timed_steps,
    timing_error,
    why_not_timed,
)
from nas.space.schema import PayoffSection
from nas.space.space import SearchSpace
from nas.training.candidate import Candidate


def cost_lines(space: SearchSpace, data_dir: Path, device: Device = PROCESSOR) -> list[str]:
    """What the search, random search beside it and the twins take, each and in all, by steps that
    are timed on a device."""
    search, twins = estimate(space, data_dir, device), preview(space, data_dir, device)
    parts = {"search": search}
    if space.search.baseline:
        parts["random search"] = search
    if space.section.payoff:
        parts["twins"] = twins
    lines = [*search.lines, *twins.lines]
    if search.seconds is None:
        return lines
    return [*lines, total_line(parts, num_workers(space, device))]


def total_line(parts: dict[str, Estimate], workers: int) -> str:
    """The time of all parts, with the standard deviation of the estimate."""
    known = {name: one for name, one in parts.items() if one.seconds is not None}
    total = sum(one.seconds or 0.0 for one in known.values())
    spread = math.hypot(*(one.spread for one in known.values()))
    told = ", ".join(f"{name} {duration(one.seconds or 0.0)}" for name, one in known.items())
    of = f": {told}" if len(known) > 1 else ""
    return f"In all about {give_or_take(total, spread)} with {counted(workers, 'worker')}{of}."


def preview(space: SearchSpace, data_dir: Path, device: Device = PROCESSOR) -> Estimate:
    """What the twins after a search take; of a space without `payoff` those of `nas payoff`.

    The best candidates are not known yet: the largest stands in for the first, random ones for the
    others.
    """
    section = space.section.payoff
    asked = section or PayoffSection()
    plan = make_plan(asked, stand_ins(space, max(1, asked.top)))
    left = trainings(plan)
    seconds, error = seconds_by_steps(space, left, data_dir, timed_on(device))
    workers = num_workers(space, device)
    what = "Twins after the search" if section else "Twins, by `nas payoff`"
    lines = [cost_line(what, plan, left, seconds, workers), power_line(plan)]
    total = None
    if seconds is not None:
        total = sum(map(seconds, left)) / min(workers, len(left))
    return Estimate(lines, total, error * (total or 0.0))


def stand_ins(space: SearchSpace, number: int) -> list[Candidate]:
    """The largest candidate of the space, with the longest training, and random ones."""
    _, (largest, _) = space.extremes()
    training = max(space.trainings(), key=lambda training: training.epochs)
    generator = random.Random(0)
    others = [space.candidate(RandomTrial(generator, all_values)) for _ in range(number - 1)]
    return [Candidate(architecture=largest, training=training, dataset=space.dataset), *others]


def seconds_by_steps(
    space: SearchSpace, candidates: Sequence[Candidate], data_dir: Path, place: str = "cpu"
) -> tuple[Seconds | None, float]:
    """The time of a training by timed steps of the smallest and the largest candidate, and its
    error as a share; None if no step can be timed here.
    """
    ends = [choose(candidates, key=size) for choose in (min, max)]
    if why_not_timed(space, ends[1].architecture):
        return None, 0.0
    pictures = num_pictures(space, data_dir)
    timed = [timed_steps(one.architecture, one.training, place) for one in ends]
    return lambda candidate: seconds_of(timed, pictures, candidate), timing_error(timed)


def size(candidate: Candidate) -> int:
    """What the time of a step goes with."""
    return size_of(candidate.architecture)
