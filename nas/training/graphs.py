"""Training steps on a GPU recorded as a CUDA graph and replayed: Python then asks for one operation
a step, where it asks for hundreds that a small network's GPU waits for."""

import os
import warnings
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from nas.common.devices import SMALL_STEP
from nas.common.errors import NasWarning
from nas.model.cost import cost
from nas.model.network import Network, random_streams
from nas.training.candidate import Training

#: what the passes of a batch give; gradients stay in the weights
Outputs = tuple[Tensor, ...]
Passes = Callable[[Tensor, Tensor], Outputs]
Recorder = Callable[[Callable[[], Outputs]], tuple[Outputs, Callable[[], None]]]

#: steps on a stream of their own before one is recorded, as PyTorch's notes on CUDA graphs ask for
WARM_UP = 3
#: how far gradients and statistics of the first replay may lie from those of the step itself, as a
#: share of their length: a GPU may add in another order
NEAR = 0.01
#: set to 0 it leaves all steps to Python
VARIABLE = "NAS_CUDA_GRAPHS"


class StepGraph:
    """Forward and backward pass of batches of one size, by a recording of them.

    The first steps are computed as they are; then one is recorded, and replayed beside the step
    itself. If they differ, or it cannot be recorded, all further steps are computed as they are,
    and the user is told. So are batches of another size, as the last one of an epoch may be.
    """

    def __init__(
        self,
        network: nn.Module,
        passes: Passes,
        *,
        record: Recorder | None = None,
        warm_up: Callable[[Callable[[], Outputs]], Outputs] | None = None,
    ) -> None:
        self.network, self.passes = network, passes
        self.record, self.warm_up = record or recorded, warm_up or beside
        self.weights = [one for one in network.parameters() if one.requires_grad]
        self.steps = 0
        self.inputs: tuple[Tensor, Tensor] | None = None
        self.replay: Callable[[], None] | None = None
        self.refused = False

    def __call__(self, pictures: Tensor, labels: Tensor) -> Outputs:
        """What the passes give for a batch, not to be overwritten by later ones."""
        if self.inputs is None:
            self.inputs = pictures.clone(), labels.clone()
        if self.refused or pictures.shape != self.inputs[0].shape:
            return self.passes(pictures, labels)
        self.steps += 1
        if self.steps <= WARM_UP:
            return self.warm_up(lambda: self.passes(pictures, labels))
        return (self.replayed if self.replay else self.first)(pictures, labels)

    def first(self, pictures: Tensor, labels: Tensor) -> Outputs:
        """A step as it is, and beside it the recording that later ones are replayed from."""
        before = self.statistics()
        outputs = self.passes(pictures, labels)
        gradients, after = self.gradients(), self.statistics()
        self.restore(before, [None] * len(self.weights))
        why = self.why_not_recorded()
        if not why:
            again = self.replayed(pictures, labels)
            found = (outputs, filled(gradients), averages(after))
            here = (again, filled(self.gradients()), averages(self.statistics()))
            if all(near(one, other) for one, other in zip(here, found, strict=True)):
                return again
            why = "its replay gives other numbers"
        text = f"steps are computed without a CUDA graph: {why}."
        warnings.warn(text, NasWarning, stacklevel=2)
        self.refused, self.replay = True, None
        self.restore(after, gradients)
        return outputs

    def why_not_recorded(self) -> str:
        """Record the passes; why that did not go, if so."""
        assert self.inputs is not None
        pictures, labels = self.inputs
        try:
            self.outputs, self.replay = self.record(lambda: self.passes(pictures, labels))
        except RuntimeError as error:
            return str(error).partition("\n")[0].rstrip(".")
        self.recorded_gradients = self.gradients()
        return ""

    def replayed(self, pictures: Tensor, labels: Tensor) -> Outputs:
        """The recorded passes with the pictures of this batch and the weights of now."""
        assert self.inputs is not None
        assert self.replay is not None
        for kept, new in zip(self.inputs, (pictures, labels), strict=True):
            kept.copy_(new)
        self.replay()
        for weight, gradient in zip(self.weights, self.recorded_gradients, strict=True):
            weight.grad = gradient
        return tuple(one.clone() for one in self.outputs)

    def gradients(self) -> list[Tensor | None]:
        """Of all weights; None where the loss does not depend on one."""
        return [weight.grad for weight in self.weights]

    def statistics(self) -> list[Tensor]:
        """Copies of what else a pass changes: the running averages of norms."""
        return [one.clone() for one in self.network.buffers()]

    @torch.no_grad()
    def restore(self, statistics: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
        """Put back what a pass changed."""
        for buffer, kept in zip(self.network.buffers(), statistics, strict=True):
            buffer.copy_(kept)
        for weight, gradient in zip(self.weights, gradients, strict=True):
            weight.grad = gradient


def step_graph(network: nn.Module, settings: Training, passes: Passes) -> StepGraph | None:
    """The graph of a training on a GPU. None where a step is not the same operations every time, or
    may not be: by mixup, random joins, shortcuts that fade, a scaled loss, blocks that are computed
    again, or parts that are not ours. None too where the GPU has more to do than Python to ask for,
    as a graph keeps the memory of a step."""
    if not isinstance(network, Network) or os.environ.get(VARIABLE) == "0":
        return None
    is_small = settings.batch_size * cost(network.architecture).multiply_adds <= SMALL_STEP
    varies = settings.mixup or settings.fade_shortcuts or settings.precision == "fp16"
    parts = [*network.modules()]
    ours = all(type(part).__module__.startswith(("nas.model.", "torch.nn.")) for part in parts)
    if varies or not (ours and is_small) or network.checkpointing or random_streams(network):
        return None
    return StepGraph(network, passes)


def recorded(passes: Callable[[], Outputs]) -> tuple[Outputs, Callable[[], None]]:
    """The passes as a CUDA graph: tensors that a replay fills, and the replay."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = passes()
    return outputs, graph.replay


def beside(passes: Callable[[], Outputs]) -> Outputs:
    """The passes on a stream of their own, for which the others wait and which waits for them."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        outputs = passes()
    torch.cuda.current_stream().wait_stream(stream)
    return outputs


def filled(gradients: Sequence[Tensor | None]) -> list[Tensor]:
    """The gradients that there are."""
    return [one for one in gradients if one is not None]


def averages(statistics: Sequence[Tensor]) -> list[Tensor]:
    """The running averages among them, without the counts of steps."""
    return [one for one in statistics if one.is_floating_point()]


def near(ones: Sequence[Tensor], others: Sequence[Tensor]) -> bool:
    """Whether two lists of numbers are one, as far as a GPU repeats them, by their length together;
    nothing differs from nothing, nor what is no number from what is none."""
    if len(ones) != len(others):
        return False
    apart = length(a - b for a, b in zip(map(finite, ones), map(finite, others), strict=True))
    return bool(apart <= NEAR * length(map(finite, others)))


def finite(numbers: Tensor) -> Tensor:
    """Numbers that can be subtracted."""
    return torch.nan_to_num(numbers.detach().double())


def length(vectors: Iterable[Tensor]) -> Tensor:
    """The length of vectors, one behind the other."""
    return torch.stack([torch.zeros(()), *(one.norm().cpu() for one in vectors)]).norm()
