"""What experiments/scale tells of thousands of trials, on a search of few."""

import json
from argparse import Namespace
from pathlib import Path

import pytest

from experiments.scale.long import HERE, MEASURES, growth, measured, table


def test_a_short_search_is_measured_while_it_runs(tmp_path: Path) -> None:
    asked = Namespace(trials=12, workers=2, sampler="random", moments=3)
    found = measured(tmp_path, asked)
    assert (found["exit_status"], found["complete"], found["others"]) == (0, 12, 0)
    seen = [row["trials"] for row in found["rows"]]
    assert seen == sorted(seen)
    for row in found["rows"]:
        assert row["coordinator_mebibytes"] > 20
        assert row["coordinator_files"] > 3
        assert row["database_kibibytes_per_trial"] > 1
    assert list(table("x", found))[-1].startswith("| growth")


def test_growth_is_the_slope_behind_the_first_moment() -> None:
    flat = dict.fromkeys(MEASURES, 5.0)
    rows = [{"trials": 1.0, **dict.fromkeys(MEASURES, 99.0)}]
    rows += [{"trials": 1000.0 * step, **flat, "worker_files": 5.0 + step} for step in range(1, 5)]
    found = growth(rows)
    assert found.pop("worker_files") == pytest.approx(1)
    assert list(found.values()) == pytest.approx([0] * len(found), abs=1e-6)
    assert growth(rows[:2]) == {}


def test_little_grew_in_what_is_kept() -> None:
    """In a thousand trials no process by more than 10 MiB or one open file."""
    for found in json.loads((HERE / "long.json").read_text(encoding="utf-8")).values():
        assert found["exit_status"] == 0
        grown = found["growth_per_1000_trials"]
        assert max(grown["coordinator_mebibytes"], grown["worker_mebibytes"]) < 10
        assert max(grown["coordinator_files"], grown["worker_files"]) < 1
        assert grown["database_kibibytes_per_trial"] < 0.1
