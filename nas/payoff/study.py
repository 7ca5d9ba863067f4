"""The study of the twins, beside that of the search: made with its plan, or opened again."""

from collections.abc import Iterable
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import TrialState

from nas.common.errors import StudyError
from nas.payoff.plan import BEYOND, FORMER, Plan, keep, keep_plan, kept_plan, make_plan
from nas.payoff.records import run_keys_of
from nas.search.beside import (
    FOLDER,
    TWINS,
    claim_folder,
    folder_name,
    name_beside,
    search_of,
)
from nas.search.best_trials import best_first
from nas.search.study import refuse_foreign
from nas.space.enumeration import EnumeratingTrial
from nas.space.schema import PayoffSection, current
from nas.space.space import SearchSpace
from nas.storage.handles import storage_of, trial_id_of
from nas.storage.locks import locked
from nas.training.candidate import Candidate

#: what may not change once a twin has finished, and what may only grow
FIXED = (
    *("vary", "smallest_effect", "lr_factors", "tuning_seeds", "until", "max_seeds"),
    *("after_training", "after_training_split", "tuning_budget"),
)
GROWING = ("top", "seeds", "stages", "block_masks", "block_orders")
GROWING_LISTS = ("arms", "depths", "activation_orders", "blocks", "widths", "budgets", "rivals")


def open_twins(
    storage: BaseStorage, parent: Study, space: SearchSpace, asked: PayoffSection
) -> tuple[Study, Plan, Plan]:
    """The study of the twins, its plan, and the plan with all that was asked for later.

    As long as no twin has finished, nobody can have seen how they compare, and the plan is what is
    asked for. From then on it stands: StudyError for what cannot be added to it.
    """
    with locked(storage) as hold:
        if FOLDER not in parent.user_attrs:
            claim_folder(storage, parent)
        study = optuna.create_study(
            study_name=name_beside(parent, TWINS),
            storage=storage,
            direction="maximize",
            load_if_exists=True,
        )
        refuse_foreign(study, "Rename or remove it: the twins go by that name.")
        hold()
        if FOLDER not in study.user_attrs:
            study.set_user_attr(FOLDER, folder_name(parent) + TWINS)
        plan = plan_of(study, parent, space, asked)
        if search_of(study.user_attrs) != parent.study_name:  # it was renamed
            study.set_user_attr("twins_of", parent.study_name)
        return study, plan, beyond(study, plan, parent, asked)


def plan_of(study: Study, parent: Study, space: SearchSpace, asked: PayoffSection) -> Plan:
    """The plan that stands, or a new one while no twin has finished."""
    kept = kept_plan(study.user_attrs)
    if has_begun(study):
        return kept or former_plan(study, parent, space)
    plan = make_plan(asked, base_candidates(parent, space, asked.top))
    if kept != plan:
        withdraw(study)
        for key in ("space", "space_file", "seed"):
            study.set_user_attr(key, parent.user_attrs.get(key))
        study.set_user_attr("twins_of", parent.study_name)
        keep_plan(study, plan)
    return plan


def has_begun(study: Study) -> bool:
    """Whether a twin has finished, or is in training."""
    states = (TrialState.COMPLETE, TrialState.RUNNING)
    return bool(study.get_trials(deepcopy=False, states=states))


def withdraw(study: Study) -> None:
    """Take back the twins that are queued: another plan replaces theirs."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        storage_of(study).set_trial_state_values(trial_id_of(trial), TrialState.PRUNED)


def former_plan(study: Study, parent: Study, space: SearchSpace) -> Plan:
    """A plan for twins begun by a version that kept none: by the rules of then, and with as many
    pairs as were trained, or if some are still queued as the space says.
    """
    section = space.section.payoff or PayoffSection()
    given = FORMER | section.model_dump(exclude_unset=True)
    trials = study.get_trials(deepcopy=False)
    if all(trial.state.is_finished() for trial in trials):
        cells = [cell for trial in trials for cell in run_keys_of({}, trial)]
        given["seeds"] = 1 + max((c.seed for c in cells if c.role != "tune"), default=0)
    asked = current(PayoffSection).model_validate(given)
    plan = make_plan(asked, base_candidates(parent, space, asked.top), rules=1)
    known = study.user_attrs["payoff"]
    fixed = {"vary": asked.vary, "smallest_effect": asked.smallest_effect}
    refuse_changes(study, [key for key, value in fixed.items() if known[key] != value])
    refuse_changes(
        study, ["depths"] if known["primary"]["depths"] != plan.primary()["depths"] else []
    )
    keep_plan(study, plan)
    return plan


def beyond(study: Study, plan: Plan, parent: Study, asked: PayoffSection) -> Plan:
    """The plan grown by all that was ever asked for beyond it."""
    given, known = asked.model_fields_set, kept_plan(study.user_attrs, BEYOND) or plan
    refuse_changes(
        study,
        [k for k in FIXED if k in given and getattr(asked, k) != getattr(plan.settings, k)],
    )
    changes: dict[str, Any] = {}
    for key in given & {*GROWING, *GROWING_LISTS}:
        old, new = getattr(known.settings, key), getattr(asked, key)
        if new is not None and old is not None:
            changes[key] = max(old, new) if key in GROWING else list(dict.fromkeys([*old, *new]))
    if "depths" in changes:
        changes["depths"] = sorted(changes["depths"])
    settings = known.settings.model_copy(update=changes)
    grown = Plan(
        settings, (*known.candidates, *more_candidates(parent, known, settings)), plan.rules
    )
    if grown != known:
        keep(study, BEYOND, grown)
    return grown


def more_candidates(parent: Study, known: Plan, settings: PayoffSection) -> list[Candidate]:
    """The next best candidates, where more are asked for."""
    if settings.top <= len(known.candidates):
        return []
    found = [one for one in best_candidates(parent, settings.top) if one not in known.candidates]
    return found[: settings.top - len(known.candidates)]


def refuse_changes(study: Study, changed: Iterable[str]) -> None:
    """StudyError where keys that may not change have changed."""
    if named := ", ".join(changed):
        raise StudyError(
            f"the twins of {search_of(study.user_attrs)!r} were begun with another "
            f"{named}, which may not change after a twin has finished. Use the old settings, or "
            "search under a new --study name."
        )


def base_candidates(study: Study, space: SearchSpace, top: int) -> list[Candidate]:
    """The best candidates of the study; without any the first one of the space."""
    first = EnumeratingTrial([], lambda name, values: [(values.items[0], 1)])
    return best_candidates(study, max(1, top)) or [space.candidate(first)]


def best_candidates(study: Study, number: int) -> list[Candidate]:
    """So many of the candidates trained to their end, best first, each once."""
    found: dict[str, Candidate] = {}
    for trial in best_first(study):
        candidate = Candidate.from_json(trial.user_attrs["candidate"], f"trial {trial.number}")
        found.setdefault(candidate.hash, candidate)
        if len(found) == number:
            break
    return list(found.values())
