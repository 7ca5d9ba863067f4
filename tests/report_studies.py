"""Studies for the tests of the report, written without training anything."""

import json
import math
from datetime import datetime, timedelta
from statistics import mean
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.data.catalog import Dataset
from nas.model.architecture import Architecture, Named, Stage
from nas.model.cost import cost
from nas.payoff.plan import RULES, keep_plan, make_plan
from nas.payoff.queue import fresh_runs
from nas.payoff.runs import compared, first_runs, further_runs, own_runs, placed, planned_keys
from nas.search.beside import TWINS
from nas.search.study import OBJECTIVES
from nas.space.schema import PayoffSection
from nas.space.space import SearchSpace
from nas.training.candidate import Candidate, Training

KINDS = ("identity", "projection", "none")
ORDERS = ("post_activation", "pre_activation")
START = datetime(2025, 1, 2, 3, 4, 5)
PROVENANCE = {"nas": "0.1.0", "torch": "2.13.0", "python": "3.11.7", "git_commit": "abc123+"}
#: what a name may hold that must not reach a page as it is
HOSTILE = "</script><script>alert('x')</script><img src=x onerror=alert(1)>|`**[a](javascript:b)"


def candidate(
    depth: int, shortcuts: list[str], order: str = "post_activation", lr: float = 0.1
) -> Candidate:
    """A small network on digits."""
    stages = tuple(
        Stage(
            depth=depth,
            width=8 * 2**index,
            stride=1 if index == 0 else 2,
            shortcut=shortcut,
            transition="none" if index == 0 or shortcut == "none" else "zero_pad",
        )
        for index, shortcut in enumerate(shortcuts)
    )
    architecture = Architecture(
        image_shape=(1, 8, 8),
        num_classes=10,
        stem=Named.of("conv3x3", width=8),
        stages=stages,
        activation_order=order,
    )
    training = Training(epochs=4, batch_size=64, optimizer=Named.of("sgd", lr=lr, momentum=0.9))
    return Candidate(architecture=architecture, training=training, dataset=Dataset(name="digits"))


def error_of(one: Candidate, noise: float) -> float:
    """A validation error as planted: depth hurts, most where shortcuts are missing."""
    stages = one.architecture.stages
    plain = sum(stage.shortcut == "none" for stage in stages) / len(stages)
    slow = 0.02 if one.training.optimizer.arguments["lr"] < 0.1 else 0.0
    depth = mean(stage.depth for stage in stages)
    base = 0.03 + 0.004 * depth + 0.05 * plain * depth * 4 / one.training.epochs + slow
    return float(np.clip(base * math.exp(0.15 * noise), 0.002, 0.9))


def measured(
    one: Candidate, seed: int, noise: float, *, epochs: int | None = None, **changes: Any
) -> dict[str, Any]:
    """The attributes of a trained trial."""
    error, spent = error_of(one, noise), cost(one.architecture)
    length = epochs or one.training.epochs
    curve = [
        {
            "epoch": float(epoch + 1),
            "train_loss": 2.3 * math.exp(-epoch) + 3 * error,
            "train_accuracy": 1 - error - math.exp(-1 - epoch),
            "val_loss": 2.3 * math.exp(-epoch) + 4 * error,
            "val_accuracy": 1 - error - 0.5 * math.exp(-1 - epoch) * (epoch + 1 < length),
        }
        for epoch in range(length)
    ]
    measures = {
        "train_error": 0.6 * error,
        "loss_area": 0.3 + 3 * error,
        "steps_to_90": 3,
        "steps_to_75": None if error > 0.3 else round(10 + 100 * error),
        "steps_to_50": 30,
        "steps_to_25": None,
        "started": error < 0.6,
        "diverged": False,
        "generalisation_gap": 0.4 * error,
    }
    result = {
        "curve": curve,
        "measures": measures,
        "losses": [[step, 2.3 * math.exp(-step / 30) + error] for step in range(0, 80, 2)],
        "initial_hash": f"seed {seed}",
        "seconds": 2.0,
    }
    return {
        "candidate": one.to_json(),
        "candidate_hash": one.hash,
        "result": json.dumps(result | changes),
        "provenance": PROVENANCE,
        "seed": seed,
        "layers": spent.depth,
        "parameters": spent.parameters,
        "multiply_adds": spent.multiply_adds,
        "seconds": 2.0,
        "train_loss": curve[-1]["train_loss"],
        "train_error": 0.6 * error,
        "val_accuracy": curve[-1]["val_accuracy"],
        "diverged": False,
        "pruned": epochs is not None,
    } | probes(one, error)


def probes(one: Candidate, error: float) -> dict[str, str]:
    """Readings at the stored steps."""
    number = len(one.architecture.blocks())
    return {
        f"probes_{step}": json.dumps(
            {
                "relative_gradient_norm": [2 ** (-10 * error * block) for block in range(number)],
                "gradient_ratio": 1 + 50 * error,
                "gradient_cosine": 0.9 - error,
            }
        )
        for step in ("0", "1", "10", "50", "end")
    }


def make_study(
    storage: BaseStorage,
    name: str = "digits",
    *,
    trials: int = 60,
    objectives: tuple[str, ...] = ("val_accuracy",),
    seed: int = 0,
) -> Study:
    """A search with trained, pruned, repeated, rejected, failed and due trials."""
    space = SearchSpace.load("digits", [f"search.objectives=[{', '.join(objectives)}]"])
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        directions=[OBJECTIVES[one].direction for one in objectives],
    )
    for key, value in {
        "objectives": list(objectives),
        "seed": 0,
        "space": json.dumps(space.source.data),
        "space_file": "digits.yaml",
        "space_hash": space.hash,
    }.items():
        study.set_user_attr(key, value)
    rng = np.random.default_rng(seed)
    study.add_trials([search_trial(number, objectives, rng) for number in range(trials)])
    return study


def search_trial(number: int, objectives: tuple[str, ...], rng: np.random.Generator) -> FrozenTrial:
    """One trial of a search."""
    depth, lr = int(rng.integers(1, 6)), float(rng.choice([0.03, 0.1]))
    shortcuts = [str(kind) for kind in rng.choice(KINDS, 3)]
    if number % 7 == 0:
        shortcuts = ["none"] * 3
    order = str(rng.choice(ORDERS))
    params: dict[str, Any] = {"depth": depth, "training.optimizer.sgd.lr": lr}
    params |= {f"stages.{index}.shortcut": kind for index, kind in enumerate(shortcuts)}
    distributions: dict[str, Any] = {
        name: CategoricalDistribution(KINDS) for name in params if "short" in name
    }
    distributions |= {
        "depth": IntDistribution(1, 5),
        "training.optimizer.sgd.lr": FloatDistribution(0.01, 0.2, log=True),
    }
    if set(shortcuts) != {"none"}:
        params["activation_order"], distributions["activation_order"] = (
            order,
            CategoricalDistribution(ORDERS),
        )
    one = candidate(depth, shortcuts, order, lr)
    state, attrs = ending(number, one, float(rng.normal()))
    values = (
        [value_of(name, attrs) for name in objectives] if state == TrialState.COMPLETE else None
    )
    trial = create_trial(
        state=state,
        values=values,
        params=params,
        distributions=distributions,
        user_attrs=attrs,
        intermediate_values={1: attrs["val_accuracy"]} if "val_accuracy" in attrs else {},
    )
    trial.datetime_start = START + timedelta(seconds=2 * number)
    trial.datetime_complete = (
        START + timedelta(seconds=2 * number + 2) if state.is_finished() else None
    )
    return trial


def ending(number: int, one: Candidate, noise: float) -> tuple[TrialState, dict[str, Any]]:
    """How a trial ends, by its number."""
    bare = {"candidate": one.to_json()}
    if number % 20 == 13:
        return TrialState.FAIL, bare | {"error": f"ValueError: {HOSTILE}"}
    if number % 20 == 17:
        return TrialState.PRUNED, bare | {"rejected": "parameters"}
    if number % 20 == 19:
        return TrialState.WAITING, {}
    if number % 4 == 1:
        return TrialState.PRUNED, measured(one, 0, noise, epochs=1)
    attrs = measured(one, 0, noise)
    return TrialState.COMPLETE, attrs | ({"reused_from": 0} if number % 20 == 11 else {})


def value_of(objective: str, attrs: dict[str, Any]) -> float:
    """An objective from the attributes."""
    return {"latency": 0.001}.get(objective) or attrs.get(objective) or attrs["train_loss"]


def make_twins(
    study: Study,
    *,
    depths: list[int],
    seeds: int = 4,
    top: int = 1,
    orders: tuple[str, ...] = ORDERS,
    budgets: tuple[int, ...] = (1,),
    unfinished: int = 0,
    vary: str = "shortcut",
    lr_factors: tuple[float, ...] = (0.3, 1.0),
    blocks: tuple[str, ...] = (),
    widths: tuple[int, ...] = (),
    rules: int = RULES,
) -> Study:
    """The twins of a study, all but the last so many of them trained; by rules 1 as a version that
    kept no plan left them.
    """
    settings = PayoffSection(
        vary=vary,
        seeds=seeds,
        top=top,
        depths=depths,
        activation_orders=list(orders),
        budgets=list(budgets),
        lr_factors=list(lr_factors),
        blocks=list(blocks),
        widths=list(widths),
    )
    plan = make_plan(settings, [candidate(2, ["identity", "identity", "projection"])], rules)
    twins = optuna.create_study(
        study_name=study.study_name + TWINS, storage=study._storage, direction="maximize"
    )
    for key in ("space", "space_file", "seed"):
        twins.set_user_attr(key, study.user_attrs.get(key))
    twins.set_user_attr("twins_of", study.study_name)
    if rules > 1:
        keep_plan(twins, plan)
    else:
        primary = {
            "estimand": "…",
            "depths": plan.ends,
            "orders": list(orders),
            "roles": plan.roles,
        }
        twins.set_user_attr("payoff", {"vary": vary, "smallest_effect": 2.0, "primary": primary})
    best = {
        place: 1.0 if place.arm == "identity" else 0.3
        for budget in budgets
        for place, _ in placed(compared(plan, budget), budget)
    }
    runs = [*first_runs(plan), *further_runs(plan)]
    runs += own_runs(plan, best, budgets) if len(lr_factors) > 1 else []
    laid = fresh_runs(twins, runs, plan.first_seed, planned_keys(plan))
    trained = len(laid) - unfinished
    twins.add_trials(
        [twin_trial(attrs, is_done=index < trained) for index, attrs in enumerate(laid)]
    )
    return twins


def twin_trial(attrs: dict[str, Any], *, is_done: bool) -> FrozenTrial:
    """A twin as it was laid down, trained or not."""
    if not is_done:
        return create_trial(state=TrialState.WAITING, user_attrs=attrs)
    one, seed = Candidate.from_json(attrs["candidate"]), attrs["seed"]
    noise = float(np.random.default_rng([seed, int(one.hash[:8], 16)]).normal()) + math.sin(seed)
    attrs = measured(one, seed, noise) | attrs
    trial = create_trial(state=TrialState.COMPLETE, value=attrs["val_accuracy"], user_attrs=attrs)
    trial.datetime_start, trial.datetime_complete = START, START + timedelta(days=1)
    return trial
