"""Successive halving with rests: candidates rest after some epochs, and the best go on from there.

Best is here who has the least training loss in the epoch before the rest: the training speed
estimate of Ru et al. 2021 over one epoch (TSE-E), which from the second epoch on foretells the end
better than an early validation accuracy does (experiments/top_percent).

Asynchronous, as in Li et al. 2020 (A System for Massively Parallel Hyperparameter Tuning), with
training taken up where it rested. It looks at trials only; who trains and who ends them is told in
nas.search.trial and nas.search.study.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from optuna.trial import FrozenTrial, TrialState

from nas.search.lease import PAUSED
from nas.space.space import SearchSpace

#: attributes of a trial: the epochs after which it last rested, those from which it went on for
#: being in the control set alone (0: for what it is), and the training loss at each rung
RUNG, SPARED, LOSSES = "rung", "spared", "rung_losses"
#: epochs of one rung over those of the rung before, where the space names none
FACTOR = 4


@dataclass(frozen=True, kw_only=True)
class Halving:
    """After which epochs candidates rest, and which of them go on.

    control: share of candidates that go on in any case, after all others, drawn by their numbers:
    early epochs favour some architectures, and these show by how much.
    """

    rungs: tuple[int, ...]
    epochs: int
    control: float
    seed: int

    def share(self, rung: int) -> float:
        """Of the candidates that reach a rung, those that go on from it."""
        return rung / next((later for later in self.rungs if later > rung), self.epochs)

    def is_control(self, number: int) -> bool:
        """Whether a trial is one of the control set."""
        digest = sha256(f"{self.seed}/{number}/control".encode()).digest()
        return int.from_bytes(digest[:4], "big") < self.control * 2**32

    def ranking(self, trials: Sequence[FrozenTrial], rung: int) -> list[FrozenTrial]:
        """The trials that were trained up to a rung at least, the best there first."""
        there = [
            trial
            for trial in trials
            if has_reached(trial, rung) and "reused_from" not in trial.user_attrs
        ]
        return sorted(there, key=lambda trial: (loss_at(trial, rung), trial.number))

    def best(self, trials: Sequence[FrozenTrial], rung: int, least: int = 0) -> list[FrozenTrial]:
        """Those of them that go on, as far as is known, `least` of them at least."""
        ranking = self.ranking(trials, rung)
        return ranking[: max(least, int(len(ranking) * self.share(rung) + 1e-9))]

    def rests(self, trials: Sequence[FrozenTrial], trial: FrozenTrial, epoch: int) -> bool:
        """Whether a trial is to rest after an epoch."""
        if epoch not in self.rungs or epoch <= trial.user_attrs.get(RUNG, 0):
            return False
        return not self.is_best(trials, trial, epoch)

    def is_best(self, trials: Sequence[FrozenTrial], trial: FrozenTrial, rung: int) -> bool:
        """Whether a trial goes on from a rung for what it is."""
        return any(other.number == trial.number for other in self.best(trials, rung))

    def promoted(self, trials: Sequence[FrozenTrial], least: int = 0) -> list[FrozenTrial]:
        """The resting trials that are to go on, the furthest first."""
        return [
            trial
            for rung in reversed(self.rungs)
            for trial in self.best(trials, rung, least)
            if is_paused(trial) and trial.user_attrs[RUNG] == rung
        ]

    def due(self, trials: Sequence[FrozenTrial], num_trials: int) -> list[FrozenTrial]:
        """What a worker may take; also what rests at a rung that is none any more."""
        waiting = [trial for trial in trials if trial.state == TrialState.WAITING]
        new = [t for t in waiting if not is_paused(t) or t.user_attrs[RUNG] not in self.rungs]
        return self.promoted(trials) + new or self.last(trials, num_trials)

    def last(self, trials: Sequence[FrozenTrial], num_trials: int) -> list[FrozenTrial]:
        """Those that go on once all others rest: one of each rung where it has too few for one of
        them to be the best share, and the control set."""
        if len(trials) < num_trials:
            return []
        control = [t for t in trials if is_paused(t) and self.is_control(t.number)]
        settled = all(map(is_at_rest, trials))
        return self.promoted(trials, least=1)[:1] + control if settled else control

    def hopeless(self, trials: Sequence[FrozenTrial], num_trials: int) -> list[FrozenTrial]:
        """The resting trials that cannot go on, whatever comes."""
        to_come = max(0, num_trials - len(trials))
        over = to_come == 0 and all(map(is_at_rest, trials)) and not self.due(trials, num_trials)
        found = []
        for rung in self.rungs:
            most = 0 if over else self.most(trials, rung, to_come)
            found += [
                trial
                for trial in self.ranking(trials, rung)[most:]
                if is_paused(trial)
                and trial.user_attrs[RUNG] == rung
                and not self.is_control(trial.number)
            ]
        return found

    def most(self, trials: Sequence[FrozenTrial], rung: int, to_come: int) -> int:
        """How many can go on from a rung, if all that may reach it do, and one in the place of each
        that went on from there and may yet fail."""
        reach = sum(has_reached(trial, rung) or not trial.state.is_finished() for trial in trials)
        may_fail = sum(has_reached(trial, rung) and is_beyond(trial, rung) for trial in trials)
        return max(1, int((reach + to_come) * self.share(rung) + 1e-9)) + may_fail


def has_reached(trial: FrozenTrial, rung: int) -> bool:
    """Whether a trial was trained up to a rung, and has not failed."""
    return trial.state != TrialState.FAIL and str(rung) in trial.user_attrs.get(LOSSES, ())


def is_beyond(trial: FrozenTrial, rung: int) -> bool:
    """Whether a trial is on its way from a rung: it has not ended, and does not rest there."""
    rests_there = is_paused(trial) and trial.user_attrs[RUNG] == rung
    return not trial.state.is_finished() and not rests_there


def loss_at(trial: FrozenTrial, rung: int) -> float:
    """The training loss of a trial in the epoch before a rung."""
    return float(trial.user_attrs[LOSSES][str(rung)])


def is_paused(trial: FrozenTrial) -> bool:
    """Whether a trial rests at a rung."""
    return trial.state == TrialState.WAITING and bool(trial.user_attrs.get(PAUSED))


def is_at_rest(trial: FrozenTrial) -> bool:
    """Whether nothing happens to a trial unless it is promoted."""
    return trial.state.is_finished() or is_paused(trial)


def halving_of(space: SearchSpace) -> Halving | None:
    """The halving that a space asks for."""
    if space.search.pruner != "halving":
        return None
    return Halving(
        rungs=tuple(space.search.rungs or default_rungs(space.epochs)),
        epochs=space.epochs,
        control=space.search.control,
        seed=space.search.seed,
    )


def default_rungs(epochs: int) -> list[int]:
    """A quarter of the epochs, a quarter of those, and so on down to two; and one, after which half
    of them go on, as the loss of one epoch foretells little."""
    rungs, rung = {1}, epochs / FACTOR
    while rung >= 0.5:
        rungs.add(max(2, round(rung)))
        rung /= FACTOR
    return sorted(rung for rung in rungs if rung < epochs)
