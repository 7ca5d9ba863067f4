"""Mixup: the pictures of a batch mixed in pairs, and the loss with them (Zhang et al. 2018,
arXiv:1710.09412)."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nas.common.devices import sent


@dataclass(frozen=True)
class Mix:
    """How the pictures of a batch are mixed: each keeps `share` of itself, and has the rest of the
    one at its place in `partners` (N,); None: they are left as they are.
    """

    share: float = 1.0
    partners: Tensor | None = None

    def pictures(self, pictures: Tensor) -> Tensor:
        """The pictures (N, C, H, W), mixed."""
        if self.partners is None:
            return pictures
        return pictures * self.share + pictures[sent(self.partners, pictures.device)] * (
            1 - self.share
        )

    def mean(self, of: Callable[[Tensor], Tensor], labels: Tensor) -> Tensor:
        """What a function of labels (N,) gives, the labels of both pictures weighted by their
        shares. For cross-entropy it is that with mixed targets.
        """
        if self.partners is None:
            return of(labels)
        others = labels[sent(self.partners, labels.device)]
        return self.share * of(labels) + (1 - self.share) * of(others)


def draw_mix(num_pictures: int, alpha: float, stream: str) -> Mix:
    """One share for the batch, from Beta(alpha, alpha), and partners in random order, as in the
    authors' code. All depends on `stream` alone: a training that is resumed, and a twin, have the
    same.
    """
    digest = hashlib.sha256(f"mixup:{stream}".encode()).digest()
    generator = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    share = float(generator.beta(alpha, alpha))
    return Mix(share, torch.from_numpy(generator.permutation(num_pictures)))
