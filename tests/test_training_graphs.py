"""Steps of a training by a recording of one, against the same steps without it.

No GPU is there, so operations are recorded on the processor: like a CUDA graph, `Tape` knows
tensors by where they lie and numbers of Python as they were, and fills the tensors that it made.
"""

import copy
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nas.common.errors import NasWarning
from nas.data.batches import Batches
from nas.data.catalog import Dataset
from nas.model.architecture import Architecture, Named, Stage
from nas.model.network import Network
from nas.training import classifier_module, graphs
from nas.training.candidate import Candidate, Training
from nas.training.classifier_module import ClassifierModule
from nas.training.graphs import Outputs, StepGraph, step_graph
from nas.training.lightning import train
from nas.training.precision import Precision


class Tape(TorchDispatchMode):
    """The operations of a function, to be done again on the same tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        self.done.append((func, args, kwargs or {}, made))
        return made

    @torch.no_grad()
    def replay(self) -> None:
        for func, args, kwargs, made in self.done:
            again = func(*args, **kwargs)
            for kept, new in zip(tree_leaves(made), tree_leaves(again), strict=True):
                if isinstance(kept, Tensor) and kept.data_ptr() != new.data_ptr():
                    kept.copy_(new)


class Recording:
    """Records as a GPU does, which computes nothing meanwhile."""

    def __init__(self, network: nn.Module) -> None:
        self.network, self.replays = network, 0

    def __call__(self, passes: Callable[[], Outputs]) -> tuple[Outputs, Callable[[], None]]:
        before, tape = copy.deepcopy(self.network.state_dict()), Tape()
        with tape:
            outputs = passes()
        self.network.load_state_dict(before)

        def replay() -> None:
            self.replays += 1
            tape.replay()

        return outputs, replay


def network(join: str = "add", **options: Any) -> Network:
    stage = Stage(width=8, depth=2, shortcut="identity", transition="zero_pad", join=Named(join))
    return Network(
        Architecture(
            image_shape=(3, 16, 16),
            num_classes=10,
            stem=Named.of("conv3x3", width=8),
            stages=(stage,),
            activation_order="post_activation",
            **options,
        ),
        seed=0,
    )


def trained(
    recorder: Callable[[nn.Module], graphs.Recorder] | None = None, **settings: Any
) -> ClassifierModule:
    """A module after four epochs of batches of eight, eight and four pictures."""
    training = Training(
        epochs=4, batch_size=8, optimizer=Named.of("sgd", lr=0.1, momentum=0.9), **settings
    )
    module = ClassifierModule(network(), training).train()
    module.precision = Precision(training.precision, "cpu")
    trainer: Any = type("T", (), {})()
    trainer.optimizers, trainer.num_training_batches = [module.configure_optimizers()], 3
    module._trainer = trainer
    if recorder:
        module.graph = StepGraph(
            module.network,
            module.passes,
            record=recorder(module.network),
            warm_up=lambda passes: passes(),
        )
    generator = torch.Generator().manual_seed(0)
    batches = Batches(
        torch.randint(256, (20, 3, 16, 16), dtype=torch.uint8, generator=generator),
        torch.randint(10, (20,), generator=generator),
        torch.arange(20),
        batch_size=8,
        mean=[0.5] * 3,
        std=[0.25] * 3,
        training=True,
        augment=("crop", "flip"),
    )
    torch.manual_seed(0)
    for _ in range(4):
        for index, batch in enumerate(batches):
            module.training_step(batch, index)
    return module


def same(one: ClassifierModule, other: ClassifierModule) -> bool:
    """Whether weights, running averages and all that was recorded are equal to the last bit."""
    states = (one.network.state_dict(), other.network.state_dict())
    kept = [
        [*module.losses, *(x for a, b, _ in module.batch_metrics["train"] for x in (a, b))]
        for module in (one, other)
    ]
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0]) and all(
        torch.equal(a, b) for a, b in zip(*kept, strict=True)
    )


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Averages of norms are steady from the second step on."""
    monkeypatch.setattr(classifier_module, "MOMENTUM_WARMUP_STEPS", 1)


SETTINGS: list[dict[str, Any]] = [
    {},
    {"gradient_clip": 0.5, "label_smoothing": 0.1},
    {"weight_average": 0.9, "precision": "bf16"},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_replayed_steps_are_the_steps_to_the_last_bit(settings: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        replayed = trained(Recording, **settings)
    # of 12 steps the first, the small one of each epoch, and those that warm up are not replayed
    assert replayed.graph is not None
    assert replayed.graph.record.replays == 12 - 1 - 4 - graphs.WARM_UP  # type: ignore[attr-defined]
    assert same(replayed, trained(**settings))


def test_a_whole_training_gives_the_same_result(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    training = Training(epochs=2, batch_size=64, optimizer=Named.of("sgd", lr=0.03, momentum=0.9))
    architecture = replace(network().architecture, image_shape=(1, 8, 8))
    ours = Candidate(architecture=architecture, training=training, dataset=Dataset(name="digits"))
    plain = train(ours, seed=0, data_dir=tmp_path, probes=("gradient_norm",)).result

    def start(module: ClassifierModule) -> None:
        usual(module)
        recordings.append(Recording(module.network))
        module.graph = StepGraph(
            module.network, module.passes, record=recordings[0], warm_up=lambda passes: passes()
        )

    usual, recordings = ClassifierModule.on_fit_start, list[Recording]()
    monkeypatch.setattr(ClassifierModule, "on_fit_start", start)
    replayed = train(ours, seed=0, data_dir=tmp_path, probes=("gradient_norm",)).result
    assert recordings[0].replays > 20
    assert replace(replayed, seconds=0.0) == replace(plain, seconds=0.0)


def test_a_tape_keeps_the_numbers_of_python() -> None:
    """What the tests here look for can be found: a number that changes is not replayed."""
    rate, x = 1.0, torch.ones(3)
    with Tape() as tape:
        y = x * rate
    rate = 2.0
    x.fill_(5.0)
    tape.replay()
    assert y.tolist() == [5.0] * 3


def test_steps_that_cannot_be_recorded_are_computed_as_they_are() -> None:
    def record(passes: Any) -> Any:
        raise RuntimeError("operation not permitted when stream is capturing\nmore of it")

    with pytest.warns(NasWarning, match=r"without a CUDA graph: operation not .* capturing\."):
        refused = trained(lambda network: record)
    assert same(refused, trained())


class Wrong(Recording):
    """A recording that gives other numbers than the step."""

    def __init__(self, network: nn.Module, which: str) -> None:
        super().__init__(network)
        self.which = which

    def __call__(self, passes: Callable[[], Outputs]) -> tuple[Outputs, Callable[[], None]]:
        outputs, replay = super().__call__(passes)
        changed = {
            "gradients": [one.grad for one in self.network.parameters() if one.grad is not None],
            "loss": [outputs[0]],
            "statistics": [one for one in self.network.buffers() if one.is_floating_point()],
        }

        def other() -> None:
            replay()
            with torch.no_grad():
                for one in changed[self.which]:
                    one.mul_(1.1)

        return outputs, other


@pytest.mark.parametrize("which", ["gradients", "loss", "statistics"])
def test_a_replay_that_gives_other_numbers_is_not_used(which: str) -> None:
    with pytest.warns(NasWarning, match="its replay gives other numbers"):
        refused = trained(lambda network: Wrong(network, which))
    assert same(refused, trained())


class Own(nn.ReLU):
    """A part that is not ours: whatever Python does in it would be done once."""


def test_only_steps_that_are_always_the_same_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_recorded(built: Network | None = None, **settings: Any) -> bool:
        training = Training(epochs=1, batch_size=settings.pop("batch_size", 8), **settings)
        return step_graph(built or network(), training, lambda x, y: ()) is not None

    assert is_recorded()
    assert is_recorded(precision="bf16")
    assert not is_recorded(mixup=0.2)
    assert not is_recorded(precision="fp16")
    assert not is_recorded(fade_shortcuts=0.5)
    assert not is_recorded(network("drop_path"))
    assert not is_recorded(batch_size=100_000), "the GPU has more to do than Python"
    built = network()
    built.checkpointing = True
    assert not is_recorded(built)
    built = network()
    built.stem.append(Own())
    assert not is_recorded(built)
    monkeypatch.setenv(graphs.VARIABLE, "0")
    assert not is_recorded()
