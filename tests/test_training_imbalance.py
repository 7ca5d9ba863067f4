"""Classes of very different sizes: balanced accuracy as objective, class weights as a setting."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nas.common.errors import SpaceError
from nas.data.catalog import Dataset
from nas.data.module import ImageData, open_data
from nas.export.retrain import export
from nas.report.scales import scale
from nas.report.sections.method import data_sets, settings_of
from nas.space.space import SearchSpace
from nas.training.candidate import Candidate

SPACE = """
name: rare
dataset: {name: npz, path: %s}
architecture: {stem: {conv3x3: {width: 4}}, depth: 1, stages: [{width: 4, stride: 2}]}
training:
  {epochs: 2, batch_size: 32, optimizer: {name: sgd, lr: 0.05}, class_weights: [none, balanced]}
search:
  {trials: 2, sampler: grid, pruner: median, objectives: [val_balanced_accuracy], probes: false}
"""


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """1,000 pictures of five classes, 95/2/1/1/1 in 100; the brightness tells the class."""
    labels = np.repeat(np.arange(5), [950, 20, 10, 10, 10])
    noise = np.random.default_rng(0).integers(0, 20, (1000, 8, 8), dtype=np.uint8)
    np.savez(
        tmp_path / "rare.npz", x=noise + (50 * labels).astype(np.uint8)[:, None, None], y=labels
    )
    return tmp_path / "rare.npz"


def test_a_search_and_an_export_by_balanced_accuracy(
    pictures: Path, tmp_path: Path, space: Callable[..., SearchSpace], search_here: Any
) -> None:
    study = search_here(space(text=SPACE % pictures))
    candidates = [Candidate.from_json(one.user_attrs["candidate"]) for one in study.trials]
    weights = {candidate.training.class_weights for candidate in candidates}
    assert weights == {"none", "balanced"}
    assert any("class weights" in settings_of(one.training) for one in candidates)
    assert data_sets(candidates) == (
        "npz; not augmented; the data set's own validation split, else a stratified split, seed 0."
    )
    best = study.best_trial
    assert 0.2 <= best.value <= 1
    assert best.intermediate_values[2] == pytest.approx(best.value, abs=1e-4)
    assert best.value != pytest.approx(best.user_attrs["val_accuracy"], abs=1e-6)
    export(study, seeds=1, output=tmp_path / "best.py", out=tmp_path, say=lambda text: None)
    facts = " ".join(str(ast.get_docstring(ast.parse((tmp_path / "best.py").read_text()))).split())
    assert "Trained on all 800 pictures outside the test split." in facts
    assert "Balanced test accuracy of these weights (seed 0), tested once: " in facts


def test_figures_show_it_in_per_cent() -> None:
    assert scale("val_balanced_accuracy").factor == 100


def test_every_class_weighs_the_same(pictures: Path) -> None:
    dataset = Dataset(name="npz", path=str(pictures))
    opened = open_data(dataset, data_dir=Path(), batch_size=8, seed=0)
    assert isinstance(opened, ImageData)
    counts = torch.tensor(opened.class_counts("train"))
    weights = opened.class_weights()
    assert counts.tolist() == [684, 15, 7, 7, 7]
    assert (weights * counts).tolist() == pytest.approx([720 / 5] * 5)
    absent = Dataset(name="npz", path=str(pictures), train_size=2)
    few = open_data(absent, data_dir=Path(), batch_size=2, seed=0)
    assert torch.isfinite(few.class_weights()).all()


def test_weights_of_classes_that_nobody_has_counted_are_refused(
    space: Callable[..., SearchSpace],
) -> None:
    module = "dataset={class_path: a.B, image_shape: [1, 8, 8], num_classes: 10}"
    with pytest.raises(SpaceError, match="class_weights: a data module does not tell"):
        space(module, "training.class_weights=balanced")
    with pytest.raises(
        SpaceError, match="class_weights: should be 'none' or 'balanced', found 'heavy'"
    ):
        space("training.class_weights=heavy")
