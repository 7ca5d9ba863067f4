"""A training step on a device: nothing of it is read back, so nothing waits for the device.

The `meta` device stands for a GPU: its tensors have shapes and no numbers, so whatever reads a
number, or mixes them with tensors that are still in memory, raises.
"""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from nas.data.batches import Batches
from nas.model.architecture import Architecture, Named, Stage
from nas.model.join_layers import RandomStream
from nas.model.network import Network
from nas.training.candidate import Training
from nas.training.classifier_module import ClassifierModule
from nas.training.precision import Precision

META = torch.device("meta")
AUGMENT = ("crop", "flip", "random_resized_crop", "cutout")


def batches(device: torch.device) -> Batches:
    """Twenty pictures in batches of eight, augmented in every way of ours."""
    return Batches(
        torch.zeros(20, 3, 16, 16, dtype=torch.uint8, device=device),
        torch.zeros(20, dtype=torch.int64, device=device),
        torch.arange(20, device=device),
        batch_size=8,
        mean=[0.5] * 3,
        std=[0.25] * 3,
        training=True,
        augment=AUGMENT,
    )


def module(device: torch.device, join: str, **settings: Any) -> ClassifierModule:
    """A network of two blocks as it is trained, without Lightning around it."""
    stage = Stage(width=8, depth=2, shortcut="identity", transition="zero_pad", join=Named(join))
    network = Architecture(
        image_shape=(3, 16, 16),
        num_classes=10,
        stem=Named.of("conv3x3", width=8),
        stages=(stage,),
        activation_order="post_activation",
    )
    training = Training(epochs=1, batch_size=8, optimizer=Named.of("sgd", lr=0.1), **settings)
    made = ClassifierModule(Network(network).to(device), training).train()
    made.precision = Precision("fp32", device.type)
    optimizers = [torch.optim.SGD(made.parameters(), lr=0.1)]  # ours are fused, not on `meta`
    made._trainer: Any = SimpleNamespace(optimizers=optimizers, num_training_batches=3)
    return made


SETTINGS: list[dict[str, Any]] = [
    {"gradient_clip": 1.0},
    {"mixup": 0.2, "label_smoothing": 0.1},
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("join", ["add", "drop_path", "shortcut_gate"])
def test_no_step_reads_from_the_device(join: str, settings: dict[str, Any]) -> None:
    trained = module(META, join, **settings)
    for index, batch in enumerate(batches(META)):
        assert {tensor.device for tensor in batch} == {META}
        trained.training_step(batch, index)
        trained.validation_step(batch, index)
    assert {loss.device for loss in trained.losses} == {META}
    with pytest.raises(RuntimeError):
        trained.record(1)  # the end of an epoch is where numbers are read


def test_the_device_would_tell_of_a_look_at_a_number() -> None:
    """The test above can fail: this is what it looks for."""
    trained = module(META, "add", **SETTINGS[0])
    trained.update_metrics = lambda split, loss, hits, count: loss.item()  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        trained.training_step(next(iter(batches(META))), 0)


def test_random_numbers_are_sent_through_pinned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def rand(size: Any, *, generator: Any, pin_memory: bool) -> Any:
        asked.append(pin_memory)
        return SimpleNamespace(to=lambda device, non_blocking: asked.append(non_blocking))

    monkeypatch.setattr(torch, "rand", rand)
    RandomStream().uniform(3, device=torch.device("cuda"))
    RandomStream().uniform(3, device=torch.device("cpu"))
    assert asked == [True, True, False, False]
