"""What must hold of any input: accepted and buildable, or refused with its place and status 2."""

import io
import re
import resource
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import optuna

from nas.cli import main
from nas.common.errors import UserError
from nas.model.network import Network
from nas.payoff.plan import make_plan
from nas.payoff.runs import first_runs, further_runs
from nas.space.space import SearchSpace
from nas.training.candidate import Candidate

optuna.logging.set_verbosity(optuna.logging.ERROR)

#: of one input: seconds of processor time, and bytes of this process with all its libraries
MOST_SECONDS, MOST_BYTES = 2.0, 2**30
#: a network of no more is built
SMALL = 200_000
#: every line of a refusal begins with file:line:column, or with the setting
PLACE = re.compile(r"(s\.yaml:\d+:\d+|--set [^\n]*): .")
#: of a file that is no text there is no line
NO_TEXT = re.compile(r"nas: s\.yaml: is (larger than|a folder|no regular file)")


@dataclass(frozen=True)
class Verdict:
    """`accepted` or `refused`, how long it took, and what was said."""

    outcome: str
    seconds: float
    said: str


def check_space(raw: bytes, settings: list[str]) -> Verdict:
    """`nas check` on a file of these bytes in this folder; AssertionError where it breaks a bar."""
    Path("s.yaml").write_bytes(raw)
    options = [word for setting in settings for word in ("--set", setting)]
    return timed(lambda: judge_space(["check", "s.yaml", *options], settings))


def judge_space(arguments: list[str], settings: list[str]) -> tuple[str, str]:
    """Outcome and errors of a check; what is accepted is drawn, counted and built."""
    status, errors = nas(arguments)
    assert "Traceback" not in errors
    if status == 0:
        build(SearchSpace.load("s.yaml", settings))
        return "accepted", errors
    assert status == 2, f"status {status}"
    lines = errors.removeprefix("nas: ").splitlines()
    assert lines
    assert NO_TEXT.match(errors) or PLACE.match(lines[0]), f"no place: {errors[:200]}"
    return "refused", errors


def nas(arguments: list[str]) -> tuple[int, str]:
    """The command line in this process: status and errors."""
    errors, before = io.StringIO(), sys.argv
    sys.argv = ["nas", *arguments]
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(errors):
            main()
    except SystemExit as end:
        return int(end.code or 0), errors.getvalue()
    finally:
        sys.argv = before
    return 0, errors.getvalue()


def build(space: SearchSpace) -> None:
    """Draw candidates as a search does, keep them and count them; build the small ones."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(2):
        candidate = space.candidate(study.ask())
        assert Candidate.from_json(candidate.to_json()) == candidate
        space.excess(candidate)
        build_small(candidate)
    if space.section.payoff is not None:
        plan = make_plan(space.section.payoff, [candidate])
        for runs in (first_runs, further_runs):
            list(islice(runs(plan), 2))


def build_small(candidate: Candidate) -> None:
    """Count a candidate, and construct its network where that is quick."""
    spent = candidate.cost()
    if spent.parameters <= SMALL and spent.depth <= 50:
        network = Network(candidate.architecture)
        assert sum(weights.numel() for weights in network.parameters()) == spent.parameters


def check_stored(text: str) -> Verdict:
    """A stored candidate, read back; AssertionError where it breaks a bar."""
    return timed(lambda: judge_stored(text))


def judge_stored(text: str) -> tuple[str, str]:
    """Outcome and errors of reading; what is accepted is counted and built."""
    try:
        candidate = Candidate.from_json(text, "trial 7")
    except UserError as error:
        return "refused", str(error)
    assert candidate.architecture.blocks()
    build_small(candidate)
    return "accepted", ""


def timed(judge: Callable[[], tuple[str, str]], most_seconds: float | None = None) -> Verdict:
    """The verdict, within the bars of time, memory and of what is said."""
    most_seconds = MOST_SECONDS if most_seconds is None else most_seconds
    start = time.process_time()
    outcome, said = judge()
    seconds = time.process_time() - start
    assert seconds <= most_seconds, f"{seconds:.1f} s"
    assert peak_bytes() <= MOST_BYTES, f"{peak_bytes():,} bytes"
    assert len(said) <= 100_000, f"{len(said)} characters said"
    return Verdict(outcome, seconds, said)


def peak_bytes() -> int:
    """The most memory this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
