"""Blocks of tokens through check, search with two workers, report, twins and export."""

import json
from pathlib import Path

import pytest
from conftest import TOKEN_ORDERS
from whole_studies import exported, figures, searched, trials

SPACE = f"""
name: tokens
dataset: {{name: digits, train_size: 64, validation_size: 40}}
architecture:
  stem: {{patchify: {{width: 4, patch: 4, normed: false}}}}
  activation_order: [{", ".join(TOKEN_ORDERS)}]
  norm: rms2d
  pooling: class_token
  block: {{transformer: {{heads: 2, expansion: 1.0}}}}
  transition: none
  stages: [{{depth: 1, width: 4}}]
training: {{epochs: 2, batch_size: 32}}
search: {{trials: {len(TOKEN_ORDERS)}, sampler: grid, pruner: none, workers: 2, probes: false}}
payoff:
  vary: activation_order
  top: 0
  seeds: 1
  depths: [1]
  lr_factors: [1.0]
  stages: false
"""


@pytest.fixture(scope="module")
def searched_tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the study `tokens`, which tried every order, and its twins."""
    return searched(tmp_path_factory.mktemp("tokens"), "tokens", SPACE)


@pytest.mark.parametrize("order", TOKEN_ORDERS)
def test_an_order_of_tokens_is_searched_compared_shown_and_exported(
    order: str, searched_tokens: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_search = trials(searched_tokens, "tokens")
    (trial,) = [one for one in of_search if one.params["activation_order"] == order]
    assert trial.state.name == "COMPLETE"
    twins = trials(searched_tokens, "tokens-twins")
    assert {order} in [{cell["arm"] for cell in one.user_attrs["cells"]} for one in twins]
    assert f'"{order}"' in json.dumps(figures(searched_tokens, "tokens"))
    module = exported(searched_tokens, "tokens", trial.number, order, monkeypatch)
    assert f"def {order}(parts):" in module
