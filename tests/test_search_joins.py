"""Every join through check, search with two workers, report, twins and export."""

from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from whole_studies import command, exported, figures, searched, trials

from nas.model.joins import JOINS
from nas.space.space import SearchSpace
from nas.training.candidate import Candidate
from nas.training.lightning import train

JOIN_NAMES = list(JOINS)
SPACE = f"""
name: joined
dataset: {{name: digits, train_size: 64, validation_size: 40}}
architecture:
  depth: 1
  join: [{", ".join(JOIN_NAMES)}]
  stages: [{{width: 4}}, {{width: 8, stride: 2}}]
training: {{epochs: 2, batch_size: 32}}
search: {{trials: {len(JOIN_NAMES)}, sampler: grid, pruner: none, workers: 2, probes: false}}
payoff:
  vary: join
  arms: [{", ".join(JOIN_NAMES)}]
  top: 0
  seeds: 1
  depths: [1]
  lr_factors: [1.0]
  stages: false
"""


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the study `joined`, which tried every join, and its twins."""
    return searched(tmp_path_factory.mktemp("joined"), "joined", SPACE)


def test_a_check_counts_all_joins(joined: Path) -> None:
    said = command(joined, "check", "joined.yaml", "--cost")
    assert f"{len(JOIN_NAMES)} distinct architectures" in said
    assert "smallest" in said


@pytest.mark.parametrize("name", JOIN_NAMES)
def test_a_join_is_searched_compared_shown_and_exported(
    name: str, joined: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (trial,) = [one for one in trials(joined, "joined") if one.params["join"] == name]
    assert trial.state.name == "COMPLETE"
    twins = trials(joined, "joined-twins")
    (twin,) = [one for one in twins if name in {cell["arm"] for cell in one.user_attrs["cells"]}]
    assert twin.state.name == "COMPLETE"
    assert name in names_in(figures(joined, "joined"))
    module = exported(joined, "joined", trial.number, name, monkeypatch)
    assert ("self.join" in module) == (name != "add")


def names_in(data: Any) -> set[str]:
    """All words of some JSON data, also as keys."""
    if isinstance(data, dict):
        return set(data).union(*map(names_in, data.values()))
    if isinstance(data, list):
        return set().union(*map(names_in, data))
    return {data} if isinstance(data, str) else set()


@pytest.mark.parametrize("name", ["drop_path", "dropout_shortcut", "layer_scale"])
def test_a_training_that_was_paused_ends_with_the_same_bits(name: str, tmp_path: Path) -> None:
    candidate = only_candidate(tmp_path, name)

    def run(**how: Any) -> Any:
        return train(candidate, seed=3, data_dir=tmp_path, **how)

    whole = run()
    kept = tmp_path / "kept.pt"
    paused = run(checkpoint=kept, pause_after=lambda record: record["epoch"] == 1)
    assert paused.paused
    assert kept.exists()
    resumed = run(checkpoint=kept)
    states = [one.network.state_dict() for one in (whole, resumed)]
    assert all(torch.equal(tensor, states[1][key]) for key, tensor in states[0].items())
    assert resumed.result.losses == whole.result.losses
    moved = train(candidate, seed=4, data_dir=tmp_path)
    assert moved.result.losses != whole.result.losses


def only_candidate(folder: Path, join: str) -> Candidate:
    """The one candidate with that join."""
    file = folder / "one.yaml"
    file.write_text(SPACE)
    space = SearchSpace.load(file, [f"architecture.join={join}"])
    return space.candidate(optuna.trial.FixedTrial({}))
