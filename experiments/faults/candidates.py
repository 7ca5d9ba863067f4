"""Candidates that hang, take all memory, raise, kill their worker, or have no finite loss."""

from collections import Counter
from pathlib import Path
from typing import Any

from experiments.faults.watched import Row, Watched, left_behind

SPACE = Path(__file__).with_name("faulty.yaml")
#: what befalls a candidate -> how its trial ends, and the cause it names
ENDINGS = {
    "hang": ("FAIL", "it took longer than search.trial_timeout"),
    "stop": ("COMPLETE", ""),  # killed after a silence and run again
    "memory": ("FAIL", "out of memory"),
    "raise": ("FAIL", "ArithmeticError: this candidate cannot be"),
    "kill": ("COMPLETE", ""),  # run again
    "nan": ("COMPLETE", "diverged"),
}


def faulty(folder: Path, trials: int, faults: list[str]) -> Watched:
    """A study whose first trainings meet these faults, in alphabetical order of their names."""
    given = folder / "faults"
    given.mkdir()
    for number, fault in enumerate(faults):
        (given / f"{fault}.{number}").touch()
    return Watched(folder, trials, (f"dataset.init_args={{faults: {given}}}",), space=SPACE)


def bad_candidates(folder: Path, faults: list[str]) -> Row:
    """One trial for each fault, and one good one behind each: no three failures come in a row."""
    study = faulty(folder, 3 * len(faults), faults)
    process = study.start()
    study.finish(process)
    found = Counter(ending(trial) for trial in study.all_trials())
    expected = Counter(ENDINGS[fault] for fault in faults)
    expected["COMPLETE", ""] = study.trials - sum(
        count for key, count in expected.items() if key != ("COMPLETE", "")
    )
    wrong = (expected - found) + (found - expected)
    row = study.row("candidates: " + ", ".join(faults), len(faults), len(faults))
    row.note = f"endings not as they should be: {dict(wrong)}" if wrong else "each told its cause"
    return row


def ending(trial: Any) -> tuple[str, str]:
    """State and cause of a trial, as in ENDINGS."""
    cause = trial.user_attrs.get("cause", "diverged" if trial.user_attrs.get("diverged") else "")
    known = [told for _, told in ENDINGS.values() if told and cause.startswith(told)]
    return trial.state.name, known[0] if known else cause


def three_in_a_row(folder: Path) -> Row:
    """The same failure again and again stops the search, with the cause; mended, it goes on."""
    study = faulty(folder, 6, ["raise"] * 3)
    status = study.finish(study.start("--workers", "1"))
    before = study.look()
    told = "3 trials in a row failed of one cause: ArithmeticError" in study.said()
    study.finish(study.start("--workers", "1"))
    note = f"exit status {status}, cause {'told' if told else 'NOT told'}"
    return study.row("three failures in a row", 3, before, note)


def orphaned(folder: Path) -> Row:
    """A candidate hangs, its coordinator is killed: its worker ends itself, the study goes on."""
    study = faulty(folder, 4, ["hang"])
    study.settings += ("search.trial_timeout=1h",)
    process = study.start("--workers", "1")
    study.wait_until(lambda: not any((folder / "faults").iterdir()))
    process.kill()
    process.wait()
    study.wait_until(lambda: not left_behind(process), 120)
    before = study.look()
    study.finish(study.start())
    return study.row("a hung candidate whose coordinator is killed", 2, before)
