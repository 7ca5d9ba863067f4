"""Blocks of tokens through check, search with two workers, report, twins and export."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from conftest import NAS, TOKEN_ORDERS

from nas.cli import main

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
    folder = tmp_path_factory.mktemp("tokens")
    (folder / "tokens.yaml").write_text(SPACE)
    run = subprocess.run(
        [NAS, "search", "tokens.yaml"],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


@pytest.mark.parametrize("order", TOKEN_ORDERS)
def test_an_order_of_tokens_is_searched_compared_shown_and_exported(
    order: str, searched_tokens: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`nas export` itself holds that the module computes what the network does, to the bit."""

    def trials(study: str) -> list[optuna.trial.FrozenTrial]:
        return optuna.load_study(
            study_name=study, storage=f"sqlite:///{searched_tokens}/runs/nas.db"
        ).trials

    (trial,) = [one for one in trials("tokens") if one.params["activation_order"] == order]
    assert trial.state.name == "COMPLETE"
    arms = [{cell["arm"] for cell in one.user_attrs["cells"]} for one in trials("tokens-twins")]
    assert {order} in arms
    page = (searched_tokens / "runs" / "tokens" / "report.html").read_text(encoding="utf-8")
    figures = re.search(r'id="figures">(.*?)</script>', page, re.DOTALL)
    assert figures
    assert f'"{order}"' in json.dumps(json.loads(figures[1]))
    monkeypatch.chdir(searched_tokens)
    asked = ["--trial", str(trial.number), "--seeds", "1", "--output", f"{order}.py"]
    monkeypatch.setattr(sys, "argv", ["nas", "export", "tokens", *asked])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    assert f"def {order}(parts):" in (searched_tokens / f"{order}.py").read_text(encoding="utf-8")
