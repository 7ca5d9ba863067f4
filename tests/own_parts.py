"""A user's plugin with one part of each kind; tests copy it beside a space of theirs."""

import torch
from torch import Tensor, nn

from nas.data.augment import AUGMENTATIONS
from nas.data.facts import DATASETS
from nas.data.pictures import Pictures
from nas.model.blocks import (
    ACTIVATIONS,
    BLOCKS,
    NORMS,
    ORDERS,
    SHORTCUTS,
    STEMS,
    Activation,
    Conv,
    Join,
    Layer,
    Norm,
    Order,
    conv,
)
from nas.model.join_layers import RandomStream
from nas.model.joins import JOINS
from nas.space.methods import PRUNERS, SAMPLERS
from nas.training.metrics import MEASURES
from nas.training.optimizers import OPTIMIZERS
from nas.training.result import OBJECTIVES
from nas.training.schedules import SCHEDULES

WIDEST = 64


def narrowed(channels, ratio):
    """A share of the channels, of which there are some."""
    return min(WIDEST, max(1, round(channels * ratio)))


@BLOCKS.register("funnel")
def funnel(in_channels, out_channels, stride, *, ratio: float = 0.5):
    """Two 3x3 convolutions with fewer channels between them.

    ratio: the inner width as a share of the outer one.
    """
    inner = narrowed(out_channels, ratio)
    return conv(in_channels, inner, 3, stride), Conv(inner, out_channels, 3)


@ORDERS.register("norm_last")
def norm_last(*, after: int = 1) -> Order:
    """Norm after each activation.

    after: how many of the last operations follow the addition.
    """
    return Order(("conv", "act", "norm"), after_addition=after)


@SHORTCUTS.register("blurred", keeps_shape=True, changes_shape=True)
def blurred(in_channels, out_channels, stride, *, size: int = 3):
    """A convolution of x.

    size: of its kernel.
    """
    return Conv(in_channels, out_channels, size, stride), Norm(out_channels)


class Damped(nn.Module):
    """The branch times a number that is learned, for a part of the pictures."""

    def __init__(self, factor, rate):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))
        self.rate = rate
        self.stream = RandomStream()

    def forward(self, shortcut, branch):
        if not self.training:
            return shortcut + (1 - self.rate) * self.factor * branch
        kept = self.stream.uniform(len(branch), 1, 1, 1).to(branch.device) >= self.rate
        return shortcut + kept * self.factor * branch


@JOINS.register("damped")
def damped(place, *, factor: float = -1.0, rate: float = 0.25):
    """The branch times a learned number, and left out at random, the more the deeper.

    factor: that number at the start.
    rate: how often the last branch is left out.
    """
    return Join(Damped, (factor, rate * (place.block + 1) / place.num_blocks), parameters=1)


@STEMS.register("conv5x5")
def conv5x5(in_channels, *, width: int = 0):
    """One 5x5 convolution.

    width: channels; left out, those of the first stage.
    """
    return Conv(in_channels, width, 5), Norm(width), Activation()


@NORMS.register("pairs")
def pairs():
    """Group normalisation with two groups."""
    return 2


class SquaredReLU(nn.Module):
    """The square of ReLU (So et al. 2021), times a number."""

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * torch.relu(x) ** 2


@ACTIVATIONS.register("squared_relu")
def squared_relu(*, scale: float = 1.0) -> Layer:
    """The square of ReLU (So et al. 2021).

    scale: times this number.
    """
    return Layer(SquaredReLU, (scale,))


@OPTIMIZERS.register("plain_rmsprop", state_bytes=4)
def plain_rmsprop(parameters, *, lr: float = 0.01):
    """RMSprop (Tieleman and Hinton 2012).

    lr: the learning rate.
    """
    return torch.optim.RMSprop(parameters, lr=lr)


@SCHEDULES.register("root")
def root(progress, *, power: float = 0.5):
    """A root of the part that is left.

    power: of that part.
    """
    return (1 - progress) ** power


@DATASETS.register(
    "stripes",
    channels=1,
    image_size=8,
    classes=("flat", "upright"),
    num_train=120,
    num_test=40,
)
def stripes(data_dir, split, *, noise: float = 0.0):
    """Bright stripes in one of two directions.

    noise: the deviation of what is added to them, as a share of their brightness.
    """
    import numpy as np

    count = {"train": 120, "test": 40}[split]
    random = np.random.RandomState(count)
    labels = np.arange(count) % 2
    pixels = np.zeros((count, 1, 8, 8))
    for picture, label, start in zip(pixels, labels, random.randint(0, 2, count), strict=True):
        if label:
            picture[0, :, start::2] = 200
        else:
            picture[0, start::2] = 200
    pixels = (pixels + 200 * noise * random.randn(*pixels.shape)).clip(0, 255)
    return Pictures(pixels.astype(np.uint8), labels, ("flat", "upright"))


@AUGMENTATIONS.register("dimmed", normalised=True)
def dimmed(pictures, generator, *, by: float = 0.1):
    """Pictures made darker by numbers drawn at random.

    by: the largest of these numbers, in deviations.
    """
    amounts = by * torch.rand(len(pictures), 1, 1, 1, generator=generator)
    return pictures - amounts.to(pictures.device)


@MEASURES.register("head_norm", label="norm of the classifier", source="probe")
def head_norm(subject):
    """Euclidean norm of the weights of the classifier."""
    return subject.network.head.weight.norm().item()


@MEASURES.register("last_loss", label="loss of the last batch", source="run", unit="nats")
def last_loss(run):
    """Cross-entropy of the last training batch."""
    return run.losses[-1]


@OBJECTIVES.register("gap", direction="minimize", label="generalisation gap", unit="points")
def gap(result):
    """Validation error less training error."""
    return 100 * result.measures["generalisation_gap"]


@SAMPLERS.register("shifted", learns=False)
def shifted(seed, *, by: int = 0):
    """Independent uniform draws from another seed.

    by: what is added to the seed.
    """
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=seed + by)


@PRUNERS.register("patient")
def patient(space, *, epochs: int = 1):
    """Stops a trial that does not improve.

    epochs: how long it may not.
    """
    from optuna.pruners import PatientPruner

    from nas.search.pruners.registry import learned_objective
    from nas.search.pruners.stopping import StoppingPruner

    return StoppingPruner(PatientPruner(None, patience=epochs), learned_objective(space))
