"""Initialisations: what the weights of a branch start as, beside those of He et al. 2015 (ICCV).

An entry is a function of the number of branches with a shortcut, and of the convolutions of one of
them, that gives factors of the usual weights. A new one is one entry here, or in a module of one's
own. It changes branches with a shortcut only: a plain network would start as zero.
"""

from collections.abc import Callable
from dataclasses import dataclass

from nas.common.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Start:
    """Factors of what is usual: of the weights of the convolutions of a branch; of the scale of the
    norm behind the last one, or of the weights of that where none follows it; and of the weights of
    the classifier.
    """

    convolutions: float = 1.0
    last: float = 1.0
    head: float = 1.0


INITIALISATIONS: Registry[Callable[..., Start]] = Registry("initialisation")


@INITIALISATIONS.register("he")
def he(num_branches: int, num_convolutions: int) -> Start:
    """Normal weights of variance 2 / fan-out (He et al. 2015, ICCV)."""
    return Start()


@INITIALISATIONS.register("zero_last")
def zero_last(num_branches: int, num_convolutions: int) -> Start:
    """The same, but each branch starts as zero: the scale of its last norm is (Goyal et al. 2017,
    section 5.1), or where no norm follows the last convolution, the weights of that.
    """
    return Start(last=0.0)


@INITIALISATIONS.register("fixup")
def fixup(num_branches: int, num_convolutions: int) -> Start:
    """For networks without norms: zero_last, the other weights of a branch of m convolutions times
    L^(-1 / (2m - 2)) with L branches, and a classifier of zeros (Fixup, Zhang et al. 2019). Its
    multiplier is the join `skip_init: {start: 1.0}`; convolutions without norm have a bias.
    """
    exponent = -1 / (2 * num_convolutions - 2) if num_convolutions > 1 else 0.0
    return Start(convolutions=num_branches**exponent, last=0.0, head=0.0)
