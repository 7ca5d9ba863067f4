"""The smallest tier of experiments/digits_twins on real digits: two depths, three pairs."""

import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from nas.payoff.analysis import analyse
from nas.payoff.run import payoff
from nas.payoff.verdict import verdict
from nas.search.options import WorkerOptions
from nas.search.run import search
from nas.space.space import SearchSpace

SPACE = Path(__file__).parents[1] / "experiments" / "digits_twins" / "digits_twins.yaml"
SETTINGS = [
    "payoff.seeds=3",
    "payoff.depths=[1, 5]",
    "payoff.arms=[identity, none]",
    "payoff.lr_factors=[1.0]",
    "payoff.stages=false",
    "payoff.budgets=[1]",
]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits_twins")
    storage, quiet, said = f"sqlite:///{folder}/nas.db", Console(quiet=True), StringIO()
    space = SearchSpace.load(SPACE, SETTINGS)
    options = WorkerOptions(storage=storage, out=folder)
    found = search(space, options=options, console=quiet)
    told = Console(file=said, width=200)
    outcome = payoff(found.study, space.section.payoff, options, console=told)
    assert outcome.how == "finished"
    return analyse(outcome.study), said.getvalue()


@pytest.fixture(scope="module")
def result(outcome):
    return outcome[0]


def test_every_pair_starts_from_the_same_weights_with_equally_many_parameters(result):
    (contrast,) = result.ladder
    assert (contrast.reference, contrast.arm) == ("none", "identity")
    assert contrast.same_start
    assert contrast.parameters == {8: (19_074, 19_074), 32: (116_738, 116_738)}
    assert len({twin.initial_hash for twin in result.twins}) == 2 * 3


def test_every_plain_network_of_32_layers_learns_later_than_its_twin(result):
    (contrast,) = result.ladder
    areas = contrast.gains["loss_area"][32].pairs
    assert len(areas) == 3
    assert min(areas) > 0


def test_depth_costs_plain_networks_more_training_error(result):
    (contrast,) = result.ladder
    assert contrast.interaction["train_error"].mean > 0


def test_the_verdict_states_pairs_and_budget(result):
    headline, tested, detail = verdict(result)[:3]
    assert "3 pairs cannot decide " in headline
    assert "post-activation, 3 pairs of each, 15 epochs, all arms at learning rate 0.03" in tested
    assert detail.startswith("Networks with identity shortcuts against plain networks (post-acti")
    assert "3 pairs: " in detail


def test_what_is_primary_was_written_before_the_first_run(result):
    assert result.primary["depths"] == [1, 5]
    assert result.primary["comparisons"] == [["post_activation", "shared", "none", "identity"]]
    assert (result.waiting, result.missing, result.added) == (0, 0, [])


def test_cost_and_power_were_told_before_the_first_run(outcome):
    first, second, *_ = outcome[1].splitlines()
    assert re.fullmatch(
        r"Twins: 3 pairs, at most 12 trainings, about [\d.]+ \w+ with \d+ workers?\.", first
    )
    assert second.startswith("3 pairs can resolve no effect as one comparison")
