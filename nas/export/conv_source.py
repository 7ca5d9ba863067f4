"""The function of an exported module that makes its convolutions."""

from collections.abc import Sequence

from torch import nn

from nas.export.formatting import fitted, wrapped
from nas.model import block_layers, network
from nas.model.blocks import Conv

CONV = """\
{head}
{about}
    padding = kernel_size // 2{dilation}{even}
{made}"""
CONV_ARGUMENTS = ["in_channels", "out_channels", "kernel_size", "stride", "padding"]
#: class -> for which kernels and strides it is taken
CONV_CLASSES = {
    network.StridedPointwise: "kernel_size == 1 and stride > 1",
    block_layers.Patches: "kernel_size % 2 == 0",
    block_layers.Linear: "groups == 1",
}
#: arguments that a convolution has where one in the network needs it
OPTIONS = ("dilation", "linear", "bare", "bias")


def conv_source(
    options: Sequence[str], classes: Sequence[type[nn.Conv2d]], *, has_norms: bool
) -> str:
    """The function, with the options that are needed, which chooses among torch's class and
    others."""
    usual = {key: getattr(Conv(1, 1, 1), key) for key in options}
    parameters = ["in_channels", "out_channels", "kernel_size", "stride=1", "groups=1"]
    parameters += [f"{key}={value}" for key, value in usual.items()]
    return CONV.format(
        head=fitted("def conv(", parameters, "):"),
        about=wrapped(conv_text(options, has_norms=has_norms)),
        made="\n".join(body(options, classes, has_norms=has_norms)),
        dilation=" * dilation" * ("dilation" in options),
        even=" if kernel_size % 2 else 0" * (block_layers.Patches in classes),
    )


def body(
    options: Sequence[str], classes: Sequence[type[nn.Conv2d]], *, has_norms: bool
) -> list[str]:
    """The lines that make the convolution and mark it."""
    marks = [key for key in ("linear", "bare") if key in options]
    bias = "bias" if "bias" in options and has_norms else not has_norms
    arguments = [*CONV_ARGUMENTS, *["dilation=dilation"] * ("dilation" in options)]
    arguments += ["groups=groups", f"bias={bias}"]
    call = f"{'layer =' if marks else 'return'} {'kind' if classes else 'nn.Conv2d'}("
    lines = [*chosen_class(classes), fitted(call, arguments, ")", 4)]
    lines += [f"    layer.{mark} = {mark}" for mark in marks]
    return [*lines, "    return layer"] if marks else lines


def chosen_class(classes: Sequence[type[nn.Conv2d]]) -> list[str]:
    """The lines that choose the class of a convolution, where there are others than torch's."""
    words = [part for kind in classes for part in (kind.__name__, f"if {CONV_CLASSES[kind]} else")]
    if len(classes) < 2:
        return [f"    kind = {' '.join(words)} nn.Conv2d"] * len(classes)
    lines = " ".join([*words, "nn.Conv2d"]).replace(" if ", "\nif ").replace(" else ", "\nelse ")
    return ["    kind = (", *(f"        {line}" for line in lines.splitlines()), "    )"]


def conv_text(options: Sequence[str], *, has_norms: bool) -> str:
    """What the function of convolutions makes."""
    with_bias = (
        "with" if not has_norms else "without" if "bias" not in options else "with or without"
    )
    text = f"Convolution {with_bias} bias, padded so that stride 1 keeps the size"
    text += "; linear: not activated" * ("linear" in options)
    return text + "; bare: not normalised" * ("bare" in options) + "."
