"""The looks of `until: resolved`, replayed on stored twins."""

from dataclasses import replace

import pytest

from experiments.again import stored
from experiments.gallery import ROOT
from experiments.until import Look, answers, replayed
from nas.payoff.analysis import Payoff
from nas.space.space import SearchSpace

FOLDER = ROOT / "experiments" / "digits_twins"


@pytest.fixture(scope="module")
def payoff() -> Payoff:
    return stored(FOLDER / "results" / "payoff.json")


@pytest.fixture(scope="module")
def looks(payoff: Payoff) -> list[Look]:
    space = SearchSpace.load(str(FOLDER / "digits_twins.yaml"))
    return list(replayed(space, payoff.twins, payoff.primary["rules"]))


def test_all_is_decided_as_planned_at_half_the_seconds(payoff: Payoff, looks: list[Look]) -> None:
    first = next(
        look for look in looks if look.answers and "undecided" not in look.answers.values()
    )
    assert first.answers == answers(payoff)
    assert first.pairs == 6
    assert first.seconds == pytest.approx(0.48, abs=0.005)
    assert first.steps == pytest.approx(0.49, abs=0.005)


def test_what_is_spent_only_grows_and_is_at_most_the_whole(looks: list[Look]) -> None:
    spent = [look.steps for look in looks]
    assert spent == sorted(spent)
    assert spent[-1] <= 1
    assert looks[0].answers == {}


def test_it_ends_where_a_run_is_not_there(payoff: Payoff) -> None:
    rows = [one for one in payoff.twins if one.seed < 3 or one.role == "tune"]
    space = SearchSpace.load(str(FOLDER / "digits_twins.yaml"))
    some = list(replayed(space, [replace(one) for one in rows], payoff.primary["rules"]))
    assert [look.pairs for look in some] == [0, 1, 2, 3]
    assert set(some[-1].answers.values()) == {"undecided"}


def test_on_cifar_the_first_sentence_stands_at_half_the_seconds_of_a_fixed_plan() -> None:
    folder = ROOT / "experiments" / "depth_ladder"
    payoff = stored(folder / "results" / "until_decided" / "payoff.json")
    space = SearchSpace.load(str(folder / "until_decided.yaml"))
    own = "identity, post_activation, own rate"
    first = next(
        look
        for look in replayed(space, payoff.twins, payoff.primary["rules"])
        if look.answers.get(own) == "pays"
    )
    assert first.pairs == 7
    assert first.seconds == pytest.approx(0.47, abs=0.005)
    assert first.steps == pytest.approx(0.49, abs=0.005)
    assert list(first.answers.values()).count("pays") == 3
