"""The Optuna study of a search: where it is stored, how it samples, and which trials are due."""

import contextlib
import json
import os
import socket
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.errors import StudyError
from nas.registry import Registry
from nas.result import LEARNED, OBJECTIVES
from nas.space import SearchSpace
from nas.space.source import Source

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

DEFAULT_STORAGE = "sqlite:///runs/nas.db"
#: what the name of a study's twins ends with
TWINS = "-twins"
DONE = (TrialState.COMPLETE, TrialState.PRUNED)
SAMPLERS: Registry[Callable[[int], BaseSampler]] = Registry("sampler")
PRUNERS: Registry[Callable[[int], BasePruner]] = Registry("pruner")


SAMPLERS.add("tpe", lambda seed: optuna.samplers.TPESampler(seed=seed, group=True, multivariate=True))
SAMPLERS.add("random", lambda seed: optuna.samplers.RandomSampler(seed=seed))
SAMPLERS.add("grid", lambda seed: optuna.samplers.RandomSampler(seed=seed))
SAMPLERS.add("nsga2", lambda seed: optuna.samplers.NSGAIISampler(seed=seed))
SAMPLERS.add("gp", lambda seed: optuna.samplers.GPSampler(seed=seed))
SAMPLERS.add("cmaes", lambda seed: optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False))

PRUNERS.add("hyperband", lambda epochs: optuna.pruners.HyperbandPruner(max_resource=epochs))
PRUNERS.add("asha", lambda epochs: optuna.pruners.SuccessiveHalvingPruner())
PRUNERS.add("median", lambda epochs: optuna.pruners.MedianPruner(n_warmup_steps=max(1, epochs // 4)))
PRUNERS.add("none", lambda epochs: optuna.pruners.NopPruner())


def open_storage(url: str) -> BaseStorage:
    """The storage at a URL. SQLite files get their folder and wait for locks instead of failing."""
    options: dict[str, Any] = {}
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        options = {"connect_args": {"timeout": 120}}
    try:
        return optuna.storages.get_storage(RDBStorage(url, engine_kwargs=options))
    except Exception as error:
        raise StudyError(f"the storage {hidden(url)} cannot be opened: {first_line(error)}") from error


def hidden(url: str) -> str:
    """A storage URL without its password."""
    scheme, separator, rest = url.partition("://")
    credentials, at, host = rest.rpartition("@")
    user = credentials.partition(":")[0]
    return f"{scheme}{separator}{user}{':***' if ':' in credentials else ''}{at}{host}" if at else url


def first_line(error: BaseException) -> str:
    """What an exception says, without what follows it."""
    return (str(error) or type(error).__name__).splitlines()[0]


def create_study(storage: BaseStorage, name: str, space: SearchSpace) -> Study:
    """Make the study of a space, or open the one of that name if its space is the same."""
    directions = [OBJECTIVES[objective].direction for objective in space.search.objectives]
    study = optuna.create_study(
        study_name=name, storage=storage, directions=directions, load_if_exists=True
    )
    identity = {"space_hash": space.hash, "seed": space.search.seed, "objectives": space.search.objectives}
    if "space" not in study.user_attrs:
        for key, value in identity.items():
            study.set_user_attr(key, value)
        study.set_user_attr("space_file", space.source.name)
    refuse_changes(study, identity)
    study.set_user_attr("space", json.dumps(space.source.data))
    return study


def refuse_changes(study: Study, identity: dict[str, Any]) -> None:
    """StudyError where a study of the same name was made from something else."""
    for key, value in identity.items():
        if study.user_attrs.get(key) != value:
            what = {"space_hash": "space", "seed": "seed", "objectives": "objectives"}[key]
            raise StudyError(
                f"study {study.study_name!r} exists and was made from another {what}. "
                f"Resume it with the {what} it was made from, or start another with --study NAME."
            )


def load_study(storage: BaseStorage, name: str | None) -> Study:
    """An existing study; without a name the newest one."""
    names = optuna.get_all_study_names(storage)
    if not names:
        raise StudyError("there is no study here yet: start one with `nas search digits`.")
    if name is None:
        name = newest(storage)
    if name not in names:
        raise StudyError(f"there is no study {name!r}; there is {', '.join(sorted(names))}.")
    return optuna.load_study(study_name=name, storage=storage)


def newest(storage: BaseStorage) -> str:
    """The name of the study made last."""
    searches = [s for s in storage.get_all_studies() if not s.study_name.endswith(TWINS)]
    return max(searches, key=lambda study: study._study_id).study_name


def space_of(study: Study) -> SearchSpace:
    """The space a study was made from."""
    attrs = study.user_attrs
    if "space" not in attrs:
        raise StudyError(f"study {study.study_name!r} was not made by `nas search`.")
    return SearchSpace.parse(Source(attrs.get("space_file", "space"), attrs["space"]))


def for_trial(storage: BaseStorage, name: str, space: SearchSpace, number: int) -> Study:
    """The study with a sampler whose seed belongs to the trial alone, so that resumed searches
    draw what uninterrupted ones would have drawn."""
    seed = zlib.crc32(f"{space.search.seed}/{number}".encode())
    epochs = max(training.epochs for training in space.trainings())
    return optuna.load_study(
        study_name=name,
        storage=storage,
        sampler=SAMPLERS[space.search.sampler](seed),
        pruner=PRUNERS[space.search.pruner](epochs),
    )


def add_due(study: Study, space: SearchSpace, num_trials: int) -> int:
    """Bring the number of trials that are done, running or due up to `num_trials`; how many were added."""
    if space.search.sampler == "grid":
        return add_grid(study, space, num_trials)
    counted = [trial for trial in study.get_trials(deepcopy=False) if counts(trial)]
    missing = max(0, num_trials - len(counted))
    for _ in range(missing):
        add_one(study)
    return missing


def add_one(study: Study) -> None:
    """One more trial that is due; its parameters are drawn when it starts."""
    study.add_trial(optuna.trial.create_trial(state=TrialState.WAITING))


def add_grid(study: Study, space: SearchSpace, num_trials: int) -> int:
    """Make every point of the grid due, at most so many."""
    points = space.grid(num_trials)[len(study.get_trials(deepcopy=False)) :]
    for point in points:
        study.enqueue_trial(point)
    return len(points)


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial counts towards the number asked for: not if its constraints rejected it."""
    return "rejected" not in trial.user_attrs and "superseded" not in trial.user_attrs


def claim(storage: BaseStorage, study: Study) -> FrozenTrial | None:
    """Take one due trial for this process, so that no other process does; None where none is due."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
            if storage.set_trial_state_values(trial._trial_id, state=TrialState.RUNNING):
                storage.set_trial_user_attr(trial._trial_id, "worker", this_worker())
                return trial
    return None


def release(storage: BaseStorage, trial_id: int) -> None:
    """Make a running trial due again; it keeps its number and its parameters."""
    with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
        storage.set_trial_state_values(trial_id, state=TrialState.WAITING)


def release_abandoned(storage: BaseStorage, study: Study) -> int:
    """Make trials due again whose process on this machine is gone; how many there were."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    abandoned = [trial for trial in running if not is_alive(trial.user_attrs.get("worker"))]
    for trial in abandoned:
        release(storage, trial._trial_id)
    return len(abandoned)


def this_worker() -> str:
    """host:pid:start of this process."""
    return f"{socket.gethostname()}:{os.getpid()}:{process_start(os.getpid())}"


def is_alive(worker: str | None) -> bool:
    """Whether a worker runs; one on another machine counts as running."""
    if worker is None:
        return False
    host, pid, start = worker.rsplit(":", 2)
    return host != socket.gethostname() or process_start(int(pid)) == start


def process_start(pid: int) -> str:
    """When a process started, in clock ticks since boot; empty where there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


class OneDirection:
    """A storage seen as that of a study with one objective: pruners know no other kind."""

    def __init__(self, storage: BaseStorage, direction: optuna.study.StudyDirection) -> None:
        self._storage = storage
        self._direction = direction

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def get_study_directions(self, study_id: int) -> list[optuna.study.StudyDirection]:
        """The one direction."""
        return [self._direction]


def learned_objective(space: SearchSpace) -> str | None:
    """The first objective that is known after every epoch: the one a pruner can use."""
    return next((name for name in space.search.objectives if name in LEARNED), None)


def should_prune(study: Study, trial_id: int, objective: str) -> bool:
    """What the study's pruner says of a trial by its reported values, also with several objectives."""
    storage = study._storage
    frozen = storage.get_trial(trial_id)
    direction = optuna.study.StudyDirection[OBJECTIVES[objective].direction.upper()]
    view = Study(study.study_name, OneDirection(storage, direction), study.sampler, study.pruner)  # type: ignore[arg-type]
    return bool(study.pruner.prune(view, frozen))


def best_trials(study: Study) -> list[FrozenTrial]:
    """The best trial, or with several objectives the Pareto front, of those trained to their end."""
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    trained = [trial for trial in done if not trial.user_attrs.get("pruned")]
    signs = [1 if direction.name == "MAXIMIZE" else -1 for direction in study.directions]
    front: list[FrozenTrial] = []
    for trial in trained:
        if not any(dominates(other, trial, signs) for other in trained):
            front.append(trial)
    return front


def best_first(study: Study) -> list[FrozenTrial]:
    """The trials trained to their end, best first by the first objective."""
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    sign = -1 if study.directions[0].name == "MAXIMIZE" else 1
    trained = [trial for trial in done if not trial.user_attrs.get("pruned")]
    return sorted(trained, key=lambda trial: (sign * trial.values[0], trial.number))


def dominates(one: FrozenTrial, other: FrozenTrial, signs: list[int]) -> bool:
    """Whether one trial is at least as good everywhere and better somewhere, or equal and earlier."""
    ours = [sign * value for sign, value in zip(signs, one.values, strict=True)]
    theirs = [sign * value for sign, value in zip(signs, other.values, strict=True)]
    if ours == theirs:
        return one.number < other.number
    return all(a >= b for a, b in zip(ours, theirs, strict=True))
