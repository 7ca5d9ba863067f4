"""What `until: resolved` would have cost: its looks replayed on stored twins, SPACE PAYOFF.JSON.

    python -m experiments.until experiments/digits_twins/digits_twins.yaml \
        experiments/digits_twins/results/payoff.json

Lays out what `nas payoff --until resolved` would train (ends of the ladder first, one pair after
the other) and takes each run from the file with its seconds, until all is decided or a run is asked
for that is not there. Told after each look: pairs, what was spent so far as a share of the whole
ladder of the plan that was carried out, in seconds (which hang on what else the machine had to do)
and in layers times steps, and the answers; at the end those of the plan itself. Where pairs were
added so in truth, the share is that of the same plan with its number of pairs fixed, were each own
best rate the shared one, which is the least that it can take.
"""

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.study import Study

from experiments.again import stored, twin
from experiments.go_on import finished
from nas.payoff.analysis import Payoff, analyse
from nas.payoff.looks import looks
from nas.payoff.plan import Plan, keep_plan, make_plan
from nas.payoff.primary import primary_comparisons
from nas.payoff.queue import fresh_runs
from nas.payoff.records import Twin
from nas.payoff.runs import RunKey, TwinRun, UniqueKey, every_run, planned_keys
from nas.payoff.study import base_candidates
from nas.payoff.variants import CONTROL
from nas.search.beside import TWINS
from nas.space.schema import PayoffSection
from nas.space.space import SearchSpace
from nas.training.candidate import Candidate


@dataclass(frozen=True)
class Look:
    """After so many pairs: the share of the whole ladder, in seconds and in layers times steps, and
    the answer of each primary comparison.
    """

    pairs: int
    seconds: float
    steps: float
    answers: dict[str, str]


def replayed(space: SearchSpace, rows: list[Twin], rules: int) -> Iterator[Look]:
    """The looks, as far as the stored runs go."""
    known = {one.key: one for one in rows}
    plan = plan_of(space, rows, rules)
    added = section_of(space).until is not None
    whole = least(space, rows) if added else spent(ladder(rows))
    study, used = study_of(plan), dict[int, Twin]()
    for phase in looks(study, plan):
        fresh = fresh_runs(study, phase, plan.first_seed, planned_keys(plan))
        found = [(run, taken(run, known)) for run in fresh]
        if not all(one for _, one in found):
            return
        for run, row in found:
            if row is not None:
                used[row.trial] = row
                study.add_trial(trial_of(run, row))
        payoff = analyse(study)
        pairs = max((row.effect.n for _, row in primary_comparisons(payoff)), default=0)
        seconds, steps = spent(used)
        yield Look(pairs, seconds / whole[0], steps / whole[1], answers(payoff))


def answers(payoff: Payoff) -> dict[str, str]:
    """The answer of each primary comparison."""
    found = primary_comparisons(payoff)
    return {f"{row.arm}, {row.order}, {row.role} rate": row.answer for _, row in found}


def plan_of(space: SearchSpace, rows: list[Twin], rules: int) -> Plan:
    """The plan of the space, with pairs until it is decided and as many tuning runs as stored."""
    section = section_of(space)
    tuning = len({one.seed for one in rows if one.role == "tune"})
    changed = section.model_copy(update={"until": "resolved", "tuning_seeds": tuning})
    return make_plan(changed, base_candidates(optuna.create_study(), space, 0), rules)


def section_of(space: SearchSpace) -> PayoffSection:
    """The twins that a space asks for."""
    if space.section.payoff is None:
        raise SystemExit(f"{space.name} has no payoff section.")
    return space.section.payoff


def least(space: SearchSpace, rows: list[Twin]) -> tuple[float, float]:
    """Seconds, by those of a layer in a step of the stored runs, and layers times steps of the plan
    with a number of pairs that is fixed, were each own best rate the shared one.
    """
    section = section_of(space).model_copy(update={"until": None, "stages": False})
    plan = make_plan(section, base_candidates(optuna.create_study(), space, 0))
    runs = [one for one in every_run(plan, 1.0) if counts(one)]
    trained = {(one.candidate.hash, one.cell.seed): one.candidate for one in runs}
    steps = sum(one.cost().depth * num_steps(one) for one in trained.values())
    seconds, known = spent({one.trial: one for one in rows})
    return steps * seconds / known, steps


def counts(run: TwinRun) -> bool:
    """Whether a run is of the ladder, and not at a best rate of its own."""
    return run.cell.comparison == "ladder" and run.cell.role != "own" and run.cell.arm != CONTROL


def num_steps(candidate: Candidate) -> int:
    """Steps of a training of which the pictures are told."""
    training, pictures = candidate.training, candidate.dataset.train_size
    assert pictures is not None
    return training.epochs * math.ceil(pictures / training.batch_size)


def study_of(plan: Plan) -> Study:
    """An empty study of twins in memory."""
    study = optuna.create_study(study_name=f"replayed{TWINS}", direction="maximize")
    study.set_user_attr("twins_of", "replayed")
    keep_plan(study, plan)
    return study


def ladder(rows: list[Twin]) -> dict[int, Twin]:
    """The trainings of the ladder at the first budget, without the control of capacity."""
    first = [one for one in rows if one.comparison == "ladder" and one.budget == 1]
    return {one.trial: one for one in first if one.arm != CONTROL}


def spent(trained: dict[int, Twin]) -> tuple[float, float]:
    """Seconds, and layers times steps."""
    every = trained.values()
    return sum(one.seconds for one in every), sum(one.layers * one.steps for one in every)


def taken(run: dict[str, Any], known: dict[UniqueKey, Twin]) -> Twin | None:
    """The stored run at one of the places of a run, at the same rate."""
    for cell in (RunKey(**cell) for cell in run["cells"]):
        row = known.get(cell.key)
        if row is not None and row.lr == cell.lr:
            return row
    return None


def trial_of(run: dict[str, Any], row: Twin) -> optuna.trial.FrozenTrial:
    """A stored run as a finished trial at the places that it was asked for."""
    candidate = Candidate.from_json(run["candidate"])
    places = [replace(row, **cell) for cell in run["cells"]]
    return finished(places, candidate, run["seed"])


def main() -> None:
    """Tell every look."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))["twins"]
    rows = [twin(row) for row in found["twins"]]
    rules = found["primary"].get("rules", 1)
    for look in replayed(SearchSpace.load(sys.argv[1]), rows, rules):
        share = f"{100 * look.seconds:.0f}% of the seconds, {100 * look.steps:.0f}%"
        print(f"{look.pairs} pairs, {share} of layers times steps: {decided(look.answers)}")
    print(f"The plan as it was carried out: {decided(answers(stored(Path(sys.argv[2]))))}")


def decided(found: dict[str, str]) -> str:
    """What is decided."""
    told = (f"{name} {word}" for name, word in found.items() if word != "undecided")
    return "; ".join(told) or "nothing"


if __name__ == "__main__":
    main()
