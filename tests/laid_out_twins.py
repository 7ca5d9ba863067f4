"""Twins of a plan, laid out phase by phase and written without training anything."""

from typing import Any

import optuna
from optuna.study import Study
from report_studies import candidate, twin_trial

from nas.payoff.plan import Plan, keep_plan, make_plan
from nas.payoff.records import run_keys_of
from nas.payoff.run import phases
from nas.search.beside import TWINS
from nas.space.schema import PayoffSection


def section(**changes: Any) -> PayoffSection:
    settings: dict[str, Any] = {
        "until": "resolved",
        "max_seeds": 12,
        "seeds": 3,
        "top": 0,
        "depths": [1, 2, 3, 5, 9],
        "activation_orders": ["post_activation"],
        "arms": ["none", "identity"],
        "lr_factors": [1.0],
        "stages": False,
    }
    return PayoffSection(**settings | changes)


def opened(study: Study, settings: PayoffSection) -> tuple[Study, Plan]:
    """The study of twins with its plan."""
    plan = make_plan(settings, [candidate(2, ["identity"] * 3)])
    twins = optuna.create_study(
        study_name=study.study_name + TWINS, storage=study._storage, direction="maximize"
    )
    for key in ("space", "space_file", "seed"):
        twins.set_user_attr(key, study.user_attrs.get(key))
    twins.set_user_attr("twins_of", study.study_name)
    keep_plan(twins, plan)
    return twins, plan


def train(twins: Study, plan: Plan, most: int = 100) -> list[int]:
    """Lay out phase by phase and train each; how many runs each had."""
    sizes = []
    for runs, _ in zip(phases(twins, plan, plan), range(most), strict=False):
        twins.add_trials([twin_trial(attrs, is_done=True) for attrs in runs])
        sizes.append(len(runs))
    return sizes


def places(twins: Study) -> list[Any]:
    trials = twins.get_trials(deepcopy=False)
    return [cell for one in trials for cell in run_keys_of(twins.user_attrs, one)]
