"""The table of the best trials, and what parameters are called."""

from typing import Any

import pytest
from optuna.storages import InMemoryStorage
from report_studies import make_study

from nas.report import data as facts
from nas.report.assemble import assemble
from nas.report.data import gather
from nas.report.parameter_names import label, renamed
from nas.report.sections.leaderboard import MOST_TRIALS, leaderboard, num_validation, rank


def test_ties_share_their_rank_and_are_marked() -> None:
    values = [0.9, 0.9, 0.8, 0.7, 0.7]
    assert [rank(values, index) for index in range(5)] == ["1 =", "1 =", "3", "4 =", "4 ="]


def test_the_first_line_says_how_many_are_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = InMemoryStorage()
    study = make_study(storage, "best", trials=40)
    monkeypatch.setattr(facts, "open_storage", lambda url: storage)
    assert "as good)" not in assemble(gather("sqlite:///x", "best"))[0]["report.md"]
    best = study.best_trial
    study.add_trial(best)
    line = assemble(gather("sqlite:///x", "best"))[0]["report.md"].splitlines()[2]
    assert f"best trial {best.number} (1 other as good), validation accuracy" in line


def test_the_best_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = InMemoryStorage()
    study = make_study(storage, "best", trials=40)
    monkeypatch.setattr(facts, "open_storage", lambda url: storage)
    data = gather("sqlite:///x", "best")
    trained = [row for row in data.rows if row.outcome == "trained"]
    ranked = sorted(trained, key=lambda row: (-row.trial.value, row.number))
    table = leaderboard(data)
    assert [int(row[1]) for row in table.rows] == [one.number for one in ranked[:MOST_TRIALS]]
    first: dict[str, Any] = dict(zip(table.head, table.rows[0], strict=True))
    attrs = ranked[0].trial.user_attrs
    assert first["validation accuracy (%)"] == f"{100 * ranked[0].trial.value:.2f}"
    assert first["parameters"] == f"{attrs['parameters']:,}"
    assert first["multiply-adds"] == f"{attrs['multiply_adds']:,}"
    assert first["training (s)"] == f"{attrs['seconds']:,.1f}"
    assert first["seed"] == str(attrs["seed"])
    assert float(first["learning rate"]) == ranked[0].trial.params["training.optimizer.sgd.lr"]
    assert table.note.startswith(f"The first {MOST_TRIALS} of {len(trained)}.")
    pictures = num_validation(data)
    assert pictures is not None
    assert f"{pictures:,} validation pictures: one picture is {100 / pictures:.2g} points" in (
        table.note
    )
    assert study.user_attrs["space"]


def test_stages_and_blocks_are_numbered_from_1() -> None:
    assert label("stages.0.shortcut") == "shortcut, stage 1"
    assert label("stages.2.blocks.0.shortcut") == "shortcut, stage 3, block 1"
    assert renamed(["depth", "stages.1.join"]) == {"stages.1.join": "join, stage 2"}
