"""Initialisations: what the weights of a branch start as, beside those of He et al. 2015 (ICCV).

An entry is a function of the number of branches with a shortcut, and of the convolutions of one of
them, that gives factors of the usual weights. A new one is one entry here, or in a module of one's
own. One that starts branches as zero changes those with a shortcut only: a plain network would
start as zero.
"""

from collections.abc import Callable
from dataclasses import dataclass

from nas.common.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Start:
    """Factors of what is usual: of the weights of the convolutions of a branch; of the scale of the
    norm behind the last one, or of the weights of that where none follows it; and of the weights of
    the classifier. orthogonal: in place of normal weights each convolution starts as an orthogonal
    matrix at the middle of its kernel, with or without a shortcut.
    """

    convolutions: float = 1.0
    last: float = 1.0
    head: float = 1.0
    orthogonal: bool = False


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


@INITIALISATIONS.register("orthogonal")
def orthogonal(num_branches: int, num_convolutions: int) -> Start:
    """Each convolution of a branch starts as an orthogonal matrix at the middle of its kernel, 0
    around it, times the root of 2: with it plain networks of thousands of layers were trained
    (delta-orthogonal, Xiao et al. 2018; Saxe et al. 2014). Plain networks start so too.
    """
    return Start(orthogonal=True)


def starts_plain(name: str) -> bool:
    """Whether networks without shortcuts can start so too."""
    return INITIALISATIONS[name](2, 2) in (Start(), Start(orthogonal=True))
