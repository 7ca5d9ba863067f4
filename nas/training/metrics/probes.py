"""Measures from a few pictures, taken on a copy: the network in training is left as it was.

The measures read one Subject, whose passes are made once for all of them.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor

from nas.common.registry import unknown
from nas.model.network import Network
from nas.training.metrics import default_probes, probe_measures
from nas.training.metrics.subject import Subject

Value = float | None | list[float | None]


def probe(
    network: Network,
    batch: Tensor,
    *,
    labels: Tensor,
    seed: int,
    names: Sequence[str] | None = None,
) -> dict[str, Value]:
    """The named measures of a network on a batch, the default ones where no names are given; None
    stands for what is not finite.

    Gradient norms and responses are those of training mode. Jacobian and cosine are taken in
    evaluation mode with the statistics of the batch, as in training mode every picture's output
    depends on the others. Neither the network nor any random state is changed.
    """
    known = probe_measures()
    names = default_probes() if names is None else names
    for name in names:
        if name not in known:
            raise ValueError(unknown("probe", name, list(known)))
    if len(batch) < 2:
        raise ValueError(f"a probe needs at least 2 pictures, found {len(batch)}.")
    with neutral(network, seed):
        subject = Subject(network, batch, labels, seed)
        return {name: without_infinity(known[name](subject)) for name in names}


@contextmanager
def neutral(network: Network, seed: int) -> Iterator[None]:
    """Gradients on, mixed precision off, random numbers from the seed; afterwards all as before."""
    device = next(network.parameters()).device
    cuda = [device] if device.type == "cuda" else []
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(torch.autocast(device.type, enabled=False))
        stack.enter_context(torch.random.fork_rng(devices=cuda))
        torch.default_generator.manual_seed(seed)
        if cuda:
            torch.cuda.manual_seed(seed)
        yield


def without_infinity(value: float | list[float]) -> Value:
    """The value, with None for what is infinite or not a number."""
    if isinstance(value, list):
        return [x if math.isfinite(x) else None for x in value]
    return value if math.isfinite(value) else None
