"""ASHA, asynchronous successive halving, that pauses trials and resumes the best from checkpoints.

Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning, section 3.2. Optuna's pruner
of that algorithm only stops trials. Trials pause after the epochs named rungs; the best share of a
rung is promoted and trains on. The best have the least training loss in the epoch before the rung:
the training speed estimate over one epoch of Ru et al. 2021 (TSE-E), which from the second epoch on
predicts the final accuracy better than an early validation accuracy does (experiments/top_percent).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from optuna.pruners import BasePruner, NopPruner
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from nas.search.trial_attributes import (
    CONTROL_RUNG,
    RUNG_LOSSES,
    is_paused,
    is_reused,
    loss_at,
    rung_losses,
    rung_of,
)
from nas.space.space import SearchSpace
from nas.storage.handles import storage_of, trial_id_of

#: epochs of one rung over those of the rung before, if the space names none
REDUCTION_FACTOR = 4


class Reached(NamedTuple):
    """A trial that reached a rung, by its loss in the epoch before."""

    loss: float
    number: int
    trial: FrozenTrial


@dataclass(frozen=True, kw_only=True)
class Asha:
    """Pauses trials at rungs and promotes the best of each rung.

    rungs: epochs after which trials pause. epochs: of a complete training. control: share of the
    trials that are promoted in any case, after all others: a control group drawn by trial numbers,
    which shows by how much early epochs favour some architectures.
    """

    rungs: tuple[int, ...]
    epochs: int
    control: float
    seed: int

    @classmethod
    def of(cls, space: SearchSpace) -> "Asha":
        """As a space asks for it."""
        return cls(
            rungs=tuple(space.search.rungs or default_rungs(space.epochs)),
            epochs=space.epochs,
            control=space.search.control,
            seed=space.search.seed,
        )

    # The protocol of pruners.

    @property
    def of_optuna(self) -> BasePruner:
        """None of Optuna's prunes here."""
        return NopPruner()

    def should_prune(self, study: Study, trial: Trial, epoch: int) -> bool:
        """Never: trials pause, and are ended once they are unreachable."""
        return False

    def should_pause(self, study: Study, trial: Trial, record: dict[str, float]) -> bool:
        """Record the loss at a rung; True unless the trial is among the best of that rung now."""
        epoch = int(record["epoch"])
        if epoch not in self.rungs:
            return False
        own = storage_of(study).get_trial(trial_id_of(trial))
        losses = rung_losses(own) | {str(epoch): record["train_loss"]}
        trial.set_user_attr(RUNG_LOSSES, losses)
        return self.pauses(study.get_trials(deepcopy=False), own, epoch)

    def resumed(self, trials: Sequence[FrozenTrial], trial: FrozenTrial) -> dict[str, Any]:
        """Whether a member of the control group was promoted on merit or only as one."""
        if not self.is_control(trial.number) or CONTROL_RUNG in trial.user_attrs:
            return {}
        rung = rung_of(trial)
        return {CONTROL_RUNG: 0 if self.is_best(trials, trial, rung) else rung}

    def pending(self, trials: Sequence[FrozenTrial], num_trials: int) -> list[FrozenTrial]:
        """Promoted trials first, then new ones, and those paused at a rung that is none now."""
        waiting = [trial for trial in trials if trial.state == TrialState.WAITING]
        new = [t for t in waiting if not is_paused(t) or rung_of(t) not in self.rungs]
        return self.promoted(trials) + new or self._promoted_last(trials, num_trials)

    def unreachable(self, trials: Sequence[FrozenTrial], num_trials: int) -> list[FrozenTrial]:
        """The paused trials that cannot be promoted, whatever the losses of the others will be."""
        to_come = max(0, num_trials - len(trials))
        settled = to_come == 0 and all(map(_is_settled, trials))
        over = settled and not self.pending(trials, num_trials)
        found = []
        for rung in self.rungs:
            reached = _reached(trials, rung)
            most = 0 if over else self._max_promoted(trials, reached, rung, to_come)
            found += [
                trial
                for trial in (_ranked(reached)[most:] if most < len(reached) else ())
                if _is_paused_at(trial, rung) and not self.is_control(trial.number)
            ]
        return found

    # How trials are ranked and promoted.

    def share(self, rung: int) -> float:
        """Of the trials that reach a rung, the share that is promoted from it."""
        return rung / next((later for later in self.rungs if later > rung), self.epochs)

    def is_control(self, number: int) -> bool:
        """Whether a trial is a member of the control group."""
        digest = sha256(f"{self.seed}/{number}/control".encode()).digest()
        return int.from_bytes(digest[:4], "big") < self.control * 2**32

    def pauses(self, trials: Sequence[FrozenTrial], trial: FrozenTrial, epoch: int) -> bool:
        """Whether a trial pauses after an epoch; not again at a rung it was promoted from."""
        if epoch not in self.rungs or epoch <= rung_of(trial):
            return False
        return not self.is_best(trials, trial, epoch)

    def is_best(self, trials: Sequence[FrozenTrial], trial: FrozenTrial, rung: int) -> bool:
        """Whether a trial is promoted from a rung on merit."""
        return any(other.number == trial.number for other in self._best(trials, rung))

    def promoted(self, trials: Sequence[FrozenTrial], least: int = 0) -> list[FrozenTrial]:
        """The paused trials that are promoted on merit, those of the highest rung first; `least`
        of each rung at least."""
        return [
            trial
            for rung in reversed(self.rungs)
            for trial in self._best(trials, rung, least)
            if _is_paused_at(trial, rung)
        ]

    def _promoted_last(self, trials: Sequence[FrozenTrial], num_trials: int) -> list[FrozenTrial]:
        """Promoted once no others are to come: one of a rung with too few trials for a best share,
        and the control group."""
        if len(trials) < num_trials:
            return []
        control = [t for t in trials if is_paused(t) and self.is_control(t.number)]
        settled = all(map(_is_settled, trials))
        return self.promoted(trials, least=1)[:1] + control if settled else control

    def _best(self, trials: Sequence[FrozenTrial], rung: int, least: int = 0) -> list[FrozenTrial]:
        """The best share of a rung so far, `least` trials at least."""
        ranking = _ranked(_reached(trials, rung))
        return ranking[: max(least, int(len(ranking) * self.share(rung) + 1e-9))]

    def _max_promoted(
        self, trials: Sequence[FrozenTrial], reached: Sequence[Reached], rung: int, to_come: int
    ) -> int:
        """How many can be promoted from a rung if all that may reach it do, and one in the place of
        each that was promoted from there and may yet fail."""
        done = sum(one.trial.state.is_finished() for one in reached)
        unfinished = sum(not trial.state.is_finished() for trial in trials)
        most = max(1, int((done + unfinished + to_come) * self.share(rung) + 1e-9))
        if most >= len(reached):
            return most
        return most + sum(_is_beyond(one.trial, rung) for one in reached)


def _reached(trials: Sequence[FrozenTrial], rung: int) -> list[Reached]:
    """The trials that were trained up to a rung and have not failed."""
    losses = ((loss_at(trial, rung), trial) for trial in trials)
    return [
        Reached(loss, trial.number, trial)
        for loss, trial in losses
        if loss is not None and trial.state != TrialState.FAIL
    ]


def _ranked(reached: Sequence[Reached]) -> list[FrozenTrial]:
    """Trials by their loss; copied results do not compete."""
    return [one.trial for one in sorted(reached) if not is_reused(one.trial)]


def _is_paused_at(trial: FrozenTrial, rung: int) -> bool:
    """Whether a trial is paused at that rung."""
    return is_paused(trial) and rung_of(trial) == rung


def _is_beyond(trial: FrozenTrial, rung: int) -> bool:
    """Whether a trial was promoted from a rung and has not ended."""
    return not trial.state.is_finished() and not _is_paused_at(trial, rung)


def _is_settled(trial: FrozenTrial) -> bool:
    """Whether nothing happens to a trial unless it is promoted."""
    return trial.state.is_finished() or is_paused(trial)


def default_rungs(epochs: int) -> list[int]:
    """A quarter of the epochs, a quarter of that, and so on down to two; and one, after which half
    of the trials go on, as the loss of one epoch predicts little."""
    rungs, rung = {1}, epochs / REDUCTION_FACTOR
    while rung >= 0.5:
        rungs.add(max(2, round(rung)))
        rung /= REDUCTION_FACTOR
    return sorted(rung for rung in rungs if rung < epochs)
