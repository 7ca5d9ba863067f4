"""Rows of tables through training, report and export: what is predicted is what was trained."""

import csv
import importlib.util
import io
import math
from pathlib import Path

import pytest
import torch
from optuna.trial import create_trial
from sklearn.metrics import mean_absolute_error, r2_score

from nas.data import open_data
from nas.data.catalog import Dataset
from nas.data.tables.prepare import prepared
from nas.export.prediction import inputs_of
from nas.export.source import module_source
from nas.model.architecture import Architecture, Named, Stage
from nas.payoff.records import twin
from nas.payoff.runs import RunKey
from nas.search.trial_results import result_attributes
from nas.space.errors import SpaceError
from nas.space.space import SearchSpace
from nas.training.candidate import Candidate, Training
from nas.training.lightning import Trained, train
from nas.training.metrics import default_probes

SPACE = """
name: rows
dataset: {name: table, source: SOURCE}
architecture: {stem: linear, block: mlp, depth: 1, width: 8, stages: [{}]}
training: {epochs: 2, batch_size: 32}
search: {trials: 1, pruner: none, objectives: [OBJECTIVE]}
"""
PLACE = RunKey(
    comparison="ladder", order="", depth=1, arm="none", role="own", budget=1, seed=0, lr=1.0
)
PEOPLE = "age,colour,label\n" + "".join(
    f"{'' if n % 7 == 3 else 20 + n},{('red', 'green', '')[n % 3]},{('no', 'yes')[n % 2]}\n"
    for n in range(60)
)


def trained(dataset: Dataset, *, lr: float = 0.01, epochs: int = 15) -> Trained:
    found = prepared(dataset)
    candidate = Candidate(
        architecture=Architecture(
            image_shape=(found.encoding.num_features, 1, 1),
            num_classes=max(1, len(found.classes)),
            stem=Named.of("linear", width=16),
            stages=(Stage(depth=2, width=16, block=Named("mlp")),),
            activation_order="pre_activation",
        ),
        training=Training(epochs=epochs, batch_size=16, optimizer=Named.of("adamw", lr=lr)),
        dataset=dataset,
    )
    return train(candidate, seed=0, data_dir=Path(), probes=default_probes())


def module_of(done: Trained, folder: Path) -> dict:
    source = module_source(
        done.network.architecture, title="t", facts=[], inputs=inputs_of(done.data)
    )
    (folder / "best.py").write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("best", folder / "best.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.Network()
    network.load_state_dict(done.network.state_dict())
    return vars(module) | {"network": network.eval()}


def test_a_csv_trained_and_exported_predicts_from_its_own_lines(tmp_path: Path) -> None:
    """Features of the exported module are those of the search to the last bit, words and missing
    values included."""
    path = tmp_path / "people.csv"
    path.write_text(PEOPLE, encoding="utf-8")
    done = trained(Dataset(name="table", path=str(path), target="label"))
    module = module_of(done, tmp_path)
    rows = list(csv.DictReader(io.StringIO(PEOPLE)))
    features = torch.from_numpy(prepared(done.data.dataset).features)[..., None, None]
    assert torch.equal(module["features"](rows), features)
    with torch.no_grad():
        assert torch.equal(module["network"](features), done.network.eval()(features))
    assert set(module["predict"](module["network"], rows)) <= {"no", "yes"}
    unknown = module["features"]([{"age": None, "colour": "violet"}])
    assert unknown[0, 1:, 0, 0].tolist() == [0.0, 0.0]


def test_a_number_is_learned_measured_and_predicted_in_its_own_unit(tmp_path: Path) -> None:
    done = trained(Dataset(name="table", source="friedman1"))
    final, measures = done.result.final, done.result.measures
    assert final["val_accuracy"] == final["val_r2"] > 0.5
    assert measures["train_error"] < 0.5
    assert measures["started"]
    assert not done.result.diverged
    module = module_of(done, tmp_path)
    found, source = prepared(done.data.dataset), Dataset(name="table", source="friedman1")
    from nas.data.tables.prepare import read

    table, rows = read(source), found.rows["validation"]
    lines = [{name: x[row] for name, x in table.numbers.items()} for row in rows]
    predicted = module["predict"](module["network"], lines)
    assert r2_score(table.target[rows], predicted) == pytest.approx(final["val_r2"], abs=1e-5)
    mae = mean_absolute_error(table.target[rows], predicted)
    assert mae == pytest.approx(final["val_mae"], rel=1e-4)


def test_twins_of_numbers_that_diverge_count_as_guessing() -> None:
    dataset = Dataset(name="table", source="diabetes")
    done = trained(dataset, lr=1e30, epochs=1)
    assert done.result.diverged
    one = Candidate(
        architecture=done.network.architecture, training=Training(epochs=1), dataset=dataset
    )
    stored = result_attributes(one, done.result)
    assert stored["val_accuracy"] is None
    found = twin(create_trial(value=0.0, user_attrs=stored), PLACE)
    assert found.failed
    assert found.outcomes["train_error"] == found.outcomes["val_error"] == 100


def test_guessing_the_mean_explains_nothing() -> None:
    from nas.training.losses import guessing, loss_of, num_hits, number_sums, scores

    data = open_data(
        Dataset(name="table", source="diabetes"), data_dir=Path(), batch_size=400, seed=0
    )
    _, y = next(iter(data.train_evaluation_dataloader()))
    mean = torch.zeros(len(y), 1)
    assert loss_of(mean, y).item() == pytest.approx(1, abs=1e-5)
    assert math.log(guessing(1)) == 1
    assert num_hits(mean, y).item() / len(y) == pytest.approx(0, abs=1e-5)
    assert scores(number_sums(mean, y))["r2"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("source", "objective", "words"),
    [
        ("diabetes", "val_accuracy", "val_accuracy is none of a target that is a number: write"),
        ("iris", "val_mae", "val_mae is none of a target that is classes: write val_accuracy"),
    ],
)
def test_objectives_of_another_kind_of_target(source: str, objective: str, words: str) -> None:
    with pytest.raises(SpaceError, match=words):
        SearchSpace.from_yaml(SPACE.replace("SOURCE", source).replace("OBJECTIVE", objective))


@pytest.mark.parametrize(
    ("source", "measure", "words"),
    [
        ("diabetes", "int8_error", "these measures are of classes"),
        ("iris", "blurred_pictures_error", "blurred_pictures_error is of pictures, not of rows"),
    ],
)
def test_measures_of_another_kind_of_data(source: str, measure: str, words: str) -> None:
    goal = "val_accuracy" if source == "iris" else "val_r2"
    text = SPACE.replace("SOURCE", source).replace("OBJECTIVE", goal)
    with pytest.raises(SpaceError, match=rf"text:7:.*{words}"):
        SearchSpace.from_yaml(f"{text}payoff: {{after_training: [{measure}]}}\n")
    if source == "iris":
        SearchSpace.from_yaml(f"{text}payoff: {{after_training: [noisy_pictures_error]}}\n")
    on_test = f"{text}payoff: {{until: resolved, after_training_split: test}}\n"
    with pytest.raises(SpaceError, match=r"a test split is read once: write validation"):
        SearchSpace.from_yaml(on_test)


def test_pictures_blocks_on_rows_are_refused_with_the_place() -> None:
    text = SPACE.replace("SOURCE", "iris").replace("OBJECTIVE", "val_accuracy")
    with pytest.raises(SpaceError, match=r"text:4:.*block 0 looks at 3x3 .*block: mlp"):
        SearchSpace.from_yaml(text.replace("block: mlp", "block: basic"))
