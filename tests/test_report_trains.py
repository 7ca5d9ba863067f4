"""The section on which networks train at all."""

from dataclasses import replace

from optuna.storages import InMemoryStorage
from report_studies import make_study, make_twins

from nas import statistics as st
from nas.payoff.analysis import Payoff, analyse
from nas.report.depth_sweep import Twins
from nas.report.document import Drawing, Table, Text
from nas.report.sections.trains import trains_section


def analysed() -> Payoff:
    """Two depths, six pairs, every run trains."""
    study = make_study(InMemoryStorage(), trials=2)
    options = {"orders": ("post_activation",), "top": 0, "lr_factors": (1.0,)}
    found = analyse(make_twins(study, depths=[1, 5], seeds=6, **options))
    return replace(found, twins=[replace(twin, failed=False) for twin in found.twins])


def plain_networks_guess(payoff: Payoff) -> Payoff:
    """Of the deepest plain networks none trains, and of their twins five of six."""
    errors, arms = [90.0] * 6, [10.0] * 5 + [90.0]
    found = st.hurdle(errors, arms, [False] * 6, [True] * 5 + [False])
    ladder = [replace(one, hurdle=one.hurdle | {32: found}) for one in payoff.ladder]
    twins = [replace(twin, failed=twin.arm == "none") for twin in payoff.twins]
    return replace(payoff, ladder=ladder, twins=twins)


def test_where_every_run_trains_one_sentence_says_so() -> None:
    (part,) = trains_section(Twins(analysed(), {})).parts
    assert isinstance(part, Text)
    assert part.text.startswith("Yes: all ")


def test_the_share_that_trains_is_drawn_with_its_interval_and_told_in_a_table() -> None:
    parts = trains_section(Twins(plain_networks_guess(analysed()), {})).parts
    (drawing,) = [part for part in parts if isinstance(part, Drawing)]
    lines = {line.name: line for line in drawing.figure.data}
    assert set(lines) == {"none", "identity", "projection"}
    assert list(lines["none"].y) == [100, 0]
    assert [round(share, 1) for share in lines["identity"].y] == [100, 83.3]
    wilson = st.wilson(1, 6)  # failures
    top = lines["identity"].y[1] + lines["identity"].error_y.array[1]
    bottom = lines["identity"].y[1] - lines["identity"].error_y.arrayminus[1]
    assert abs(top - 100 * (1 - wilson.low)) < 1e-9
    assert abs(bottom - 100 * (1 - wilson.high)) < 1e-9
    (table,) = [part for part in parts if isinstance(part, Table)]
    deepest = [row for row in table.rows if row[4] == "32"]
    assert all(row[5].startswith("5 of 6") and row[6].startswith("0 of 6") for row in deepest)
    assert all(row[8] == "none: the reference never trains" for row in deepest)
