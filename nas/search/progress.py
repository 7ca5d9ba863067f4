"""What a running search shows: a live table in a terminal, plain lines elsewhere."""

import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TextIO, cast

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nas.common.text import folded, printable
from nas.search.trial_attributes import (
    REUSED_FROM,
    candidate_of,
    cause_of_failure,
    counted,
    is_complete,
    is_number,
    is_reused,
)
from nas.training.candidate import Candidate
from nas.training.result import OBJECTIVES

#: the phase in which no trial is the best
TWINS_PHASE = "twins"


def describe(candidate: Candidate) -> str:
    """A candidate in a few words."""
    architecture = candidate.architecture
    types = "/".join(dict.fromkeys(stage.block.name for stage in architecture.stages))
    shortcuts = "-".join(dict.fromkeys(stage.shortcut_text for stage in architecture.stages))
    if len({stage.shortcut_text for stage in architecture.stages}) > 1:
        shortcuts = "-".join(stage.shortcut_text for stage in architecture.stages)
    blocks = "+".join(str(stage.depth) for stage in architecture.stages)
    join = f", {architecture.join_text}" if architecture.join_text not in ("", "add") else ""
    order = architecture.activation_order + architecture.start_text
    return f"{types} {blocks}, {shortcuts}{join}, {order}"


def describe_trial(trial: FrozenTrial) -> str:
    """The candidate of a trial in a few words; nothing before it is drawn."""
    candidate = candidate_of(trial)
    return describe(candidate) if candidate else ""


class LastingStream:
    """A stream whose writes never fail: the terminal may be closed, the disk full, the reader of a
    pipe gone. A search of days is worth more than its lines."""

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115

    def write(self, text: str) -> int:
        """Write what can be written."""
        with suppress(OSError, ValueError):
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with suppress(OSError, ValueError):
            self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def lasting_console() -> Console:
    """A console on the standard output that outlives it."""
    return Console(file=cast(TextIO, LastingStream(sys.stdout)))


def print_plainly(console: Console, text: str) -> None:
    """A text as it is, in a terminal no wider than that; also beside a live table."""
    text = printable(text)
    shown = folded(text, console.width) if console.is_terminal else text
    console.print(shown, markup=False, highlight=False, soft_wrap=True)


class Progress:
    """Follows the trials of a study and shows them."""

    def __init__(
        self,
        console: Console,
        objectives: list[str],
        num_trials: int,
        *,
        phase: str = "search",
        expected: float | None = None,
    ) -> None:
        """phase: what is run, `search`, `random search` or `twins`. expected: seconds on the clock
        from one trial's end to the next one's, as estimated before; None if nobody knows."""
        self.console = console
        self.objectives = objectives
        self.num_trials = num_trials
        self.phase = phase
        self.expected = expected
        self.start = time.monotonic()
        self.reported: set[int] = set()
        self.seen: Sequence[FrozenTrial] | None = None
        self.done_before: int | None = None
        self.live = Live(console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> "Progress":
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.live.stop()

    def update(self, trials: Sequence[FrozenTrial]) -> None:
        """Show the trials as they are now; report each finished one once."""
        if trials is self.seen and not self.console.is_terminal:
            return
        self.seen = trials
        trials = counted(trials)
        done = [trial for trial in trials if trial.state.is_finished()]
        if self.done_before is None:
            self.done_before = len(done)
            self.reported = {trial.number for trial in done}
        for trial in done:
            if trial.number not in self.reported:
                self.reported.add(trial.number)
                line = self.line(trial, len(self.reported))
                print_plainly(self.console, line)
        if self.console.is_terminal:
            self.live.update(self.view(trials, done))

    def line(self, trial: FrozenTrial, num_done: int) -> str:
        """One finished trial in one line."""
        place = f"[{self.phase} {num_done}/{self.num_trials}]"
        return f"{place} trial {trial.number}: {self.outcome(trial)}  {describe_trial(trial)}"

    def outcome(self, trial: FrozenTrial) -> str:
        """How a trial ended."""
        if trial.state == TrialState.FAIL:
            return f"failed: {cause_of_failure(trial)}"
        shown = self.values(trial)
        if trial.user_attrs.get("pruned"):
            shown += f", pruned after epoch {trial.last_step}"
        if trial.user_attrs.get("diverged"):
            shown += ", diverged"
        if is_reused(trial):
            shown += f", same as trial {trial.user_attrs[REUSED_FROM]}"
        return shown

    def values(self, trial: FrozenTrial) -> str:
        """The objectives of a finished trial; of a pruned one or a twin its accuracy."""
        if trial.state == TrialState.PRUNED or self.phase == TWINS_PHASE:
            value, candidate = trial.user_attrs.get("val_accuracy"), candidate_of(trial)
            name = candidate.accuracy_name if candidate else "val_accuracy"
            return f"{name} {value:.4g}" if is_number(value) else "no value"
        pairs = zip(self.objectives, trial.values or (), strict=False)
        return ", ".join(f"{name} {value:.4g}" for name, value in pairs)

    def best(self, done: Sequence[FrozenTrial]) -> FrozenTrial | None:
        """The best trial by the first objective; twins are compared, and none is the best."""
        if self.phase == TWINS_PHASE:
            return None
        sign = 1 if OBJECTIVES[self.objectives[0]].direction == "maximize" else -1
        complete = [one for one in done if is_complete(one) and one.values]
        return max(complete, key=lambda trial: sign * trial.values[0], default=None)

    def left(self, num_done: int) -> str:
        """The time left: as estimated before, and from the trials done in this run."""
        fresh = num_done - (self.done_before or 0)
        each = self.seconds_each(fresh)
        if each is None:
            return "time left unknown"
        seconds = each * (self.num_trials - num_done)
        return (
            f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {seconds:.0f} s left"
        )

    def seconds_each(self, fresh: int) -> float | None:
        """Seconds on the clock for each trial, after so many; the estimate counts as one of them,
        and before the first one alone."""
        passed = time.monotonic() - self.start
        if self.expected is None:
            return passed / fresh if fresh else None
        return (passed + self.expected) / (fresh + 1) if fresh else self.expected

    def view(self, trials: Sequence[FrozenTrial], done: Sequence[FrozenTrial]) -> Group:
        """The live view: bar, best so far, and the candidates in training."""
        head = Table.grid(padding=(0, 2))
        head.add_row(
            Text(f"{self.phase} {len(done)}/{self.num_trials}"),
            ProgressBar(total=self.num_trials, completed=len(done), width=40),
            Text(self.left(len(done))),
        )
        parts: list[Text | Table] = [head]
        best = self.best(done)
        if best is not None:
            parts.append(
                Text(
                    printable(
                        f"best: trial {best.number}, {self.values(best)}  {describe_trial(best)}"
                    )
                )
            )
        parts += [self.running(t) for t in trials if t.state == TrialState.RUNNING]
        return Group(*parts)

    def running(self, trial: FrozenTrial) -> Text:
        """A trial in training: its epoch and what it reached."""
        candidate = candidate_of(trial)
        if candidate is None:
            return Text(f"  trial {trial.number}: starting", style="dim")
        epoch = trial.last_step or 0
        reached = f", {trial.intermediate_values[epoch]:.4g}" if epoch else ""
        epochs = f"epoch {epoch} of {candidate.training.epochs}{reached}"
        return Text(
            printable(f"  trial {trial.number}: {epochs}  {describe(candidate)}"), style="dim"
        )
