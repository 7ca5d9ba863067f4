"""The table of all twin runs is what the results say, and the reports can be told from it."""

from dataclasses import replace

import pytest

from experiments.resbench.replay import effects, replayed
from experiments.resbench.table import FOLDER, plans, read, written
from nas.payoff.analysis import compare


@pytest.mark.parametrize("name", ["runs.csv", "plans.json"])
def test_the_table_is_made_anew_when_results_change(name: str) -> None:
    """After a change: `python -m experiments.resbench`."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert text == written()[name]
    assert len(text) < 2_000_000


def test_every_report_is_told_from_the_table_alone() -> None:
    rows = list(replayed())
    assert [row.experiment for row in rows] == list(read())
    assert all(row.same_effects for row in rows)
    assert [row.told for row in rows] == [row.stored for row in rows]


def test_a_wrong_digit_does_not_go_unseen() -> None:
    twins, fixed = read()["family/joins"], plans()["family/joins"]
    place = next(index for index, one in enumerate(twins) if one.role != "tune")
    one = twins[place]
    wrong = replace(
        one, outcomes=one.outcomes | {"train_error": one.outcomes["train_error"] + 1e-9}
    )
    assert effects(compare([*twins[:place], wrong, *twins[place + 1 :]], fixed)) != effects(
        compare(twins, fixed)
    )
