"""Shortcuts that fade out in a training: when, and what is left."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from report_studies import candidate

from nas.model.network import Network, channels_last
from nas.payoff.variants import plain
from nas.training.candidate import Candidate, Training
from nas.training.lightning import Trained, train

THIRD = 1 / 3


def fading(share: float = THIRD) -> Candidate:
    """Eight layers with identity shortcuts, two epochs."""
    one = candidate(1, ["identity"] * 3)
    return replace(one, training=replace(one.training, epochs=2, fade_shortcuts=share))


def run(one: Candidate) -> Trained:
    return train(one, seed=3, data_dir=Path("data"))


@pytest.mark.parametrize(
    ("step", "weight"), [(0, 1), (39, 1), (40, 1), (45, 0.5), (50, 0), (55, 0), (59, 0)]
)
def test_they_fall_over_the_first_half_of_the_last_third(step: int, weight: float) -> None:
    assert fading().training.shortcut_weight(step, 60) == pytest.approx(weight)
    assert Training(epochs=1).shortcut_weight(step, 60) == 1


def test_what_is_left_is_the_plain_network_of_its_weights() -> None:
    """To the last bit, and the retaken training error is that of it."""
    trained = run(fading())
    left = channels_last(Network(plain(fading().architecture)))
    left.load_state_dict(trained.network.state_dict())
    pictures = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(trained.network.eval()(pictures), left.eval()(pictures))
    kept = channels_last(Network(fading().architecture))
    kept.load_state_dict(trained.network.state_dict())
    with torch.no_grad():
        assert not torch.equal(kept.eval()(pictures), left(pictures))


def test_until_then_the_training_is_that_of_its_twin() -> None:
    """In the second half of two epochs they fall, so the first epochs agree to the last bit."""
    ours, usual = run(fading(0.5)).result, run(fading(0.0)).result
    assert ours.curve[0] == usual.curve[0]
    assert ours.curve[1] != usual.curve[1]
    assert ours.initial_hash == usual.initial_hash


def test_without_it_the_candidate_has_its_hash() -> None:
    one = candidate(1, ["identity"] * 3)
    assert "fade_shortcuts" not in one.to_json()
    assert Candidate.from_json(fading().to_json()) == fading()
    assert fading().hash != fading(0.0).hash


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_is_one_of_the_training(share: float) -> None:
    with pytest.raises(Exception, match="fade_shortcuts"):
        Candidate.from_json(fading(share).to_json())
