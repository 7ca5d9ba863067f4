"""The Optuna study of a search: what it was made from, how it samples, which trials are best."""

import copy
import json
import warnings
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.common.errors import StudyError
from nas.common.registry import Registry
from nas.search.samplers import WindowedTPE
from nas.space.space import SearchSpace, differences
from nas.space.yaml import Source
from nas.storage.handles import storage_of, study_id_of
from nas.storage.locks import locked
from nas.storage.one_objective import with_one_objective
from nas.training.result import LEARNED, OBJECTIVES, Result

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

#: how studies are stored; a change that older versions cannot read takes the next number
FORMAT = 1
#: the attribute of a study with the number of trials asked for
NUM_TRIALS = "num_trials"
#: what the names of the studies beside a search end with: its twins, its random baseline
TWINS, BASELINE = "-twins", "-random"
DONE = (TrialState.COMPLETE, TrialState.PRUNED)
SAMPLERS: Registry[Callable[[int], BaseSampler]] = Registry("sampler")
PRUNERS: Registry[Callable[[int], BasePruner]] = Registry("pruner")


SAMPLERS.add("tpe", lambda seed: WindowedTPE(seed=seed, group=True, multivariate=True))
SAMPLERS.add("random", lambda seed: optuna.samplers.RandomSampler(seed=seed))
SAMPLERS.add("grid", lambda seed: optuna.samplers.RandomSampler(seed=seed))
SAMPLERS.add("nsga2", lambda seed: optuna.samplers.NSGAIISampler(seed=seed))
SAMPLERS.add("gp", lambda seed: optuna.samplers.GPSampler(seed=seed))
SAMPLERS.add(
    "cmaes", lambda seed: optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
)

PRUNERS.add("hyperband", lambda epochs: optuna.pruners.HyperbandPruner(max_resource=epochs))
PRUNERS.add("asha", lambda epochs: optuna.pruners.SuccessiveHalvingPruner())
PRUNERS.add(
    "median", lambda epochs: optuna.pruners.MedianPruner(n_warmup_steps=max(1, epochs // 4))
)
PRUNERS.add("halving", lambda epochs: optuna.pruners.NopPruner())  # see nas.search.asha
PRUNERS.add("none", lambda epochs: optuna.pruners.NopPruner())


def create_study(storage: BaseStorage, name: str, space: SearchSpace) -> Study:
    """Make the study of a space, or open the one of that name if its space is the same."""
    with locked(storage):  # another search may make it at the same time
        return create_alone(storage, name, space)


def create_alone(storage: BaseStorage, name: str, space: SearchSpace) -> Study:
    """Make or open a study while no other process does."""
    directions = [OBJECTIVES[objective].direction for objective in space.search.objectives]
    if name in optuna.get_all_study_names(storage):  # a full disk is no reason not to look
        study = optuna.load_study(study_name=name, storage=storage)
    else:
        study = optuna.create_study(study_name=name, storage=storage, directions=directions)
    identity = {
        "space_hash": space.hash,
        "seed": space.search.seed,
        "objectives": space.search.objectives,
    }
    if study.user_attrs.get("format", FORMAT) > FORMAT:
        raise too_new(study)
    if "space" not in study.user_attrs:
        if study.get_trials(deepcopy=False):
            raise not_ours(study)
        study.set_user_attr("format", FORMAT)
        for key, value in identity.items():
            study.set_user_attr(key, value)
        study.set_user_attr("space_file", space.source.name)
        study.set_metric_names(space.search.objectives)
    refuse_changes(study, identity, space)
    study.set_user_attr("space", json.dumps(space.source.data, ensure_ascii=False))
    return study


def refuse_changes(study: Study, identity: dict[str, Any], space: SearchSpace) -> None:
    """StudyError where a study of the same name was made from something else."""
    for key, value in identity.items():
        if study.user_attrs.get(key) != value:
            what = {"space_hash": "space", "seed": "seed", "objectives": "objectives"}[key]
            changed = differences(space_of(study), space) if key == "space_hash" else []
            told = f": {'; '.join(changed)}" if changed else ""
            way = "--extend to go on with its trials that still fit" if changed else ""
            raise StudyError(
                f"study {study.study_name!r} exists and was made from another {what}{told}. "
                f"Resume it with the {what} it was made from, start another with --study NAME"
                f"{f', or take {way}' if way else ''}."
            )


def load_study(storage: BaseStorage, name: str | None) -> Study:
    """An existing study; without a name the newest one."""
    if name is None or not has_study(storage, name):
        names = optuna.get_all_study_names(storage)
        if not names:
            raise StudyError("there is no study here yet: start one with `nas search digits`.")
        name = newest(storage) if name is None else name
    if not has_study(storage, name):
        raise StudyError(f"there is no study {name!r}; there is {', '.join(sorted(names))}.")
    return optuna.load_study(study_name=name, storage=storage)


def has_study(storage: BaseStorage, name: str) -> bool:
    """Whether there is a study of that name; a list would come with all their notes."""
    try:
        storage.get_study_id_from_name(name)
    except KeyError:
        return False
    return True


def newest(storage: BaseStorage) -> str:
    """The name of the search made last."""
    studies = sorted(storage.get_all_studies(), key=study_id_of)
    return [*studies, *(s for s in studies if search_of(s.user_attrs) is None)][-1].study_name


def search_of(attrs: Mapping[str, Any]) -> str | None:
    """The name of the search that a study of twins or of a baseline stands beside."""
    return attrs.get("twins_of") or attrs.get("baseline_of")


def space_of(study: Study) -> SearchSpace:
    """The space a study was made from."""
    attrs = study.user_attrs
    if not isinstance(attrs.get("space"), str):
        raise not_ours(study)
    if attrs.get("format", FORMAT) > FORMAT:
        raise too_new(study)
    return SearchSpace.parse(Source(attrs.get("space_file", "space"), attrs["space"]))


def objectives_of(study: Study) -> list[str]:
    """What a search optimises; its space need not be readable any more. Twins optimise nothing."""
    if "space" not in study.user_attrs:
        raise not_ours(study)
    return objective_names(study)


def objective_names(study: Study) -> list[str]:
    """A name for each direction of any study, also where another program made it."""
    known = study.user_attrs.get("objectives")
    names = [str(one) for one in known] if isinstance(known, list) else []
    count = len(study.directions)
    return names[:count] + [f"objective {index + 1}" for index in range(len(names), count)]


def too_new(study: Study) -> StudyError:
    """What is wrong with a study of a later version of this program."""
    return StudyError(
        f"study {study.study_name!r} was made by a later version of nas (format "
        f"{study.user_attrs['format']}, this one knows {FORMAT}). Update nas, or start another "
        "study with --study NAME."
    )


def not_ours(study: Study) -> StudyError:
    """What is wrong with a study of another program."""
    return StudyError(
        f"study {study.study_name!r} was not made by `nas search`: take another with --study NAME."
    )


def for_trial(storage: BaseStorage, name: str, space: SearchSpace, number: int) -> Study:
    """The study with a sampler whose seed belongs to the trial alone, so that resumed searches
    draw what uninterrupted ones would have drawn."""
    seed = zlib.crc32(f"{space.search.seed}/{number}".encode())
    return optuna.load_study(
        study_name=name,
        storage=storage,
        sampler=SAMPLERS[space.search.sampler](seed),
        pruner=PRUNERS[space.search.pruner](space.epochs),
    )


def pruned_ending(study: Study, trial: FrozenTrial) -> tuple[TrialState, list[float]]:
    """State and values with which a pruned trial ends. With several objectives Optuna knows no
    pruned trials: it is complete, with the values it was pruned at."""
    names = objective_names(study)
    if len(names) == 1 and trial.last_step is not None:
        return TrialState.PRUNED, [trial.intermediate_values[trial.last_step]]
    result = Result(**json.loads(trial.user_attrs["result"]))
    state = TrialState.PRUNED if len(names) == 1 else TrialState.COMPLETE
    return state, [OBJECTIVES[name](result) for name in names]


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial counts towards the number asked for: not if its constraints rejected it."""
    return "rejected" not in trial.user_attrs


def counting(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Those that count."""
    return [trial for trial in trials if counts(trial)]


def learned_objective(space: SearchSpace) -> str | None:
    """The first objective that is known after every epoch: the one a pruner can use."""
    return next((name for name in space.search.objectives if name in LEARNED), None)


def should_prune(study: Study, trial_id: int, objective: str, epoch: int) -> bool:
    """What the study's pruner says of a trial after an epoch, by one of its objectives.

    Values of later epochs are left over from before an interruption.
    """
    frozen = copy.copy(storage_of(study).get_trial(trial_id))
    values = frozen.intermediate_values.items()
    frozen.intermediate_values = {step: value for step, value in values if step <= epoch}
    direction = optuna.study.StudyDirection[OBJECTIVES[objective].direction.upper()]
    return study.pruner.prune(with_one_objective(study, direction), frozen)


def best_trials(study: Study, trials: Sequence[FrozenTrial] | None = None) -> list[FrozenTrial]:
    """The best trial trained to its end, or with several objectives the Pareto front; the trials
    may have been read already."""
    signs = signs_of(study)
    front: list[FrozenTrial] = []
    # by falling objectives no later one dominates an earlier one
    trained = trained_to_end(study) if trials is None else [t for t in trials if is_whole(t)]
    for trial in sorted(trained, key=lambda one: ranked(one, signs), reverse=True):
        if not any(dominates(other, trial, signs) for other in front):
            front.append(trial)
    return sorted(front, key=lambda trial: trial.number)


def is_among_best(study: Study, number: int) -> bool:
    """Whether a trial trained to its end is one of the best, at the cost of one look at each."""
    trained, signs = trained_to_end(study), signs_of(study)
    own = next(trial for trial in trained if trial.number == number)
    return not any(dominates(other, own, signs) for other in trained)


def trained_to_end(study: Study) -> list[FrozenTrial]:
    """The trials of a study that are."""
    return [trial for trial in study.get_trials(deepcopy=False) if is_whole(trial)]


def is_whole(trial: FrozenTrial) -> bool:
    """Whether a trial is complete and was not pruned."""
    return trial.state == TrialState.COMPLETE and not trial.user_attrs.get("pruned")


def signs_of(study: Study) -> list[int]:
    """What makes more of each objective better."""
    return [1 if direction.name == "MAXIMIZE" else -1 for direction in study.directions]


def ranked(trial: FrozenTrial, signs: list[int]) -> tuple[list[float], int]:
    """What is greater for a trial that may dominate another."""
    values = [sign * value for sign, value in zip(signs, trial.values, strict=True)]
    return values, -trial.number


def best_first(study: Study) -> list[FrozenTrial]:
    """The trials trained to their end, best first by the first objective."""
    sign = -signs_of(study)[0]
    return sorted(trained_to_end(study), key=lambda trial: (sign * trial.values[0], trial.number))


def dominates(one: FrozenTrial, other: FrozenTrial, signs: list[int]) -> bool:
    """Whether one trial is as good everywhere and better somewhere, or equal and earlier."""
    ours = [sign * value for sign, value in zip(signs, one.values, strict=True)]
    theirs = [sign * value for sign, value in zip(signs, other.values, strict=True)]
    if ours == theirs:
        return one.number < other.number
    return all(a >= b for a, b in zip(ours, theirs, strict=True))
