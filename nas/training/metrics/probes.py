"""Measures from a few pictures, taken on a copy: the network in training is left as it was.

`probe` is the entrance. The functions under @measure bear the names of their rows in
`nas.training.metrics.MEASURES` and read one Subject, whose passes are made once for all of them.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from statistics import linear_regression, median

import torch
import torch.nn.functional as F
from torch import Tensor

from nas.common.registry import unknown
from nas.model.network import Network
from nas.training.metrics import PROBE_MEASURES
from nas.training.metrics.curvature import extreme_eigenvalue, hessian_product
from nas.training.metrics.subject import Subject, quotient

Value = float | None | list[float | None]

#: points of a segment between two pictures, and the pairs of pictures that share them
POINTS, PAIRS = 64, 4

DEFAULT = tuple(row.name for row in PROBE_MEASURES if row.default)
FUNCTIONS: dict[str, Callable[[Subject], float | list[float]]] = {}


def probe(
    network: Network, batch: Tensor, *, labels: Tensor, seed: int, names: Sequence[str] = DEFAULT
) -> dict[str, Value]:
    """The named measures of a network on a batch; None stands for what is not finite.

    Gradient norms and responses are those of training mode. Jacobian and cosine are taken in
    evaluation mode with the statistics of the batch, as in training mode every picture's output
    depends on the others. Neither the network nor any random state is changed.
    """
    for name in names:
        if name not in FUNCTIONS:
            raise ValueError(unknown("probe", name, list(FUNCTIONS)))
    if len(batch) < 2:
        raise ValueError(f"a probe needs at least 2 pictures, found {len(batch)}.")
    with neutral(network, seed):
        subject = Subject(network, batch, labels, seed)
        return {name: finite(FUNCTIONS[name](subject)) for name in names}


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


def finite(value: float | list[float]) -> Value:
    """The value, with None for what is infinite or not a number."""
    if isinstance(value, list):
        return [x if math.isfinite(x) else None for x in value]
    return value if math.isfinite(value) else None


def measure(function):
    """Enter a measure under its name."""
    FUNCTIONS[function.__name__] = function
    return function


@measure
def gradient_norm(subject: Subject) -> list[float]:
    """norm(dl/dW_k), W_k the convolution weights of the branch of block k, together.

    Compare Glorot and Bengio 2010, section 4. Stem, shortcuts and classifier are left out. The
    scale of the weights is in it: before a batch norm, doubling a weight halves its gradient.
    """
    return subject.readings.gradient


@measure
def relative_gradient_norm(subject: Subject) -> list[float]:
    """norm(dl/dW_k) / norm(W_k): what share of its weights a step of learning rate 1 would move.

    The inverse of the trust ratio of You et al. 2017 (LARS), here by block.
    """
    readings = subject.readings
    return [quotient(*pair) for pair in zip(readings.gradient, readings.weight, strict=True)]


@measure
def gradient_ratio(subject: Subject) -> float:
    """The relative gradient norm of the first block over that of the last.

    Above 1 gradients explode towards the input, as batch norm makes them do in plain networks at
    initialisation (Yang et al. 2019); below 1 they vanish. It turns over within a few steps.
    """
    norms = relative_gradient_norm(subject)
    return quotient(norms[0], norms[-1])


@measure
def gradient_slope(subject: Subject) -> float:
    """Least-squares slope of ln(relative gradient norm) against the block's number.

    By how much it grows from block to block towards the output; negative where gradients explode
    towards the input at a constant rate (Yang et al. 2019). Not a number for a single block.
    """
    norms = relative_gradient_norm(subject)
    if len(norms) < 2 or not all(math.isfinite(norm) and norm > 0 for norm in norms):
        return math.nan
    return linear_regression(range(len(norms)), list(map(math.log, norms))).slope


@measure
def branch_response(subject: Subject) -> list[float]:
    """Var(F(x)) / Var(S(x)) by block, over pictures, channels and places, in training mode.

    F is the branch and S(x) the output of the shortcut, the two that are added (De and Smith 2020,
    section 3; the standard deviations of He et al. 2015, Fig. 7, squared and made relative). How
    far a residual block is from its shortcut; not a number for a block without one.
    """
    return [quotient(*pair) for pair in zip(*subject.readings.added, strict=True)]


@measure
def channel_squared_mean(subject: Subject) -> list[float]:
    """Average channel squared mean by block: the mean of a channel of the block's output over
    pictures and places, squared, averaged over the channels.

    Brock et al. 2021, "Characterizing signal propagation", section 3. Where it grows against
    `channel_variance`, outputs of different pictures become alike.
    """
    return subject.readings.squared_mean


@measure
def channel_variance(subject: Subject) -> list[float]:
    """Average channel variance by block: the variance of a channel of the block's output over
    pictures and places, averaged over the channels (Brock et al. 2021, section 3).

    With batch norm on the branch and identity shortcuts it grows block by block and falls back to
    about 1 where a transition normalises.
    """
    return subject.readings.variance


@measure
def gradient_cosine(subject: Subject) -> float:
    """mean_t cos(G_t, G_t+1) for G_t = df_c/dx at neighbouring points on segments between pictures.

    The autocorrelation of input gradients at lag 1 (Balduzzi et al. 2017): 1 for a linear network,
    0 where gradients are shattered. Of the 64 points of a segment, each of four pairs of pictures
    gives a quarter; c is the class of the first picture. Points without any gradient are left out.
    """
    pictures, drawn = subject.pictures, subject.drawn
    ends = torch.arange(2 * PAIRS, device=drawn.device) % len(drawn)
    first, last = drawn[ends[0::2]], drawn[ends[1::2]]
    weights = torch.linspace(0, 1, POINTS, device=drawn.device).view(PAIRS, -1, 1, 1, 1)
    points = torch.lerp(pictures[first, None], pictures[last, None], weights).flatten(0, 1)
    logits = subject.labels[first].repeat_interleave(POINTS // PAIRS)
    flat = subject.input_gradients(points, logits).cpu().double()
    gradients = flat.view(PAIRS, POINTS // PAIRS, -1)
    norms = gradients.norm(dim=2, keepdim=True)
    units = gradients / norms
    cosines = (units[:, 1:] * units[:, :-1]).sum(2)
    return cosines[(norms[:, 1:] * norms[:, :-1])[:, :, 0] != 0].mean().item()


@measure
def jacobian_norm(subject: Subject) -> float:
    """sigma_max of J = d logits / d picture, the median over eight pictures.

    The gain of the most amplified direction; beyond 1, small changes grow (Pennington et al. 2017).
    """
    return central([values[0] for values in subject.singular_values])


@measure
def jacobian_condition(subject: Subject) -> float:
    """sigma_max / sigma_min of J = d logits / d picture, the median over eight pictures.

    1 under dynamical isometry (Pennington et al. 2017). With more than 100 classes, of 100 logits.
    """
    return central([quotient(values[0], values[-1]) for values in subject.singular_values])


@measure
def hessian_eigenvalue(subject: Subject) -> float:
    """The eigenvalue of largest magnitude, with its sign, of the loss's Hessian in all parameters.

    In training mode, by Lanczos iteration (compare Ghorbani et al. 2019). At initialisation it is
    often negative. Gradient descent is stable below a learning rate of 2 over a positive one.
    """
    network = subject.network.train()
    network.checkpointing = False  # what is computed again cannot be differentiated twice
    loss = F.cross_entropy(network(subject.pictures), subject.labels)
    parameters = list(network.parameters())
    count = sum(parameter.numel() for parameter in parameters)
    start = torch.randn(count, generator=subject.generator(), dtype=torch.float64)
    return extreme_eigenvalue(hessian_product(loss, parameters), start)


def central(values: list[float]) -> float:
    """The median, not a number where one of the values is none."""
    return math.nan if any(map(math.isnan, values)) else median(values)
