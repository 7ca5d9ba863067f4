"""What a search takes on in a budget of time: pictures, their size, epochs, rungs and trials."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from nas.common.errors import UserError
from nas.common.text import counted, duration
from nas.search.pruners.trained import rungs_of, share_trained

#: epochs that a budget can buy, from most to least
EPOCHS = (96, 64, 48, 32, 24, 16, 12, 8, 6, 4, 3)
#: epochs below which pictures are left out first
FULL_EPOCHS = 12
#: pictures, and pixels of a side, below which epochs are left out first
FEWEST_PICTURES, SMALLEST_SIDE = 2_000, 16
#: trials that a search has at least, if there are so many candidates, and at most
FEWEST_TRIALS, MOST_TRIALS = 12, 1_000
#: share of the budget that twins may take
TWINS_SHARE = 0.75
#: seconds until the first worker trains, and of the report
START = 10.0


@dataclass(frozen=True)
class Rates:
    """Seconds on one worker: of one picture in one epoch, for the mean candidate and for all twins
    together, and of a training besides its epochs.
    """

    candidate: float
    twins: float = 0.0
    each: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is known before a search: rates by the side of its pictures, how many pictures and
    candidates there are, and how many trainings its twins are. searches: 2 with random search
    beside it.
    """

    rates: dict[int, Rates]
    pictures: int
    workers: int
    candidates: float = MOST_TRIALS
    twins: int = 0
    searches: int = 1
    pruner: str = "none"


@dataclass(frozen=True)
class Filled:
    """What fits into a budget, and the seconds on the clock that it takes."""

    side: int
    pictures: int
    epochs: int
    trials: int
    rungs: tuple[int, ...]
    seconds: float
    has_twins: bool

    def in_words(self) -> str:
        """As it is told before the search."""
        pictures = f"{self.pictures:,} training pictures of {self.side}x{self.side}"
        rungs = f", rungs after {', '.join(map(str, self.rungs))}" if self.rungs else ""
        return (
            f"{counted(self.trials, 'trial')} of {counted(self.epochs, 'epoch')}{rungs}, "
            f"{pictures}{', twins' if self.has_twins else ''}: about {duration(self.seconds)}"
        )


def fill(seconds: float, load: Load) -> Filled:
    """The most that fits: long trainings on all pictures if there is time for enough trials of
    them, else shorter ones, then fewer pictures, then smaller ones; twins are left out where they
    do not fit otherwise. UserError if nothing fits.
    """
    fewest = int(min(FEWEST_TRIALS, load.candidates))
    alone = {side: replace(rates, twins=0.0) for side, rates in load.rates.items()}
    without = replace(load, rates=alone, twins=0)
    for what in (load, without):
        for side, pictures, epochs in levels(what):
            trials = trials_in(seconds, what, side, pictures, epochs)
            if trials >= fewest:
                return filled(what, side, pictures, epochs, trials)
    least = filled(without, side, pictures, epochs, fewest).seconds
    raise UserError(
        f"--budget: {duration(seconds)} are too short here; the least is about {duration(least)}. "
        "Raise it, or leave it out and say with --set and --trials what to do."
    )


def levels(load: Load) -> Iterator[tuple[int, int, int]]:
    """Side and number of pictures, and epochs, from the longest trainings to the shortest."""
    largest, *smaller = sorted(load.rates, reverse=True)
    pictures = load.pictures
    for epochs in EPOCHS:
        if epochs >= FULL_EPOCHS or not smaller:
            yield largest, pictures, epochs
        while epochs == FULL_EPOCHS and pictures // 2 >= FEWEST_PICTURES:
            pictures //= 2
            yield largest, pictures, epochs
    for side in smaller:
        for epochs in EPOCHS[EPOCHS.index(FULL_EPOCHS) :]:
            yield side, pictures, epochs


def trials_in(seconds: float, load: Load, side: int, pictures: int, epochs: int) -> int:
    """Trials that there is time for, beside the twins."""
    room = (seconds - START) * load.workers
    twins = twins_take(load, side, pictures, epochs)
    if twins > TWINS_SHARE * room:
        return 0
    most = int(min(load.candidates, MOST_TRIALS))
    left = room - twins
    take = partial(search_takes, load, side, pictures, epochs)
    return bisect_right(range(1, most + 1), left, key=take)


def filled(load: Load, side: int, pictures: int, epochs: int, trials: int) -> Filled:
    """So many trials, with the time that they and the twins take."""
    work = search_takes(load, side, pictures, epochs, trials)
    work += twins_take(load, side, pictures, epochs)
    seconds = START + work / load.workers
    rungs = rungs_of(load.pruner, epochs)
    return Filled(side, pictures, epochs, trials, rungs, seconds, load.twins > 0)


def twins_take(load: Load, side: int, pictures: int, epochs: int) -> float:
    """Seconds of all twins on one worker."""
    rates = load.rates[side]
    return rates.twins * pictures * epochs + rates.each * load.twins


def search_takes(load: Load, side: int, pictures: int, epochs: int, trials: int) -> float:
    """Seconds of so many trials, and of those of random search beside them, on one worker."""
    rates = load.rates[side]
    trained = epochs * trials * share_trained(load.pruner, epochs, trials)
    return load.searches * (rates.each * trials + rates.candidate * pictures * trained)
