"""Loggers and callbacks of Lightning that a space names: what they are told, and change."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping

from nas.common.errors import UserError
from nas.model.architecture import Architecture, Named, Stage
from nas.search.run import search
from nas.space.space import SearchSpace
from nas.training.candidate import Candidate, Dataset, Training
from nas.training.lightning import Trained, train
from nas.training.watchers import Watchers
from nas.training.watching import WatchedRun

LOGGERS = "lightning.pytorch.loggers"
TENSORBOARD = (f"{LOGGERS}.TensorBoardLogger", "{}")
NUMBERS = ["train_loss", "val_loss", "train_accuracy", "val_accuracy", "val_balanced_accuracy"]
HOOKS = {
    *("on_fit_start", "on_train_start", "on_train_epoch_start", "on_train_batch_start"),
    *("on_before_backward", "on_after_backward", "on_before_optimizer_step"),
    *("on_train_batch_end", "on_validation_start", "on_validation_epoch_end"),
    *("on_validation_end", "on_train_epoch_end", "on_train_end", "on_fit_end"),
}


class Heard(Callback):
    """Writes down its hooks, and what it is shown at the end of an epoch."""

    calls: list[str] = []
    epochs: list[dict[str, float]] = []

    def __getattribute__(self, name: str) -> Any:
        if name in HOOKS:
            Heard.calls.append(name)
        return super().__getattribute__(name)

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
        shown = {key: float(value) for key, value in trainer.callback_metrics.items()}
        Heard.epochs.append(shown | {"global_step": trainer.global_step})


class Stop(EarlyStopping):
    """Ends the training after its second epoch."""

    def __init__(self) -> None:
        super().__init__("val_loss", patience=1, min_delta=1e9)


def candidate(**settings: Any) -> Candidate:
    values = {"epochs": 3, "batch_size": 32, "optimizer": Named.of("sgd", lr=0.1)} | settings
    stages = (Stage(depth=1, width=4), Stage(depth=1, width=8, stride=2))
    return Candidate(
        architecture=Architecture(
            image_shape=(1, 8, 8), num_classes=10, stem=Named.of("conv3x3", width=4), stages=stages
        ),
        training=Training(**values),
        dataset=Dataset(name="digits", train_size=96, validation_size=40),
    )


def run(ours: Candidate, folder: Path, watchers: Watchers | None, **options: Any) -> Trained:
    watched_as = watchers and WatchedRun(watchers, folder, "digits", "trial_3")
    return train(ours, seed=1, data_dir=Path("/nowhere"), watched_as=watched_as, **options)


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Tag -> steps and values of a folder of TensorBoard's."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = reader.EventAccumulator(str(folder)).Reload()
    return {
        tag: [(one.step, one.value) for one in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_what_watches_changes_no_bit(tmp_path: Path, precision: str) -> None:
    pytest.importorskip("tensorboard")
    ours = candidate(gradient_clip=0.5, mixup=0.2, weight_average=0.9, precision=precision)
    plain = run(ours, tmp_path, None)
    watchers = Watchers((TENSORBOARD,), ((f"{__name__}.Heard", "{}"),))
    watched = run(ours, tmp_path, watchers)
    one, other = plain.network.state_dict(), watched.network.state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert plain.result.curve == watched.result.curve
    assert plain.result.losses == watched.result.losses


def test_tensorboard_has_the_numbers_of_each_epoch(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    trained = run(candidate(), tmp_path, Watchers((TENSORBOARD,)))
    folder = tmp_path / "logs" / "digits" / "trial_3"
    found = curves(folder)
    for key in NUMBERS:
        expected = [(3 * n, record[key]) for n, record in enumerate(trained.result.curve, start=1)]
        assert [step for step, _ in found[key]] == [step for step, _ in expected]
        assert [value for _, value in found[key]] == pytest.approx([v for _, v in expected])
    rates = [value for _, value in found["lr"]]
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < rates[0] < 0.1
    assert "seed: 1" in (folder / "hparams.yaml").read_text()


def test_mlflow_has_them_in_a_file_store(tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    trained = run(candidate(), tmp_path, Watchers(((f"{LOGGERS}.MLFlowLogger", "{}"),)))
    client = mlflow.MlflowClient(f"file:{tmp_path / 'mlruns'}")
    experiment = client.get_experiment_by_name("digits")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.run_name == "trial_3"
    assert found.info.status == "FINISHED"
    assert found.data.params["training/epochs"] == "3"
    told = [one.value for one in client.get_metric_history(found.info.run_id, "val_loss")]
    assert told == pytest.approx([record["val_loss"] for record in trained.result.curve])


def test_callbacks_hear_of_all_that_happens(tmp_path: Path) -> None:
    Heard.calls.clear()
    Heard.epochs.clear()
    trained = run(candidate(), tmp_path, Watchers((), ((f"{__name__}.Heard", "{}"),)))
    assert set(Heard.calls) == HOOKS
    assert Heard.calls.count("on_before_optimizer_step") == trained.result.steps == 9
    assert [one["global_step"] for one in Heard.epochs] == [3, 6, 9]
    for shown, record in zip(Heard.epochs, trained.result.curve, strict=True):
        assert shown["val_accuracy"] == pytest.approx(record["val_accuracy"])


def test_callbacks_of_lightning_stop_and_save(tmp_path: Path) -> None:
    save = ("lightning.pytorch.callbacks.ModelCheckpoint", '{"monitor": "val_loss"}')
    trained = run(candidate(), tmp_path, Watchers((), ((f"{__name__}.Stop", "{}"), save)))
    assert len(trained.result.curve) == 2
    assert not trained.result.pruned
    assert list((tmp_path / "logs" / "digits" / "trial_3").rglob("*.ckpt"))


def test_a_training_that_is_taken_up_again_is_a_run_of_its_own(tmp_path: Path) -> None:
    """Nothing of the first is written over, and callbacks know where they stood."""
    pytest.importorskip("tensorboard")
    watchers = Watchers((TENSORBOARD,), ((f"{__name__}.Stop", "{}"),))
    file = tmp_path / "checkpoint.pt"
    first = run(candidate(), tmp_path, watchers, checkpoint=file, pause_after=lambda _: True)
    assert first.paused
    second = run(candidate(), tmp_path, watchers, checkpoint=file)
    assert len(second.result.curve) == 2, "the first epoch was the better one"
    logs = tmp_path / "logs" / "digits"
    assert [step for step, _ in curves(logs / "trial_3")["val_loss"]] == [3]
    assert [step for step, _ in curves(logs / "trial_3_after_1")["val_loss"]] == [6]


@pytest.mark.parametrize(
    ("key", "code", "told"),
    [
        ("logger", ("lightning.pytorch.loggers.Nothing", "{}"), "cannot be imported"),
        ("logger", ("lightning.pytorch.Trainer", "{}"), "is not a Logger of lightning.pytorch"),
        ("callbacks", ("json.JSONDecoder", "{}"), "is not a Callback of lightning.pytorch"),
        ("logger", (f"{LOGGERS}.CSVLogger", '{"folder": 1}'), "does not take init_args .*folder"),
        ("logger", (f"{LOGGERS}.CometLogger", "{}"), "needs a package that is not installed"),
    ],
)
def test_what_cannot_watch_is_told(
    tmp_path: Path, key: str, code: tuple[str, str], told: str
) -> None:
    watchers = Watchers((code,)) if key == "logger" else Watchers((), (code,))
    with pytest.raises(UserError, match=f"training.{key}: '?{code[0]}'? {told}"):
        run(candidate(), tmp_path, watchers)


def test_no_study_is_left_where_a_class_is_not_there(
    space: Callable[..., SearchSpace], tmp_path: Path
) -> None:
    file = tmp_path / "nas.db"
    wrong = space("training.logger=lightning.pytorch.loggers.Nothing")
    with pytest.raises(UserError, match=r"training\.logger: .* cannot be imported"):
        search(wrong, storage=f"sqlite:///{file}", out=str(tmp_path), workers=0)
    assert not file.exists()


def test_a_missing_package_is_named_with_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightning.pytorch.loggers import mlflow

    monkeypatch.setattr(mlflow, "_MLFLOW_AVAILABLE", False)
    with pytest.raises(UserError, match=r"MLFlowLogger needs .*: pip install 'nas\[mlflow\]'"):
        run(candidate(), tmp_path, Watchers(((f"{LOGGERS}.MLFlowLogger", "{}"),)))


def test_in_a_space(space: Callable[..., SearchSpace]) -> None:
    """One way of writing and the other; the hash is what decides the results."""
    plain = space()
    assert not plain.watchers
    long = json.dumps([{"class_path": TENSORBOARD[0]}])
    for written in (TENSORBOARD[0], f"[{TENSORBOARD[0]}]", long):
        logged = space(f"training.logger={written}")
        assert logged.watchers == Watchers((TENSORBOARD,))
        assert logged.code == {TENSORBOARD}
        assert logged.hash == plain.hash
    stop = "{class_path: mine.Stop, init_args: {patience: 3}}"
    stopped = space(f"training.callbacks={stop}")
    assert stopped.watchers == Watchers((), (("mine.Stop", '{"patience": 3}'),))
    assert stopped.hash != plain.hash
    with pytest.raises(UserError, match=r"training.logger=.*write it as package.module.Class"):
        space("training.logger=TensorBoardLogger")
