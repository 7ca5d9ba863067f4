"""Measures of a finished network, from validation pictures: what it stands, and what it rests on.

Taken on request (`payoff: {after_training: [...]}`), once, when the training has ended.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from nas.training.metrics import MEASURES

if TYPE_CHECKING:
    from torch import Tensor

    from nas.training.metrics.finished import Finished

#: noise on the weights: its deviation over the root mean square of each layer, and its draws
WEIGHT_NOISE, DRAWS = 0.1, 4
#: noise on pictures in standard deviations of a channel; the deviation of the blur, and by how much
#: pictures are shifted, over their width
PICTURE_NOISE, BLUR, SHIFT = 0.5, 1 / 16, 1 / 8
#: bins of confidence of the calibration error
BINS = 15
#: the largest weight as a whole number of eight bits
LARGEST = 127
#: a measure of finished networks: a share, taken on request alone
register = partial(MEASURES.register, source="finished", unit="share", format=".1%", default=False)


@register(
    "weight_noise_error",
    label="validation error with noise on the weights",
    direction="minimize",
)
def weight_noise_error(one: Finished) -> float:
    """The mean over four draws of Gaussian noise on the weights of convolutions and classifier, of
    a tenth of the root mean square of each layer. Statistics of norms stay as they are.
    """
    import torch

    random = one.generator()

    def noisy(weight: Tensor) -> Tensor:
        noise = torch.randn(weight.shape, generator=random).to(weight.device)
        return weight + WEIGHT_NOISE * weight.square().mean().sqrt() * noise

    return sum(one.error(one.with_weights(noisy)) for _ in range(DRAWS)) / DRAWS


@register(
    "int8_error",
    label="validation error with weights of 8 bits",
    direction="minimize",
)
def int8_error(one: Finished) -> float:
    """Weights of convolutions and classifier rounded to 255 levels from -m to m, m the largest
    magnitude of each output channel. Computed in float.
    """

    def rounded(weight: Tensor) -> Tensor:
        most = weight.flatten(1).abs().amax(1).clamp_min(1e-12)
        step = (most / LARGEST).view(-1, *[1] * (weight.dim() - 1))
        return (weight / step).round() * step

    return one.error(one.with_weights(rounded))


def of_pictures(changed: Callable[[Finished], Tensor]) -> Callable[[Finished], float]:
    """The error on pictures that are changed."""

    def measure(one: Finished) -> float:
        return one.error(pictures=changed(one))

    measure.__doc__ = changed.__doc__
    return measure


def noisy_pictures(one: Finished) -> Tensor:
    """Gaussian noise of half a standard deviation of each channel, or feature, on the inputs."""
    import torch

    noise = torch.randn(one.pictures.shape, generator=one.generator())
    return one.pictures + PICTURE_NOISE * noise.to(one.device)


def blurred_pictures(one: Finished) -> Tensor:
    """Pictures blurred by a Gaussian of 1/16 of their width, over 3 x 3 pixels at least."""
    import torch
    from torch.nn.functional import conv2d, pad

    pictures = one.pictures
    deviation = BLUR * pictures.shape[-1]
    reach = max(1, round(2 * deviation))
    places = torch.arange(-reach, reach + 1, device=one.device)
    line = torch.exp(-places.square() / (2 * deviation**2))
    kernel = torch.outer(line, line) / line.sum() ** 2
    channels = pictures.shape[1]
    edged = pad(pictures, (reach,) * 4, mode="replicate")
    return conv2d(edged, kernel.expand(channels, 1, -1, -1), groups=channels)


def shifted_pictures(one: Finished) -> Tensor:
    """Pictures shifted to the right by an eighth of their width, a pixel at least, the edge
    repeated.
    """
    from torch.nn.functional import pad

    width = one.pictures.shape[-1]
    shift = max(1, round(SHIFT * width))
    return pad(one.pictures, (shift, 0, 0, 0), mode="replicate")[..., :width]


for _name, _label, _changed, _of_pictures in (
    ("noisy_pictures_error", "noise on the inputs", noisy_pictures, False),
    ("blurred_pictures_error", "blurred pictures", blurred_pictures, True),
    ("shifted_pictures_error", "shifted pictures", shifted_pictures, True),
):
    register(
        _name,
        label=f"validation error with {_label}",
        direction="minimize",
        of_pictures=_of_pictures,
    )(of_pictures(_changed))


@register(
    "calibration_error",
    label="expected calibration error",
    direction="minimize",
)
def calibration_error(one: Finished) -> float:
    """sum_b |B_b| / n |accuracy(B_b) - confidence(B_b)| over 15 equal bins of the largest softmax
    output (Guo et al. 2017, "On Calibration of Modern Neural Networks").
    """
    import torch

    confidence = one.logits.cpu().double().softmax(1).amax(1)
    bins = (confidence * BINS).ceil().clamp(1, BINS).long() - 1
    gaps = torch.zeros(BINS, dtype=torch.float64)
    gaps.index_add_(0, bins, one.right.cpu().double() - confidence)
    return (gaps.abs().sum() / len(confidence)).item()


@register(
    "lesion_error",
    label="validation error without a block",
    by_block=True,
)
def lesion_error(one: Finished) -> list[float]:
    """The error with each block in turn replaced by its shortcut, by nothing where it has none, the
    rest as it was trained (Veit et al. 2016): what the network came to rely on. Not a number for a
    block without a shortcut that changes the shape.
    """
    return one.lesions(retaken=False)


@register(
    "lesion_error_retaken",
    label="validation error without a block, statistics retaken",
    by_block=True,
)
def lesion_error_retaken(one: Finished) -> list[float]:
    """The same with the statistics of batch norm taken anew once the block is gone: what the rest
    cannot make up for even so.
    """
    return one.lesions(retaken=True)
