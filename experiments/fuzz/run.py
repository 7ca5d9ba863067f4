"""The fuzzing at length: `python -m experiments.fuzz.run` writes result.json beside this file.

A quarter of an hour of one core at the default size. Exit status 1 where anything broke a bar.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

from experiments.fuzz import judge, mutations
from experiments.fuzz.candidates import CANDIDATES

#: share of the mutations
SHARES = {"spaces": 0.5, "settings": 0.2, "stored candidates": 0.3}


def main() -> None:
    """Fuzz in this process, then through the command line, and write the result."""
    parser = argparse.ArgumentParser(description="Mutations of spaces, settings and candidates.")
    parser.add_argument("--mutations", type=int, default=20_000)
    parser.add_argument("--commands", type=int, default=300, help="through real processes")
    parser.add_argument("--seed", type=int, default=0)
    size = parser.parse_args()
    target = Path(__file__).with_name("result.json")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        found = {
            kind: fuzz(*KINDS[kind], round(share * size.mutations), size.seed)
            for kind, share in SHARES.items()
        }
        peak = judge.peak_bytes()
        found["spaces by command"] = fuzz(mutations.spaces(), command, size.commands, size.seed + 1)
    result = {"seed": size.seed, "peak_mebibytes": peak // 2**20, "kinds": found}
    target.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(target.read_text(encoding="utf-8"))
    sys.exit(any(one["broken"] for one in found.values()))


def fuzz(
    inputs: st.SearchStrategy[Any], check: Callable[[Any], judge.Verdict], count: int, seed: int
) -> dict[str, Any]:
    """Judge so many inputs; what broke a bar is counted by its error, with an example."""
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
        try:
            verdict = check(value)
        except Exception as error:  # every kind of fault is what is looked for
            outcomes["broken"] += 1
            broken.setdefault(f"{type(error).__name__}: {error}"[:200], repr(value)[:2000])
        else:
            outcomes[verdict.outcome] += 1
            slowest = max(slowest, verdict.seconds)

    one()
    return {
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
}


if __name__ == "__main__":
    main()
