"""Resumed trainings end as if nothing had happened, to the last bit, whatever became of files."""

import math
import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import small
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from nas.common.errors import NasWarning
from nas.data import Dataset
from nas.model.architecture import Architecture, Named, Stage
from nas.training import checkpoint
from nas.training.candidate import OPTIMIZERS, Candidate, Training
from nas.training.lightning import StoppedError, Trained, train

PROBES = ("gradient_norm", "branch_response")
SETTINGS: dict[str, Any] = {"epochs": 6, "batch_size": 32, "warmup": 1.5, "gradient_clip": 1.0}
STEPS = 8  # an epoch


def candidate(dataset: Dataset | None = None, **settings: Any) -> Candidate:
    stages = (Stage(depth=1, width=4), Stage(depth=1, width=8, stride=2))
    shape = {"image_shape": (1, 8, 8), "num_classes": 10, "stages": stages}
    architecture: Architecture = small(**shape, stem=Named.of("conv3x3", width=4))
    own = Dataset(
        name="digits", train_size=250, validation_size=40, augment=("crop", "flip", "cutout")
    )
    training = Training(**(SETTINGS | settings))
    return Candidate(architecture=architecture, training=training, dataset=dataset or own)


def run(what: Candidate | None = None, path: Path | None = None, **options: Any) -> Trained:
    options = {"seed": 3, "probes": PROBES} | options
    return train(what or candidate(), data_dir=Path("/nowhere"), checkpoint=path, **options)


def bits(trained: Trained) -> bytes:
    """All that a training gives, but the seconds."""
    result = asdict(replace(trained.result, seconds=0.0))
    weights = {name: value.numpy() for name, value in trained.network.state_dict().items()}
    return pickle.dumps((repr(result), [(name, w.tobytes()) for name, w in weights.items()]))


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save after every epoch; torch on one thread."""
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 0.0)
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def whole() -> bytes:
    return bits(run())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints" / "trial-1"


def stopped_after(batches: int) -> Callable[[], bool]:
    asked: list[int] = []

    def interrupted() -> bool:
        asked.append(1)
        return len(asked) > batches

    return interrupted


def interrupt(what: Candidate | None, path: Path, batches: int) -> None:
    with pytest.raises(StoppedError):
        run(what, path, interrupted=stopped_after(batches))


KILLED = """
import sys
from pathlib import Path
import torch
sys.path.insert(0, sys.argv[1])
from test_training_checkpoint import run, stopped_after
from nas.training import checkpoint

checkpoint.CHECKPOINT_SECONDS = 0.0
torch.set_num_threads(1)
stopped = stopped_after(int(sys.argv[3]))

def interrupted():
    if stopped():
        print("here", flush=True)
        sys.stdin.read()  # until killed
    return False

run(path=Path(sys.argv[2]), interrupted=interrupted)
"""


def kill_after(path: Path, batches: int) -> None:
    """Train in a process of its own that gets SIGKILL before the batch after."""
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(path), str(batches)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        process.kill()
    assert process.returncode == -9


def test_a_killed_process_leaves_what_the_next_one_goes_on_from(path: Path, whole: bytes) -> None:
    kill_after(path, 2 * STEPS + 3)
    seen: list[float] = []
    resumed = run(path=path, on_epoch=lambda record: seen.append(record["epoch"]) or False)
    assert bits(resumed) == whole
    assert seen == [3, 4, 5, 6]


@pytest.mark.parametrize("batches", [1, STEPS, STEPS + 1, 3 * STEPS + 5, 5 * STEPS + 1])
def test_it_does_not_matter_when_it_was_interrupted(path: Path, whole: bytes, batches: int) -> None:
    interrupt(None, path, batches)
    assert path.exists() == (batches >= STEPS)
    assert bits(run(path=path)) == whole


def test_interrupted_in_every_epoch(path: Path, whole: bytes) -> None:
    for _ in range(SETTINGS["epochs"] - 1):
        interrupt(None, path, STEPS + 3)
    resumed = run(path=path, interrupted=stopped_after(STEPS))
    assert bits(resumed) == whole


@pytest.mark.parametrize(
    "settings",
    [
        *({"optimizer": Named.of(name, lr=0.01)} for name in OPTIMIZERS),
        {"optimizer": Named.of("sgd", momentum=0.0)},
        {"schedule": Named("step"), "label_smoothing": 0.1},
        {"schedule": Named("linear"), "warmup": 4.0},
        {"weight_average": 0.9, "mixup": 0.4, "weight_decay_of": "weights"},
        {"precision": "fp16", "gradient_clip": 1.0},
    ],
    ids=str,
)
def test_however_it_is_trained(path: Path, settings: dict[str, Any]) -> None:
    what = candidate(**settings)
    interrupt(what, path, 3 * STEPS + 5)
    assert bits(run(what, path)) == bits(run(what))


def test_seconds_of_both_parts_count(path: Path) -> None:
    interrupt(None, path, 3 * STEPS + 5)
    before = checkpoint.unpacked(path.read_bytes())["state"]["seconds"]
    assert before > 0
    assert run(path=path).result.seconds > before


def ours(warned: pytest.WarningsRecorder) -> list[str]:
    """What we warned of; Lightning has warnings of another kind."""
    return [str(one.message) for one in warned if one.category is NasWarning]


class Noisy:
    """A user's loaders, with an order and noise from torch's generator."""

    def __init__(self, training: bool) -> None:
        generator = torch.Generator().manual_seed(0)
        pictures = torch.randn(40, 1, 8, 8, generator=generator)
        self.loader = DataLoader(
            TensorDataset(pictures, torch.arange(40) % 10),
            batch_size=16,
            shuffle=training,
            collate_fn=self.collate,
        )

    def collate(self, rows: Any) -> tuple[Tensor, Tensor]:
        pictures, labels = (torch.stack(part) for part in zip(*rows, strict=True))
        return pictures + 0.1 * torch.randn_like(pictures), labels


def data_module() -> type:
    from lightning.pytorch import LightningDataModule

    class Data(LightningDataModule):
        def train_dataloader(self) -> Any:
            return Noisy(training=True).loader

        def val_dataloader(self) -> Any:
            return Noisy(training=False).loader

    return Data


Data = data_module()


def test_a_users_own_module_too(path: Path) -> None:
    dataset = Dataset(
        name="module",
        class_path=f"{Data.__module__}.Data",
        image_shape=(1, 8, 8),
        num_classes=10,
    )
    what = candidate(dataset)
    interrupt(what, path, 3 * 3 + 1)
    assert bits(run(what, path)) == bits(run(what))


def flipped(place: float) -> Callable[[bytes], bytes]:
    def flip(data: bytes) -> bytes:
        at = round(place * (len(data) - 1))
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    return flip


DAMAGE = {
    "empty": lambda data: b"",
    "cut in half": lambda data: data[: len(data) // 2],
    "one byte short": lambda data: data[:-1],
    "of another version": lambda data: data.replace(b"checkpoint 1", b"checkpoint 0", 1),
    "what torch saved": lambda data: data[data.index(b"PK") :],
    **{f"a bit at {place}": flipped(place) for place in (0, 0.002, 0.3, 0.6, 0.9, 1)},
}


@pytest.mark.parametrize("damage", list(DAMAGE))
def test_a_damaged_file_is_not_used(path: Path, whole: bytes, damage: str) -> None:
    interrupt(None, path, 3 * STEPS + 5)
    before = path.read_bytes()
    path.write_bytes(DAMAGE[damage](before))
    assert path.read_bytes() != before
    with pytest.warns(NasWarning, match="starts anew: it is damaged") as warned:
        assert bits(run(path=path)) == whole
    assert len(ours(warned)) == 1
    checkpoint.unpacked(path.read_bytes())  # replaced by a good one


def test_a_folder_in_its_place(path: Path, whole: bytes) -> None:
    path.mkdir(parents=True)
    with pytest.warns(NasWarning, match="starts anew: .*Is a directory") as warned:
        assert bits(run(path=path)) == whole
    assert [("cannot be saved" in message) for message in ours(warned)] == [False, True]
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 4},
        {"what": candidate(batch_size=16)},
        {"train_on_validation": True},
        {"probes": (*PROBES, "gradient_ratio")},
    ],
    ids=str,
)
def test_a_file_of_another_training_is_not_used(path: Path, other: dict[str, Any]) -> None:
    interrupt(None, path, 3 * STEPS + 5)
    with pytest.warns(NasWarning, match="belongs to another") as warned:
        anew = run(path=path, **other)
    assert len(ours(warned)) == 1
    assert bits(anew) == bits(run(**other))


def test_what_a_killed_process_had_half_written_goes_away(path: Path, whole: bytes) -> None:
    interrupt(None, path, STEPS + 1)
    for name in ("", ".4711"):  # the former is the name that older versions gave
        path.with_name(f"{path.name}{name}.part").write_bytes(b"half")
    run(path=path, on_epoch=lambda record: True)  # ends before it saves again
    assert os.listdir(path.parent) == [path.name]
    assert bits(run(path=path)) == whole


def test_pruned_and_finished_trainings_save_no_end(path: Path, whole: bytes) -> None:
    assert run(path=path, on_epoch=lambda record: record["epoch"] == 1).result.pruned
    assert not path.exists()
    assert bits(run(path=path)) == whole
    state = checkpoint.unpacked(path.read_bytes())["state"]
    assert len(state["curve"]) == SETTINGS["epochs"] - 1


def test_nothing_is_saved_before_it_is_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "CHECKPOINT_SECONDS", 3600.0)
    run(path=path)
    assert not path.parent.exists()


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte with a few kilobytes left."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no disk can be mounted: {mounted.stderr.strip()}")
    (folder / "filling").write_bytes(bytes(2**20 - 8192))
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_does_not_end_a_training(full: Path, whole: bytes) -> None:
    with pytest.warns(NasWarning, match="No space left") as warned:
        assert bits(run(path=full / "trial-1")) == whole
    assert len(ours(warned)) == 1
    assert os.listdir(full) == ["filling"]


def test_a_disk_that_fills_keeps_the_older_state(full: Path, whole: bytes) -> None:
    filling, path = full / "filling", full / "trial-1"
    content = filling.read_bytes()

    def on_epoch(record: dict[str, float]) -> bool:
        if record["epoch"] == 3:
            with suppress(OSError):
                filling.write_bytes(content)
        return False

    filling.unlink()
    with pytest.warns(NasWarning, match="No space left"), pytest.raises(StoppedError):
        run(path=path, on_epoch=on_epoch, interrupted=stopped_after(4 * STEPS + 1))
    filling.unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error", NasWarning)
        assert bits(run(path=path)) == whole


def test_probes_of_the_end_are_taken_there_and_not_at_a_pause(path: Path, whole: bytes) -> None:
    paused = run(path=path, pause_after=lambda record: record["epoch"] == 1)
    assert paused.paused
    assert "0" in paused.result.probes
    assert "end" not in paused.result.probes
    resumed = run(path=path)
    assert "end" in resumed.result.probes
    assert bits(resumed) == whole


def test_of_a_pruned_training_nothing_is_measured_that_nobody_looks_at() -> None:
    pruned = run(on_epoch=lambda record: record["epoch"] == 1).result
    assert pruned.pruned
    assert "end" not in pruned.probes
    assert math.isnan(pruned.measures["train_error"])
    assert pruned.measures["generalisation_gap"] is None


def test_a_state_with_more_probes_than_are_wanted_is_gone_on_from(path: Path) -> None:
    """As of older versions, which probed every candidate."""
    asked: list[int] = []
    interrupt(None, path, 3 * STEPS + 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error", NasWarning)
        resumed = run(path=path, probes=(), interrupted=lambda: bool(asked.append(1)))
    assert len(asked) == 3 * STEPS
    assert bits(resumed) == bits(run(probes=()))
