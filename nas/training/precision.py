"""Mixed precision: the products of a training step in fewer bits, the weights in 32."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from nas.common.errors import UserError

DTYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """How a network computes in training (Micikevicius et al. 2018, arXiv 1710.03740).

    Weights, their updates, statistics of norms and the loss stay in 32 bits. With fp16 the loss is
    scaled before the backward pass, so that small gradients do not vanish, and a step whose
    gradients overflow is left out; the scale is `scaler`'s. UserError where a GPU has no bf16.
    """

    def __init__(self, name: str, device: str) -> None:
        self.dtype, self.device = DTYPES[name], device
        self.scaler = torch.amp.GradScaler(device) if name == "fp16" else None
        if name == "bf16" and device == "cuda" and not torch.cuda.is_bf16_supported(False):
            raise UserError(
                "training.precision: this GPU has no bf16; write fp16 or fp32, or train elsewhere."
            )

    def forward(self) -> AbstractContextManager[None]:
        """Where the forward pass is computed."""
        if self.dtype is None:
            return nullcontext()
        return torch.autocast(self.device, self.dtype)

    def scaled(self, loss: Tensor) -> Tensor:
        """The loss whose gradients are taken."""
        return self.scaler.scale(loss) if self.scaler else loss

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Gradients as they are, to be clipped."""
        if self.scaler:
            self.scaler.unscale_(optimizer)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Move the weights."""
        if self.scaler:
            self.scaler.step(optimizer)
            self.scaler.update()
        else:
            optimizer.step()
