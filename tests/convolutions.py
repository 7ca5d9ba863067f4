"""Convolutions of our networks in child processes, against float64.

    python tests/convolutions.py [direct]

Prints the first with a wrong output or gradient, or that kill their process, and how many there are
in all. `direct` leaves every convolution to torch: with ONEDNN_MAX_CPU_ISA=AVX2 in the
environment that shows whether oneDNN issue 6035 is still there.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice, product
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.model.architecture import Architecture, Named, Stage
from nas.model.blocks import BLOCKS, SHORTCUTS, STEMS, Conv
from nas.model.layout import check_conv
from nas.model.network import build_op

WIDTHS = range(1, 25)
STRIDES = (1, 2)
#: pictures of a batch, height and width; the odd ones for strides alone
SIZES = ((6, 8, 8), (2, 5, 7))
TOLERANCE = 1e-4
MOST_LINES = 10
NETWORK = Architecture(
    image_shape=(3, 8, 8),
    num_classes=10,
    stem=Named.of("conv3x3", width=8),
    stages=(Stage(depth=1, width=8),),
)


def shapes() -> list[Conv]:
    """Every convolution that stems, block types and shortcuts can have at these widths."""
    return [conv for conv in dict.fromkeys(all_convolutions()) if possible(conv)]


def all_convolutions() -> Iterator[Conv]:
    """Those of every part with every option; some cannot be, and some come often."""
    changes = list(product(WIDTHS, WIDTHS, STRIDES))
    layouts = [
        STEMS[name](image, width=width) for name in STEMS for image in (1, 3) for width in WIDTHS
    ]
    layouts += [SHORTCUTS[name](*change) or () for name in SHORTCUTS for change in changes]
    layouts += [block(*change) for block in all_blocks() for change in changes]
    convs = (op for layout in layouts for op in layout if isinstance(op, Conv))
    return (replace(op, linear=False, bare=False, bias=False) for op in convs)


def all_blocks():
    """Every block type with every combination of its options."""
    values = {"groups": WIDTHS, "ratio": (0.5, 1.0), "expansion": (1.0, 2.0), "heads": (1,)}
    for name in BLOCKS:
        options = {key: BLOCKS.options(name)[key] for key in BLOCKS.own_options(name)}
        choices = [
            values.get(key, (False, True) if o.annotation is bool else get_args(o.annotation))
            for key, o in options.items()
        ]
        for chosen in product(*choices):
            yield partial(BLOCKS[name], **dict(zip(options, chosen, strict=True)))


def possible(conv: Conv) -> bool:
    """Whether the widths are those asked for and the groups divide them."""
    try:
        check_conv("", conv)
    except ValueError:
        return False
    return max(conv.in_channels, conv.out_channels) in WIDTHS


def results(layer: nn.Module, x: Tensor, out_gradient: Tensor) -> list[Tensor]:
    """Output, gradient of the input and gradients of the parameters."""
    x = x.clone().requires_grad_()
    output = layer(x)
    return [output, *torch.autograd.grad(output, [x, *layer.parameters()], out_gradient)]


def right(conv: Conv, size: tuple[int, int, int], *, direct: bool) -> bool:
    """Whether output and gradients are those of float64, relative to the largest value of each."""
    numbers = torch.Generator().manual_seed(0)
    layer = build_op(NETWORK, conv, first=True).to(memory_format=torch.channels_last)
    number, *picture = size
    x = torch.randn(number, conv.in_channels, *picture, generator=numbers)

    def reference(pixels: Tensor, weight: Tensor) -> Tensor:
        kernel = conv.kernel_size
        if kernel % 2 == 0:  # patches, those at the edge filled up
            pixels = F.pad(pixels, (0, -pixels.shape[3] % kernel, 0, -pixels.shape[2] % kernel))
        padding = kernel // 2 if kernel % 2 else 0
        return F.conv2d(pixels, weight, None, conv.stride, padding, 1, conv.groups)

    exact = [x.double().requires_grad_(), layer.weight.detach().double().requires_grad_()]
    output = reference(*exact)
    gradient = torch.randn(output.shape, generator=numbers, dtype=output.dtype)
    expected = [output, *torch.autograd.grad(output, exact, gradient)]
    if direct:
        layer.forward = lambda pixels: reference(pixels, layer.weight)
    last = [t.float().to(memory_format=torch.channels_last) for t in (x, gradient)]
    pairs = zip(results(layer, *last), expected, strict=True)
    return all((a - b).abs().max() < TOLERANCE * b.abs().max() for a, b in pairs)


def wrong(convs: list[Conv], *, direct: bool) -> Iterator[str]:
    """The wrong ones among some, found in a child; half by half if the child dies."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        for conv in convs:
            if not all(right(conv, size, direct=direct) for size in SIZES[: conv.stride]):
                os.write(writer, f"{conv} is wrong\n".encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        lines = pipe.read().splitlines()
    if os.waitpid(child, 0)[1] == 0:
        yield from lines
        return
    middle = len(convs) // 2
    halves = [convs[:middle], convs[middle:]] if middle else []
    found = (line for half in halves for line in wrong(half, direct=direct))
    first = next(found, f"killed by one of {', '.join(map(str, convs))}")
    yield first
    yield from found


if __name__ == "__main__":
    torch.set_num_threads(1)
    for line in islice(wrong(shapes(), direct="direct" in sys.argv[1:]), MOST_LINES):
        print(line, flush=True)
    print(len(shapes()), "convolutions")
