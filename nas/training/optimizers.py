"""The optimisers that a training can name, and which weights decay."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nas.common.registry import Entry, Registry


@dataclass(frozen=True, kw_only=True)
class Optimizer(Entry):
    """A function from parameters, or groups of them, and options to a torch optimiser, and the
    bytes that it keeps for each parameter.
    """

    state_bytes: int


OPTIMIZERS: Registry[Optimizer] = Registry("optimizer", Optimizer)


@OPTIMIZERS.register("sgd", state_bytes=4)
def sgd(
    parameters: Iterable[Any],
    *,
    lr: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 1e-4,
    nesterov: bool = False,
) -> Any:
    """Stochastic gradient descent with momentum.

    lr: the learning rate.
    momentum: share of the last step that the next one keeps.
    weight_decay: share of each weight that is added to its gradient.
    nesterov: the gradient is taken after the momentum's step.
    """
    from torch.optim import SGD

    return SGD(
        parameters,
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
        nesterov=nesterov and momentum > 0,  # without momentum it is the same
        fused=True,
    )


@OPTIMIZERS.register("adam", state_bytes=8, later=("beta1", "beta2"))
def adam(
    parameters: Iterable[Any],
    *,
    lr: float = 1e-3,
    weight_decay: float = 0.0,
    beta1: float = 0.9,
    beta2: float = 0.999,
) -> Any:
    """Adam (Kingma and Ba 2015).

    lr: the learning rate.
    weight_decay: share of each weight that is added to its gradient.
    beta1: share of the mean gradient that the next step keeps, below 1.
    beta2: share of the mean squared gradient that the next step keeps, below 1.
    """
    from torch.optim import Adam

    return Adam(parameters, lr=lr, weight_decay=weight_decay, betas=(beta1, beta2), fused=True)


@OPTIMIZERS.register("adamw", state_bytes=8, later=("beta1", "beta2"))
def adamw(
    parameters: Iterable[Any],
    *,
    lr: float = 1e-3,
    weight_decay: float = 1e-2,
    beta1: float = 0.9,
    beta2: float = 0.999,
) -> Any:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019).

    lr: the learning rate.
    weight_decay: share of each weight, times the learning rate, that a step takes from it.
    beta1: share of the mean gradient that the next step keeps, below 1.
    beta2: share of the mean squared gradient that the next step keeps, below 1.
    """
    from torch.optim import AdamW

    return AdamW(parameters, lr=lr, weight_decay=weight_decay, betas=(beta1, beta2), fused=True)


@OPTIMIZERS.register("rmsprop", state_bytes=8)
def rmsprop(
    parameters: Iterable[Any],
    *,
    lr: float = 1e-2,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    decay: float = 0.9,
    epsilon: float = 1e-8,
) -> Any:
    """RMSProp with momentum (Tieleman and Hinton 2012), as torch has it: epsilon is added to the
    root of the mean squared gradient, where TensorFlow has it below the root.

    lr: the learning rate.
    momentum: share of the last step that the next one keeps.
    weight_decay: share of each weight that is added to its gradient.
    decay: share of the mean squared gradient that the next step keeps.
    epsilon: what is added to its root.
    """
    from torch.optim import RMSprop

    return RMSprop(
        parameters, lr=lr, momentum=momentum, weight_decay=weight_decay, alpha=decay, eps=epsilon
    )


#: what weight decay takes hold of: all parameters, or the weights of convolutions and linear layers
WEIGHT_DECAY_OF = ("all", "weights")


def decayed_groups(network: Any) -> list[dict[str, Any]]:
    """The parameters of a network as two groups of an optimiser: the weights of convolutions and
    linear layers, and without weight decay all others, which are those of norms, biases and the
    numbers that joins learn (He T. et al. 2019, arXiv:1812.01187, section 3.1).
    """
    from torch.nn import Conv2d, Linear

    layers = [one for one in network.modules() if isinstance(one, Conv2d | Linear)]
    weights = [layer.weight for layer in layers]
    decayed = {id(weight) for weight in weights}
    others = [one for one in network.parameters() if id(one) not in decayed]
    return [{"params": weights}, {"params": others, "weight_decay": 0.0}]
