"""Random search beside the search of a study: what its sampler is measured against."""

from typing import Any

from optuna.study import Study
from rich.console import Console

from nas.search.beside import BASELINE, folder_name, name_beside
from nas.search.coordinator import Outcome
from nas.search.options import WorkerOptions
from nas.search.run import search
from nas.search.study import create_study
from nas.search.trial_attributes import counted
from nas.space.space import SearchSpace
from nas.storage.open import open_storage

#: added to the seed of the search: candidates, weights and batches are drawn anew
OTHER_SEED = 1_000_000


def run_baseline(
    study: Study,
    space: SearchSpace,
    options: WorkerOptions,
    *,
    timeout: float | None = None,
    data: Any = None,
    console: Console | None = None,
) -> Outcome:
    """Run or resume random search of the space of a study, with as many trials, pruned alike.

    It is a study beside that of the search.
    """
    space, folder = at_random(space), folder_name(study) + BASELINE
    name = name_beside(study, BASELINE)
    beside = create_study(open_storage(options.storage), name, space, folder)
    beside.set_user_attr("baseline_of", study.study_name)
    trials = len(counted(study.get_trials(deepcopy=False)))
    return search(
        space,
        trials=trials,
        timeout=timeout,
        study=name,
        data=data,
        console=console,
        options=options,
    )


def at_random(space: SearchSpace) -> SearchSpace:
    """The space with sampler random and a seed of its own."""
    seed = (space.search.seed + OTHER_SEED) % 2**31
    return SearchSpace.parse(space.source, ["search.sampler=random", f"search.seed={seed}"])
