"""Rivals of shortcuts: which networks they are, and what of a planted gain each is said to have."""

from collections import Counter
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from laid_out_twins import opened, section, train
from optuna.storages import InMemoryStorage
from pydantic import ValidationError
from report_studies import candidate, make_study
from scipy import stats

from nas.common.errors import SpaceError
from nas.model.architecture import Named
from nas.payoff.analysis import Payoff, analyse, compare
from nas.payoff.forecast import trainings_left
from nas.payoff.plan import make_plan
from nas.payoff.records import Twin
from nas.payoff.rivals import CHANGES
from nas.payoff.run import phases
from nas.payoff.verdict import verdict
from nas.report.depth_sweep import Twins
from nas.report.document import Drawing, Table
from nas.report.sections.rivals import rival_section
from nas.space.schema import PayoffSection

ALL = list(CHANGES)
#: points of training error that each arm has more than the one with shortcuts, and its noise
PLANTED = {
    "identity": 0.0,
    "none": 30.0,
    "none, warmup": 20.0,
    "none, initialisation": 30.0,
    "none, norm": 0.0,
    "identity, skip_init": -5.0,
    "identity, fade": 15.0,
}


def asked(**changes: Any) -> PayoffSection:
    settings = {
        "until": None,
        "depths": [1, 3],
        "rivals": ALL,
        "lr_factors": [1.0, 0.3],
        "seeds": 8,
    }
    return section(**settings | changes)


def planted(twin: Twin) -> Twin:
    """An error of 40 points and what is planted, with a scatter of half a point."""
    noise = 0.5 * np.random.default_rng([twin.seed, len(twin.arm)]).normal()
    error = 40 + PLANTED[twin.arm] + float(noise)
    return replace(twin, outcomes=twin.outcomes | {"train_error": error})


@pytest.fixture(scope="module")
def payoff() -> Payoff:
    study = make_study(InMemoryStorage(), trials=2)
    twins, plan = opened(study, asked())
    train(twins, plan)
    found = analyse(twins)
    fixed = twins.user_attrs["payoff"]
    return compare([planted(twin) for twin in found.twins], fixed)


def test_each_rival_is_one_change_of_a_network_of_the_ladder() -> None:
    plan = make_plan(asked(), [candidate(2, ["identity"] * 3)])
    arms = {arm: one for (_, _, arm), one in plan.rival_arms.items()}
    assert set(arms) == set(PLANTED)
    plain, better = arms["none"], arms["identity"]
    assert {len(one.architecture.blocks()) for one in arms.values()} == {9}
    training = plain.training
    assert arms["none, warmup"] == replace(plain, training=replace(training, warmup=0.8))
    started = replace(plain.architecture, initialisation="orthogonal")
    assert arms["none, initialisation"] == replace(plain, architecture=started)
    normed = replace(plain.architecture, norm=Named.of("group", groups=4))
    assert arms["none, norm"] == replace(plain, architecture=normed)
    assert arms["identity, skip_init"].architecture.join_text == "skip_init(start=0.0)"
    faded = replace(training, fade_shortcuts=1 / 3)
    assert arms["identity, fade"] == replace(better, training=faded)


def test_the_section_knows_all_of_them() -> None:
    (names,) = get_args(PayoffSection.model_fields["rivals"].annotation)
    assert set(get_args(names)) == set(CHANGES)


def test_both_networks_are_those_of_the_ladder_and_trained_once() -> None:
    study = make_study(InMemoryStorage(), trials=2)
    twins, plan = opened(study, asked(seeds=2, tuning_seeds=1))
    before = len(trainings_left(plan, twins))
    train(twins, plan)
    runs = Counter(one.comparison for one in analyse(twins).twins if one.role != "tune")
    assert runs["rivals"] == 7 * 2 * 2
    assert len(twins.get_trials(deepcopy=False)) <= before
    both = [one for one in analyse(twins).twins if one.arm in ("none", "identity")]
    trials = {
        name: {o.trial for o in both if o.comparison == name} for name in ("ladder", "rivals")
    }
    assert trials["rivals"] < trials["ladder"]
    assert sum(map(len, phases(twins, plan, plan))) == 0


def test_what_was_planted_is_told(payoff: Payoff) -> None:
    rows = {one.arm: one for one in payoff.rivals if one.role == "own"}
    assert set(rows) == set(PLANTED) - {"none", "identity"}
    for arm, one in rows.items():
        assert one.whole["train_error"].mean == pytest.approx(30, abs=0.6)
        assert one.has["train_error"].mean == pytest.approx(30 - PLANTED[arm], abs=0.6)
        assert one.left["train_error"].mean == pytest.approx(PLANTED[arm], abs=0.6)
        parts = one.has["train_error"].mean + one.left["train_error"].mean
        assert parts == pytest.approx(one.whole["train_error"].mean)
        assert one.layers == 20
    answers = {arm: (one.has_answer, one.left_answer) for arm, one in rows.items()}
    assert answers == {
        "none, warmup": ("pays", "pays"),
        "none, initialisation": ("no difference", "pays"),
        "none, norm": ("pays", "no difference"),
        "identity, skip_init": ("pays", "costs"),
        "identity, fade": ("pays", "pays"),
    }


def test_p_values_are_those_of_scipy_corrected_over_all_ten_questions(payoff: Payoff) -> None:
    rows = [one for one in payoff.rivals if one.role == "own"]
    effects = [some["train_error"] for one in rows for some in (one.has, one.left)]
    bounds = [np.sign(e.mean) * payoff.smallest_effect for e in effects]
    p = [stats.ttest_1samp(e.pairs, bound).pvalue for e, bound in zip(effects, bounds, strict=True)]
    told = [p for one in rows for p in (one.has_p, one.left_p)]
    exact = [e.unpaired_p if abs(e.mean) > payoff.smallest_effect else 0.0 for e in effects]
    raw = np.maximum(p, exact)
    order = np.argsort(raw)
    holm = np.maximum.accumulate((10 - np.arange(10)) * raw[order])
    assert np.array(told)[order] == pytest.approx(np.minimum(holm, 1), rel=1e-6)


def test_the_sentence_and_the_section_say_so(payoff: Payoff) -> None:
    begin = "Rival explanations, 20 layers"
    (sentence,) = (one for one in verdict(payoff) if one.startswith(begin))
    for told in (
        "plain networks with a warm-up have 1",
        "; a part, shortcuts have surely more)",
        "; none, shortcuts have surely more)",
        "; as much as shortcuts)",
        "; more than shortcuts)",
    ):
        assert told in sentence
    parts = rival_section(Twins(payoff, {})).parts
    (drawn,) = (part for part in parts if isinstance(part, Drawing))
    whole, plain, better = drawn.figure.data
    assert list(whole.x) == pytest.approx([30], abs=0.6)
    assert list(plain.x) == pytest.approx([10, 0, 30], abs=0.6)
    assert list(better.x) == pytest.approx([35, 15], abs=0.6)
    (table,) = (part for part in parts if isinstance(part, Table))
    assert len(table.rows) == 5 * 2 * 2


def test_nothing_is_decided_before_all_have_their_pairs(payoff: Payoff) -> None:
    last = max(i for i, one in enumerate(payoff.twins) if one.comparison == "rivals")
    rest = payoff.twins[:last] + payoff.twins[last + 1 :]
    fixed = {"vary": "shortcut", "smallest_effect": 2.0, "primary": payoff.primary}
    role = payoff.twins[last].role
    found = compare(
        rest, fixed | {"rivals": {"arms": sorted(set(PLANTED) - {"none", "identity"}), "pairs": 8}}
    )
    answers = {(one.role, one.has_answer) for one in found.rivals}
    assert (role, "undecided") in answers
    assert not any(word != "undecided" for one, word in answers if one == role)
    unplanned = compare(payoff.twins, fixed)
    assert {one.left_answer for one in unplanned.rivals} == {"undecided"}


@pytest.mark.parametrize("wrong", [{"vary": "join"}, {"arms": ["identity", "projection"]}])
def test_rivals_need_networks_with_and_without_shortcuts(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValidationError, SpaceError), match="rivals: they stand beside networks"):
        PayoffSection(rivals=["warmup"], **wrong)


def test_pairs_added_until_it_is_decided_come_before_the_rivals() -> None:
    study = make_study(InMemoryStorage(), trials=2)
    twins, plan = opened(study, asked(until="resolved", seeds=3, lr_factors=[1.0], depths=[9]))
    train(twins, plan)
    assert trainings_left(plan, twins) == []
    rivals = [one for one in analyse(twins).twins if one.comparison == "rivals"]
    assert {one.seed for one in rivals} == {0, 1, 2}
