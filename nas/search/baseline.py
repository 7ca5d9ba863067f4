"""Random search beside the search of a study: what its sampler is measured against."""

from typing import Any

from optuna.study import Study

from nas.search.coordinator import Outcome, search
from nas.search.study import BASELINE, create_study, space_of
from nas.search.trial_attributes import counted
from nas.space.space import SearchSpace
from nas.storage.open import open_storage

#: added to the seed of the search: candidates, weights and batches are drawn anew
OTHER_SEED = 1_000_000


def run_baseline(study: Study, *, storage: str, **options: Any) -> Outcome:
    """Run or resume random search of the same space with as many trials, pruned in the same way.

    It is a study beside the one of the search; the options are those of `nas.search`.
    """
    space = at_random(space_of(study))
    name = study.study_name + BASELINE
    beside = create_study(open_storage(storage), name, space)
    beside.set_user_attr("baseline_of", study.study_name)
    trials = len(counted(study.get_trials(deepcopy=False)))
    return search(space, trials=trials, study=name, storage=storage, **options)


def at_random(space: SearchSpace) -> SearchSpace:
    """The space with sampler random and a seed of its own."""
    seed = (space.search.seed + OTHER_SEED) % 2**31
    return SearchSpace.parse(space.source, ["search.sampler=random", f"search.seed={seed}"])
