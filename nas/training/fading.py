"""Shortcuts that fade out in the course of a training."""

from typing import Any

from torch import Tensor, nn

from nas.model.network import Residual


class Fading:
    """What the shortcuts of a network give, times a weight that can be changed; copies of the
    network have a weight of their own.
    """

    def __init__(self, network: nn.Module) -> None:
        self.weight = 1.0
        for module in network.modules():
            if isinstance(module, Residual):
                module.shortcut.register_forward_hook(self.scaled)

    def scaled(self, module: Any, inputs: Any, output: Tensor) -> Tensor:
        """The output of a shortcut as it goes on."""
        return output if self.weight == 1 else self.weight * output
