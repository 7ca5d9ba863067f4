"""Search the recorded table over and over: what does it take to an architecture of its top 1%?

    python -m experiments.top_percent.replay [SEED]

The default rungs of nas were chosen on the table of seed 0; that of seed 1 was made afterwards and
judges them without having been looked at. The ways to search run with their own code on what the
table says of each epoch: nas with Optuna's studies, its sampler and its halving; random search; and
"train all for one epoch, then the best to the end, in their order". Time is the recorded time of
the epochs trained, in one process.
"""

import json
import multiprocessing
import sys
import zlib
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from experiments.top_percent.table import HERE, PROCESSES, SPACE, rows
from nas.search.pruners.asha import Asha
from nas.search.pruners.registry import pruner_of
from nas.search.samplers.registry import sampler_of
from nas.search.trial_attributes import PAUSED, RUNG, RUNG_LOSSES
from nas.space.space import SearchSpace
from nas.storage.handles import storage_of, trial_id_of

REPLAYS = 200
#: of all architectures, those that count as found
TOP = 0.01


@dataclass(frozen=True)
class Table:
    """What was recorded: by candidate the training losses and the accuracies of the epochs."""

    by_hash: dict[str, dict[str, Any]]
    top: float = TOP

    @classmethod
    def read(cls, seed: int) -> "Table":
        """The table of a seed."""
        return cls({row["hash"]: row for row in rows(seed)})

    @property
    def goal(self) -> set[str]:
        """The top, as whole architectures."""
        ranked = sorted(self.by_hash, key=lambda one: -self.by_hash[one]["val_accuracy"][-1])
        return set(ranked[: int(self.top * len(ranked))])

    def seconds(self, one: str, epochs: int) -> float:
        """How long epochs of an architecture take."""
        row = self.by_hash[one]
        return float(row["seconds"] * epochs / len(row["train_loss"]))


class Replay:
    """One search by nas on the table, until a candidate of the goal is trained to its end."""

    def __init__(self, table: Table, space: SearchSpace, seed: int) -> None:
        self.table, self.space, self.seed = table, space, seed
        self.pruner = pruner_of(space)
        self.study = optuna.create_study(direction="maximize")
        self.spent = 0.0
        self.seen: dict[str, FrozenTrial] = {}

    def run(self) -> bool:
        """Search until the goal is reached, or the trials are spent; whether it was reached."""
        while (trial := self.acquire()) is not None:
            if self.train(trial):
                return True
        return False

    def trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def acquire(self) -> FrozenTrial | None:
        """What a worker would take next, a new trial if no paused one is promoted."""
        pending = self.pruner.pending(self.trials(), self.space.search.trials)
        if not pending:
            if len(self.trials()) >= self.space.search.trials:
                return None
            self.study.add_trial(create_trial(state=TrialState.WAITING))
            pending = self.trials()[-1:]
        storage = storage_of(self.study)
        storage.set_trial_state_values(trial_id_of(pending[0]), TrialState.RUNNING)
        storage.set_trial_user_attr(trial_id_of(pending[0]), PAUSED, False)
        return pending[0]

    def train(self, acquired: FrozenTrial) -> bool:
        """Go on with a trial as far as it goes; whether that reached the goal."""
        space, number = self.space, acquired.number
        self.study.sampler = sampler_of(space, zlib.crc32(f"{self.seed}/{number}".encode()))
        trial = Trial(self.study, trial_id_of(acquired))
        one = space.candidate(trial).hash
        if self.seen.setdefault(one, acquired).number != number:
            trial.set_user_attr("reused_from", self.seen[one].number)
            first = self.trials()[self.seen[one].number]
            for key in {RUNG, RUNG_LOSSES} & first.user_attrs.keys():
                trial.set_user_attr(key, first.user_attrs[key])
            value = first.value if first.state == TrialState.COMPLETE else None
            if value is None:
                trial.report(*last_of(first)[::-1])
            self.study.tell(trial, value, TrialState.PRUNED if value is None else None)
            return False
        row = self.table.by_hash[one]
        for epoch in range(trial.user_attrs.get(RUNG, 0) + 1, len(row["train_loss"]) + 1):
            self.spent += self.table.seconds(one, 1)
            trial.report(row["val_accuracy"][epoch - 1], epoch)
            if epoch < len(row["train_loss"]) and self.pauses(trial, epoch, row):
                storage_of(self.study).set_trial_state_values(
                    trial_id_of(trial), TrialState.WAITING
                )
                return False
        self.study.tell(trial, row["val_accuracy"][-1])
        return one in self.table.goal

    def pauses(self, trial: Trial, epoch: int, row: dict[str, Any]) -> bool:
        """What nas.search.trial does after an epoch."""
        if not isinstance(self.pruner, Asha) or epoch not in self.pruner.rungs:
            return False
        losses = trial.user_attrs.get(RUNG_LOSSES, {}) | {str(epoch): row["train_loss"][epoch - 1]}
        trial.set_user_attr(RUNG_LOSSES, losses)
        trials = self.trials()
        if not self.pruner.pauses(trials, trials[trial.number], epoch):
            return False
        trial.set_user_attr(RUNG, epoch)
        trial.set_user_attr(PAUSED, True)
        return True


def last_of(trial: FrozenTrial) -> tuple[int, float]:
    """The last epoch of a trial and its value."""
    assert trial.last_step is not None
    return trial.last_step, trial.intermediate_values[trial.last_step]


def at_random(table: Table, seed: int) -> float:
    """Seconds of random search without repetition."""
    order = np.random.default_rng(seed).permutation(sorted(table.by_hash))
    spent = 0.0
    for one in order:
        spent += table.seconds(one, len(table.by_hash[one]["train_loss"]))
        if one in table.goal:
            break
    return spent


def one_epoch_first(table: Table) -> float:
    """Seconds of training all for an epoch, and then the best of them on to the end."""
    spent = sum(table.seconds(one, 1) for one in table.by_hash)
    ranked = sorted(table.by_hash, key=lambda one: -table.by_hash[one]["val_accuracy"][0])
    for one in ranked:
        spent += table.seconds(one, len(table.by_hash[one]["train_loss"]) - 1)
        if one in table.goal:
            break
    return spent


#: what is told -> settings of the space, in place of its own
WAYS = {
    "nas, halving": ["search.pruner=halving"],
    "nas, halving, random sampler": ["search.pruner=halving", "search.sampler=random"],
    "TPE, every candidate to its end": ["search.pruner=none"],
}


def searched(task: tuple[int, list[str], int]) -> float:
    """Seconds until the goal is reached; a search that ends without is followed by another."""
    seed, settings, number = task
    table, spent = Table.read(seed), 0.0
    space = SearchSpace.load(SPACE, [*settings, "search.trials=1000"])
    for again in range(100):
        replay = Replay(table, space, number + REPLAYS * again)
        reached = replay.run()
        spent += replay.spent
        if reached:
            return spent
    raise RuntimeError("a hundred searches did not find it")


def ratio(found: list[float], other: list[float]) -> dict[str, float]:
    """Mean over mean, with a 95% bootstrap interval."""
    draws = np.random.default_rng(0)
    means = [
        fmean(draws.choice(found, len(found))) / fmean(draws.choice(other, len(other)))
        for _ in range(4000)
    ]
    low, high = np.quantile(means, [0.025, 0.975])
    whole = {"ratio": fmean(found) / fmean(other), "low": low, "high": high}
    return {name: round(float(value), 3) for name, value in whole.items()}


def main() -> None:
    """Replay all ways and write what was found."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    table = Table.read(seed)
    baseline = [at_random(table, number) for number in range(10 * REPLAYS)]
    found = {"architectures": len(table.by_hash), "goal": len(table.goal), "replays": REPLAYS}
    found["seconds at random"] = round(fmean(baseline), 1)
    ways: dict[str, Any] = {"train all one epoch, then the best": {}}
    ways["train all one epoch, then the best"] = ratio([one_epoch_first(table)], baseline)
    with multiprocessing.Pool(PROCESSES) as pool:
        for name, settings in WAYS.items():
            spent = pool.map(searched, [(seed, settings, number) for number in range(REPLAYS)])
            ways[name] = ratio(spent, baseline) | {
                "longest": round(max(spent) / fmean(baseline), 3)
            }
            print(name, ways[name], flush=True)
    text = json.dumps(found | {"over random search": ways}, indent=1)
    result = HERE / ("replay.json" if seed == 0 else f"replay_{seed}.json")
    result.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
