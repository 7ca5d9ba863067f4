"""The measures. torch is loaded when one is taken that needs it, as reports read their labels."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import linear_regression, median
from typing import TYPE_CHECKING

from nas.training.metrics import MEASURES, Run, run
from nas.training.metrics import after_training as after_training  # registers its own

if TYPE_CHECKING:
    from nas.training.metrics.subject import Subject

#: points of a segment between two pictures, and the pairs of pictures that share them
POINTS, PAIRS = 64, 4


# Of a run


@MEASURES.register(
    "loss_area",
    label="mean training loss over all steps",
    source="run",
    unit="nats",
    format=".3f",
    direction="minimize",
)
def loss_area(one: Run) -> float | None:
    """Area under the training-loss curve, as its mean (Ru et al. 2021)."""
    return run.loss_area(one.losses, one.num_classes, num_steps=one.num_steps)


def steps_to(share: float) -> Callable[[Run], int | None]:
    """A measure of when the loss is under a share of that of guessing."""

    def steps(one: Run) -> int | None:
        """The steps made when the mean loss of the last ten was first under a share of ln(classes);
        none where it never was."""
        return run.steps_to_threshold(one.losses, share * math.log(one.num_classes))

    return steps


for _name, _share in run.THRESHOLDS.items():
    MEASURES.register(
        _name,
        label=f"steps made to a training loss of {_share:g} ln(classes)",
        source="run",
        unit="steps",
        format="d",
        direction="minimize",
    )(steps_to(_share))


@MEASURES.register(
    "started", label="training started", source="run", format="", direction="maximize"
)
def started(one: Run) -> bool:
    """Whether a moving average of the loss was ever under 0.95 ln(classes)."""
    return run.started(one.losses, one.num_classes)


@MEASURES.register(
    "diverged", label="training diverged", source="run", format="", direction="minimize"
)
def diverged(one: Run) -> bool:
    """Whether a loss was not finite, or the run started and ended at ln(classes) or above."""
    return run.diverged(one.losses, one.num_classes)


@MEASURES.register(
    "generalisation_gap",
    label="validation error less training error",
    source="run",
    unit="share",
    format=".1%",
)
def generalisation_gap(one: Run) -> float | None:
    """Validation error less training error, both in evaluation mode."""
    return run.generalisation_gap(one.train_error, one.val_error)


# Of a few pictures


@MEASURES.register("gradient_norm", label="gradient norm", source="probe", by_block=True)
def gradient_norm(subject: Subject) -> list[float]:
    """norm(dl/dW_k), W_k the convolution weights of the branch of block k, together.

    Compare Glorot and Bengio 2010, section 4. Stem, shortcuts and classifier are left out. The
    scale of the weights is in it: before a batch norm, doubling a weight halves its gradient.
    """
    return subject.readings.gradient


@MEASURES.register(
    "relative_gradient_norm", label="gradient norm over weight norm", source="probe", by_block=True
)
def relative_gradient_norm(subject: Subject) -> list[float]:
    """norm(dl/dW_k) / norm(W_k): what share of its weights a step of learning rate 1 would move.

    The inverse of the trust ratio of You et al. 2017 (LARS), here by block.
    """
    readings = subject.readings
    return [quotient(*pair) for pair in zip(readings.gradient, readings.weight, strict=True)]


@MEASURES.register(
    "gradient_ratio", label="relative gradient norm, first over last block", source="probe"
)
def gradient_ratio(subject: Subject) -> float:
    """The relative gradient norm of the first block over that of the last.

    Above 1 gradients explode towards the input, as batch norm makes them do in plain networks at
    initialisation (Yang et al. 2019); below 1 they vanish. It turns over within a few steps.
    """
    norms = relative_gradient_norm(subject)
    return quotient(norms[0], norms[-1])


@MEASURES.register(
    "gradient_slope",
    label="slope of ln(relative gradient norm) towards the output",
    source="probe",
    unit="1/block",
)
def gradient_slope(subject: Subject) -> float:
    """Least-squares slope of ln(relative gradient norm) against the block's number.

    By how much it grows from block to block towards the output; negative where gradients explode
    towards the input at a constant rate (Yang et al. 2019). Not a number for a single block.
    """
    norms = relative_gradient_norm(subject)
    if len(norms) < 2 or not all(math.isfinite(norm) and norm > 0 for norm in norms):
        return math.nan
    return linear_regression(range(len(norms)), list(map(math.log, norms))).slope


@MEASURES.register(
    "branch_response",
    label="variance of the branch over that of the shortcut's output",
    source="probe",
    by_block=True,
)
def branch_response(subject: Subject) -> list[float]:
    """Var(F(x)) / Var(S(x)) by block, over pictures, channels and places, in training mode.

    F is the branch and S(x) the output of the shortcut, the two that are added (De and Smith 2020,
    section 3; the standard deviations of He et al. 2015, Fig. 7, squared and made relative). How
    far a residual block is from its shortcut; not a number for a block without one.
    """
    return [quotient(*pair) for pair in zip(*subject.readings.added, strict=True)]


@MEASURES.register(
    "channel_squared_mean",
    label="average channel squared mean of the block's output",
    source="probe",
    by_block=True,
)
def channel_squared_mean(subject: Subject) -> list[float]:
    """Average channel squared mean by block: the mean of a channel of the block's output over
    pictures and places, squared, averaged over the channels.

    Brock et al. 2021, "Characterizing signal propagation", section 3. Where it grows against
    `channel_variance`, outputs of different pictures become alike.
    """
    return subject.readings.squared_mean


@MEASURES.register(
    "channel_variance",
    label="average channel variance of the block's output",
    source="probe",
    by_block=True,
)
def channel_variance(subject: Subject) -> list[float]:
    """Average channel variance by block: the variance of a channel of the block's output over
    pictures and places, averaged over the channels (Brock et al. 2021, section 3).

    With batch norm on the branch and identity shortcuts it grows block by block and falls back to
    about 1 where a transition normalises.
    """
    return subject.readings.variance


@MEASURES.register(
    "gradient_cosine",
    label="cosine of input gradients between neighbouring points",
    source="probe",
    format=".2f",
    direction="maximize",
)
def gradient_cosine(subject: Subject) -> float:
    """mean_t cos(G_t, G_t+1) for G_t = df_c/dx at neighbouring points on segments between pictures.

    The autocorrelation of input gradients at lag 1 (Balduzzi et al. 2017): 1 for a linear network,
    0 where gradients are shattered. Of the 64 points of a segment, each of four pairs of pictures
    gives a quarter; c is the class of the first picture, or the only output where a number is
    predicted. Points without any gradient are left out.
    """
    import torch

    pictures, drawn = subject.pictures, subject.drawn
    ends = torch.arange(2 * PAIRS, device=drawn.device) % len(drawn)
    first, last = drawn[ends[0::2]], drawn[ends[1::2]]
    weights = torch.linspace(0, 1, POINTS, device=drawn.device).view(PAIRS, -1, 1, 1, 1)
    points = torch.lerp(pictures[first, None], pictures[last, None], weights).flatten(0, 1)
    logits = subject.classes[first].repeat_interleave(POINTS // PAIRS)
    flat = subject.input_gradients(points, logits).cpu().double()
    gradients = flat.view(PAIRS, POINTS // PAIRS, -1)
    norms = gradients.norm(dim=2, keepdim=True)
    units = gradients / norms
    cosines = (units[:, 1:] * units[:, :-1]).sum(2)
    return cosines[(norms[:, 1:] * norms[:, :-1])[:, :, 0] != 0].mean().item()


@MEASURES.register(
    "jacobian_norm", label="largest singular value of the output Jacobian", source="probe"
)
def jacobian_norm(subject: Subject) -> float:
    """sigma_max of J = d logits / d picture, the median over eight pictures.

    The gain of the most amplified direction; beyond 1, small changes grow (Pennington et al. 2017).
    """
    return central([values[0] for values in subject.singular_values])


@MEASURES.register(
    "jacobian_condition",
    label="condition number of the output Jacobian",
    source="probe",
    direction="minimize",
)
def jacobian_condition(subject: Subject) -> float:
    """sigma_max / sigma_min of J = d logits / d picture, the median over eight pictures.

    1 under dynamical isometry (Pennington et al. 2017). With more than 100 classes, of 100 logits.
    """
    return central([quotient(values[0], values[-1]) for values in subject.singular_values])


@MEASURES.register(
    "hessian_eigenvalue",
    label="Hessian eigenvalue of largest magnitude",
    source="probe",
    default=False,
)
def hessian_eigenvalue(subject: Subject) -> float:
    """The eigenvalue of largest magnitude, with its sign, of the loss's Hessian in all parameters.

    In training mode, by Lanczos iteration (compare Ghorbani et al. 2019). At initialisation it is
    often negative. Gradient descent is stable below a learning rate of 2 over a positive one.
    """
    import torch

    from nas.training.losses import loss_of
    from nas.training.metrics.curvature import extreme_eigenvalue, hessian_product

    network = subject.network.train()
    network.checkpointing = False  # what is computed again cannot be differentiated twice
    loss = loss_of(network(subject.pictures), subject.labels)
    parameters = list(network.parameters())
    count = sum(parameter.numel() for parameter in parameters)
    start = torch.randn(count, generator=subject.generator(), dtype=torch.float64)
    return extreme_eigenvalue(hessian_product(loss, parameters), start)


def central(values: list[float]) -> float:
    """The median, not a number where one of the values is none."""
    return math.nan if any(map(math.isnan, values)) else median(values)


def quotient(above: float, below: float) -> float:
    """Above over below, not a number where below is zero."""
    return above / below if below else math.nan
