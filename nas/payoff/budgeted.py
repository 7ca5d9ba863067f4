"""A space set up for a budget of time, by trainings and steps that are timed on this machine."""

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

from nas.common.devices import Device
from nas.common.errors import StudyError, UserError
from nas.common.text import seconds_of as seconds_in
from nas.common.threads import one_thread
from nas.data import ensure
from nas.data.catalog import Dataset, split_sizes
from nas.data.facts import DATASETS
from nas.payoff.budget import SMALLEST_SIDE, Filled, Load, Rates, fill
from nas.payoff.costs import trainings
from nas.payoff.plan import make_plan
from nas.payoff.preview import seconds_by_steps, stand_ins
from nas.search.study import load_own_study
from nas.search.trial import probe_names
from nas.space.enumeration import RandomTrial, all_values
from nas.space.estimate import DRAWS, PROCESSOR, num_pictures, timed_on
from nas.space.space import SearchSpace
from nas.storage.open import open_storage
from nas.training.candidate import Candidate
from nas.training.lightning import train

#: a space with settings, as `--set` takes them
Make = Callable[[Sequence[str]], SearchSpace]
#: pictures of the trainings that are timed, and the seconds that the longer one may take
SAMPLE, LONGEST = 512, 6.0
#: what a budget decides
KEYS = (
    *("dataset.train_size", "dataset.validation_size", "dataset.image_size", "training.epochs"),
    *("search.trials", "search.rungs", "search.budget"),
)


def settings_for(
    make: Make,
    budget: str,
    *,
    workers: int,
    data_dir: Path,
    log: Callable[[str], None],
    device: Device = PROCESSOR,
) -> list[str]:
    """The settings with which a search takes about the budget, twins and random search included;
    UserError where that cannot be known, or nothing fits.
    """
    space = make([])
    if space.dataset.name not in DATASETS:
        raise UserError("--budget: it is for the built-in data sets; take --trials and --set.")
    ensure(space.dataset, data_dir)
    log(f"Timing a few trainings, to fill {budget}.")
    found = fill(seconds_in(budget), load_of(make, workers, data_dir, device))
    log(f"For {budget}: {found.in_words()}.")
    if space.section.payoff and not found.has_twins:
        log("There is no time for twins; `nas payoff` trains them later.")
    log("These are:")
    log(f"--set {' '.join(settings_of(found, space, budget))}")
    return settings_of(found, space, budget)


def settings_of(found: Filled, space: SearchSpace, budget: str) -> list[str]:
    """What fits, as settings."""
    is_whole = found.pictures == whole(space.dataset)
    size = None if found.side == side_of(space) else found.side
    values: tuple[Any, ...] = (
        *((None, None) if is_whole else (found.pictures, found.pictures // 4)),
        *(size or space.dataset.image_size, found.epochs),
        *(found.trials, list(found.rungs) or None, budget),
    )
    settings = [f"{key}={written(value)}" for key, value in zip(KEYS, values, strict=True)]
    if space.section.payoff and not found.has_twins:
        settings.append("payoff=null")
    if max(one.warmup for one in space.trainings()) > found.epochs:
        settings.append(f"training.warmup={found.epochs / 10}")
    return settings


def kept_settings(storage: str, study: str, budget: str) -> list[str] | None:
    """The settings of a study that was made for the same budget, which goes on with them."""
    try:
        stored = json.loads(load_own_study(open_storage(storage), study).user_attrs["space"])
    except (StudyError, KeyError, ValueError):
        return None
    if not isinstance(stored, dict) or stored.get("search", {}).get("budget") != budget:
        return None
    places = [key.split(".") for key in (*KEYS, "training.warmup")]
    values = {".".join((a, b)): stored.get(a, {}).get(b) for a, b in places}
    if "payoff" in stored:
        values["payoff"] = stored["payoff"]
    return [
        f"{key}={written(value)}"
        for key, value in values.items()
        if value is not None or key != "training.warmup"
    ]


def written(value: Any) -> str:
    """A value as YAML."""
    return json.dumps(value)


def load_of(make: Make, workers: int, data_dir: Path, device: Device = PROCESSOR) -> Load:
    """What is known of a space before its search, after some seconds of timing on the device."""
    space, side = make([]), side_of(make([]))
    left = twins_of(space)
    rates = {side: rates_of(space, left, data_dir, device)}
    if side >= 2 * SMALLEST_SIDE:
        smaller = make([f"dataset.image_size={side // 2}"])
        share = mean_seconds(smaller, data_dir, device) / mean_seconds(space, data_dir, device)
        full = rates[side]
        rates[side // 2] = Rates(share * full.candidate, share * full.twins, full.each)
    count, _ = space.num_architectures()
    return Load(
        rates=rates,
        pictures=whole(space.dataset),
        workers=workers,
        candidates=count * len(space.trainings()),
        twins=len(left),
        searches=2 if space.search.baseline else 1,
        pruner=space.pruner.name,
    )


def twins_of(space: SearchSpace) -> list[Candidate]:
    """The trainings of the twins after a search, at most."""
    section = space.section.payoff
    if section is None:
        return []
    return trainings(make_plan(section, stand_ins(space, max(1, section.top))))


def rates_of(space: SearchSpace, left: list[Candidate], data_dir: Path, device: Device) -> Rates:
    """Rates by two trainings of a candidate that takes about as long as the mean one, and for all
    others by timed steps."""
    draws = random_candidates(space)
    of = step_seconds(space, draws + left, data_dir, device)
    average = mean(map(of, draws))
    measured = min(draws, key=lambda one: abs(of(one) - average))
    one, each = seconds_per_picture(space, measured, of(measured), data_dir, device)
    scale = one / of(measured)
    return Rates(scale * average, scale * sum(map(of, left)), each)


def mean_seconds(space: SearchSpace, data_dir: Path, device: Device) -> float:
    """Seconds of the steps for one picture in one epoch, of the mean candidate."""
    draws = random_candidates(space)
    return mean(map(step_seconds(space, draws, data_dir, device), draws))


def random_candidates(space: SearchSpace) -> list[Candidate]:
    """Candidates drawn at random, the same whenever it is asked."""
    generator = random.Random(0)
    return [space.candidate(RandomTrial(generator, all_values)) for _ in range(DRAWS)]


def step_seconds(
    space: SearchSpace, candidates: list[Candidate], data_dir: Path, device: Device
) -> Callable[[Candidate], float]:
    """Candidate -> seconds of its steps for one picture in an epoch, by timed steps."""
    seconds, _ = seconds_by_steps(space, candidates, data_dir, timed_on(device))
    if seconds is None:
        raise UserError("--budget: no step can be timed here; take --trials and --set.")
    total = num_pictures(space, data_dir) * space.epochs
    return lambda candidate: seconds(candidate) / total


def seconds_per_picture(
    space: SearchSpace, candidate: Candidate, expected: float, data_dir: Path, device: Device
) -> tuple[float, float]:
    """Seconds of a picture in an epoch, and of a training besides its epochs, from a training of
    one epoch and one of several. expected: about what a picture takes. With what is measured of
    twins, if there are any."""
    pictures = min(SAMPLE, whole(candidate.dataset))
    data = replace(candidate.dataset, train_size=pictures, validation_size=pictures // 4)
    probes = probe_names(space, is_twin=space.section.payoff is not None)
    several = 2 + min(10, round(LONGEST / (expected * pictures)))

    def timed(epochs: int) -> float:
        training = replace(candidate.training, epochs=epochs, warmup=0.0)
        short = replace(candidate, dataset=data, training=training)
        start = time.perf_counter()
        with one_thread():
            train(short, seed=0, data_dir=data_dir, probes=probes, device=device.kind)
        return time.perf_counter() - start

    timed(1)  # loads what is loaded once
    first, last = timed(1), timed(several)
    one = max(last - first, 0.0) / (several - 1) / pictures or expected
    return one, max(0.0, first - one * pictures)


def whole(dataset: Dataset) -> int:
    """Training pictures of a data set of which none is left out."""
    return split_sizes(Dataset(name=dataset.name), DATASETS[dataset.name].num_train)[0]


def side_of(space: SearchSpace) -> int:
    """Pixels of a side of the pictures."""
    return random_candidates(space)[0].architecture.image_shape[1]
