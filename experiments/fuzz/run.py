"""The fuzzing at length: `python -m experiments.fuzz.run` writes result.json beside this file.

A quarter of an hour of one core at the default size. Exit status 1 where anything broke a bar.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

from experiments.fuzz import files, judge, mutations, studies
from experiments.fuzz.candidates import CANDIDATES

#: share of the mutations
SHARES = {
    "spaces": 0.3,
    "settings": 0.15,
    "stored candidates": 0.15,
    "studies": 0.1,
    "npz": 0.12,
    "folders": 0.08,
    "archives": 0.06,
    "pickled batches": 0.04,
}


def main() -> None:
    """Fuzz in this process, then through the command line, and write the result."""
    parser = argparse.ArgumentParser(description="Mutations of all that people may be sent.")
    parser.add_argument("--mutations", type=int, default=20_000)
    parser.add_argument("--commands", type=int, default=300, help="through real processes")
    parser.add_argument("--kinds", nargs="+", choices=SHARES, default=list(SHARES))
    parser.add_argument("--minutes", type=float, default=600.0, help="the most for each kind")
    parser.add_argument("--seed", type=int, default=0)
    size = parser.parse_args()
    target = Path(__file__).with_name("result.json")
    kinds, seconds = json.loads(target.read_text(encoding="utf-8"))["kinds"], 60 * size.minutes
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for kind in size.kinds:
            count = round(SHARES[kind] * size.mutations)
            kinds[kind] = fuzz(*KINDS[kind], count, size.seed, seconds)
            kinds[kind]["peak_mebibytes"] = judge.peak_bytes() // 2**20
        if size.commands:
            spaces = mutations.spaces()
            kinds["spaces by command"] = fuzz(spaces, command, size.commands, size.seed + 1)
    target.write_text(json.dumps({"kinds": kinds}, indent=1) + "\n", encoding="utf-8")
    print(target.read_text(encoding="utf-8"))
    sys.exit(any(one["broken"] for one in kinds.values()))


class TimeIsUpError(BaseException):
    """Ends the mutations of a kind."""


def fuzz(
    inputs: st.SearchStrategy[Any],
    check: Callable[[Any], judge.Verdict],
    count: int,
    seed: int,
    most_seconds: float = math.inf,
) -> dict[str, Any]:
    """Judge so many inputs; what broke a bar is counted by its error, with an example."""
    end = time.monotonic() + most_seconds
    outcomes: Counter[str] = Counter()
    broken: dict[str, str] = {}
    slowest = 0.0

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(inputs)
    def one(value: Any) -> None:
        nonlocal slowest
        if time.monotonic() > end:
            raise TimeIsUpError
        try:
            verdict = check(value)
        except Exception as error:  # every kind of fault is what is looked for
            outcomes["broken"] += 1
            broken.setdefault(f"{type(error).__name__}: {error}"[:200], repr(value)[:2000])
        else:
            outcomes[verdict.outcome] += 1
            slowest = max(slowest, verdict.seconds)

    with suppress(TimeIsUpError):
        one()
    return {
        "seed": seed,
        "mutations": outcomes.total(),
        **{key: outcomes[key] for key in ("accepted", "refused", "broken")},
        "slowest_seconds": round(slowest, 2),
        "examples": broken,
    }


def command(raw: bytes) -> judge.Verdict:
    """`nas check` as a process of its own: the time includes its start."""
    Path("s.yaml").write_bytes(raw)
    program = Path(sys.executable).with_name("nas")
    start = time.perf_counter()
    run = subprocess.run(
        [program, "check", "s.yaml"], capture_output=True, text=True, timeout=60, check=False
    )
    seconds = time.perf_counter() - start
    assert "Traceback" not in run.stderr
    assert run.returncode in (0, 2), f"status {run.returncode}"
    if run.returncode == 2:
        assert judge.PLACE.match(run.stderr.removeprefix("nas: ")) or judge.NO_TEXT.match(
            run.stderr
        )
    return judge.Verdict("refused" if run.returncode else "accepted", seconds, run.stderr)


def with_settings(given: tuple[int, list[str]]) -> judge.Verdict:
    """A bundled space with settings on top."""
    index, settings = given
    return judge.check_space(mutations.TEXTS[index].encode(), settings)


def check_study(done: list[tuple[Any, ...]]) -> judge.Verdict:
    """A damaged copy of a database that is made once."""
    good = Path.cwd() / "good.db"
    if not good.exists():
        studies.make_database(good)
    return studies.check_study(good, done)


KINDS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], judge.Verdict]]] = {
    "spaces": (mutations.spaces(), lambda raw: judge.check_space(raw, [])),
    "settings": (
        st.tuples(
            st.integers(0, len(mutations.TEXTS) - 1),
            st.lists(mutations.settings(), min_size=1, max_size=2),
        ),
        with_settings,
    ),
    "stored candidates": (mutations.stored(CANDIDATES), judge.check_stored),
    "studies": (studies.changes(), check_study),
    "npz": (files.npz(), files.check_npz),
    "folders": (files.folders(), files.check_folder),
    "archives": (files.archives(), files.check_archive),
    "pickled batches": (files.batches(), files.check_batch),
}


if __name__ == "__main__":
    main()
