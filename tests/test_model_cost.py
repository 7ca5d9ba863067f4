"""Sizes: the papers' numbers, and what the built module says."""

import pytest
import torch
from conftest import CONV_ORDERS, families, small
from measured_cost import assert_cost_is_measured

from nas.model.architecture import Architecture, Named, Stage
from nas.model.blocks import NORMS, STEMS, same_shape, transitions
from nas.model.cost import cost
from nas.model.network import Network, ZeroPad

#: transition and shortcut of He et al.'s options
OPTIONS = {
    "A": ("identity", "zero_pad"),
    "B": ("identity", "projection"),
    "C": ("projection", "projection"),
}


def cifar(
    n: int, option: str = "A", *, width: int = 16, classes: int = 10, **choices: object
) -> Architecture:
    """He et al. 2015, section 4.2."""
    shortcut, transition = OPTIONS[option]
    kind = {"depth": n, "shortcut": shortcut, "transition": transition}
    stages = tuple(
        Stage(width=width * 2**index, stride=1 if index == 0 else 2, **kind) for index in range(3)
    )
    values = {
        "image_shape": (3, 32, 32),
        "num_classes": classes,
        "stem": Named.of("conv3x3", width=width),
        "stages": stages,
    }
    return Architecture(**values | choices)


def imagenet(depths: tuple[int, ...], block: Named, option: str) -> Architecture:
    """He et al. 2015, Table 1."""
    shortcut, transition = OPTIONS[option]
    widths = (64, 128, 256, 512) if block.name == "basic" else (256, 512, 1024, 2048)
    stages = tuple(
        Stage(
            depth=depth,
            width=width,
            stride=1 if index == 0 else 2,
            block=block,
            shortcut=shortcut,
            transition=transition,
        )
        for index, (depth, width) in enumerate(zip(depths, widths, strict=True))
    )
    return Architecture(
        image_shape=(3, 224, 224),
        num_classes=1000,
        stem=Named.of("conv7x7_pool", width=64),
        stages=stages,
    )


#: layers -> parameters with option A, B and C, multiply-adds in millions with A and B
CIFAR = {
    8: (75_290, 78_042, 78_330, "12.24", "12.50"),
    14: (172_506, 175_258, 181_146, "26.40", "26.66"),
    20: (269_722, 272_474, 283_962, "40.55", "40.81"),
    32: (464_154, 466_906, 489_594, "68.86", "69.12"),
    44: (658_586, 661_338, 695_226, "97.17", "97.44"),
    56: (853_018, 855_770, 900_858, "125.49", "125.75"),
    110: (1_727_962, 1_730_714, 1_826_202, "252.89", "253.15"),
    1202: (19_421_274, 19_424_026, 20_538_714, "2829.24", "2829.50"),
}


@pytest.mark.parametrize("layers", CIFAR)
def test_cifar_networks_have_the_papers_sizes(layers: int) -> None:
    *parameters, adds_a, adds_b = CIFAR[layers]
    n = (layers - 2) // 6
    spent = [cost(cifar(n, option)) for option in OPTIONS]
    assert [one.parameters for one in spent] == parameters
    assert [one.depth for one in spent] == [layers] * 3
    assert f"{spent[0].multiply_adds / 1e6:.2f}" == adds_a
    assert f"{spent[1].multiply_adds / 1e6:.2f}" == adds_b


@pytest.mark.parametrize("order", list(CONV_ORDERS))
@pytest.mark.parametrize("n", [3, 9, 18])
def test_the_order_changes_no_parameter_of_option_a(order: str, n: int) -> None:
    assert cost(cifar(n, activation_order=order)).parameters == 97_216 * n - 21_926


def test_pre_activation_has_bare_projections() -> None:
    """He et al. 2016's code: no norm on the 1x1 convolution."""
    assert cost(cifar(18, "B", activation_order="pre_activation")).parameters == 1_730_522


@pytest.mark.parametrize(
    ("width", "sizes"),
    [
        (8, {8: 19_218, 20: 68_050, 32: 116_882, 56: 214_546, 110: 434_290}),
        (4, {8: 5_006, 20: 17_326, 32: 29_646, 56: 54_286, 110: 109_726}),
    ],
)
def test_narrow_networks(width: int, sizes: dict[int, int]) -> None:
    for layers, parameters in sizes.items():
        assert cost(cifar((layers - 2) // 6, width=width)).parameters == parameters


def pre_resnet(n: int, classes: int) -> Architecture:
    """He et al. 2016: bottleneck blocks, pre-activation, stride in the first 1x1."""
    block = Named.of("bottleneck", ratio=0.25, stride_first=True)
    stages = tuple(
        Stage(depth=n, width=width, stride=stride, block=block)
        for width, stride in ((64, 1), (128, 2), (256, 2))
    )
    return cifar(n, classes=classes, stages=stages, activation_order="pre_activation")


def wide(n: int, factor: int, classes: int) -> Architecture:
    """Zagoruyko and Komodakis 2016."""
    stages = tuple(
        Stage(depth=n, width=width * factor, stride=stride)
        for width, stride in ((16, 1), (32, 2), (64, 2))
    )
    return cifar(n, classes=classes, stages=stages, activation_order="pre_activation")


def resnext(classes: int) -> Architecture:
    """Xie et al. 2017: ResNeXt-29, 8x64d."""
    block = Named.of("bottleneck", ratio=2.0, groups=8)
    stages = tuple(
        Stage(depth=3, width=width, stride=stride, block=block)
        for width, stride in ((256, 1), (512, 2), (1024, 2))
    )
    return cifar(3, classes=classes, stages=stages, stem=Named.of("conv3x3", width=64))


@pytest.mark.parametrize(
    ("make", "parameters", "multiply_adds"),
    [
        (lambda classes: pre_resnet(18, classes), (1_703_258, 1_726_388), "244.5"),
        (lambda classes: pre_resnet(111, classes), (10_327_706, 10_350_836), "1487.8"),
        (lambda classes: wide(6, 1, classes), (563_930, 569_780), "83.3"),
        (lambda classes: wide(6, 2, classes), (2_243_546, 2_255_156), "327.6"),
        (lambda classes: wide(6, 4, classes), (8_949_210, 8_972_340), "1298.6"),
        (lambda classes: wide(2, 8, classes), (10_961_370, 11_007_540), "1548.1"),
        (lambda classes: wide(4, 10, classes), (36_479_194, 36_536_884), "5243.3"),
        (resnext, (34_426_698, 34_518_948), "5387.3"),
    ],
    ids=[
        "pre-164",
        "pre-1001",
        "wrn-40-1",
        "wrn-40-2",
        "wrn-40-4",
        "wrn-16-8",
        "wrn-28-10",
        "next-29",
    ],
)
def test_other_cifar_networks(make, parameters: tuple[int, int], multiply_adds: str) -> None:
    ten, hundred = cost(make(10)), cost(make(100))
    assert (ten.parameters, hundred.parameters) == parameters
    assert f"{ten.multiply_adds / 1e6:.1f}" == multiply_adds


BASIC, BOTTLENECK = Named("basic"), Named.of("bottleneck", ratio=0.25)
FIRST = Named.of("bottleneck", ratio=0.25, stride_first=True)


@pytest.mark.parametrize(
    ("depths", "block", "parameters", "multiply_adds"),
    [
        ((2, 2, 2, 2), BASIC, (11_515_688, 11_689_512, 12_043_816), 1_814_073_344),
        ((3, 4, 6, 3), BASIC, (21_623_848, 21_797_672, 22_716_840), 3_663_761_408),
        ((3, 4, 6, 3), BOTTLENECK, (22_780_456, 25_557_032, 40_128_552), 4_089_184_256),
        ((3, 4, 6, 3), FIRST, (22_780_456, 25_557_032, 40_128_552), 3_857_973_248),
        ((3, 4, 23, 3), BOTTLENECK, (41_772_584, 44_549_160, 76_981_288), 7_801_405_440),
        ((3, 4, 23, 3), FIRST, (41_772_584, 44_549_160, 76_981_288), 7_570_194_432),
    ],
    ids=["18", "34", "50", "50-first", "101", "101-first"],
)
def test_imagenet_networks(
    depths: tuple[int, ...], block: Named, parameters: tuple[int, ...], multiply_adds: int
) -> None:
    spent = [cost(imagenet(depths, block, option)) for option in OPTIONS]
    assert tuple(one.parameters for one in spent) == parameters
    assert spent[1].multiply_adds == multiply_adds
    assert spent[1].depth == sum(depths) * (2 if block.name == "basic" else 3) + 2


@pytest.mark.parametrize("parts", families(same_shape(), transitions(), NORMS), ids="-".join)
def test_cost_is_that_of_the_module(parts: tuple[str, ...]) -> None:
    assert_cost_is_measured(small(*parts))


@pytest.mark.parametrize("stem", list(STEMS))
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 17, 12), (2, 5, 31)])
def test_cost_of_every_stem_and_odd_pictures(stem: str, shape: tuple[int, int, int]) -> None:
    stages = (
        Stage(depth=1, width=12, stride=2, transition="zero_pad"),
        Stage(depth=2, width=8, stride=1, block=Named.of("bottleneck", ratio=0.5, groups=2)),
    )
    assert_cost_is_measured(small(stem=Named.of(stem, width=6), image_shape=shape, stages=stages))


def test_memory_grows_with_the_batch_and_the_optimiser() -> None:
    one, two = (cost(small(), batch_size=size).memory for size in (1, 2))
    three = cost(small(), batch_size=3).memory
    assert three - two == two - one > 0
    adam = cost(small(), batch_size=1, state_bytes=8).memory
    assert adam - one == 4 * cost(small()).parameters


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"image_shape": (3, 1, 2)}, "less than one pixel of 1x2"),
        ({"image_shape": (3, 1, 9)}, "less than one pixel of 1x9"),
        ({"norm": Named.of("group", groups=3)}, "3 norm groups do not divide the 16 channels"),
        ({"norm": Named.of("group", groups=-1)}, "at least 1, found -1"),
        ({"stem": Named.of("conv3x3", width=0)}, "from 1 to 100,000, found 0"),
        ({"activation_order": "pre_activations"}, "Did you mean 'pre_activation'"),
        ({"norm": Named("batchnorm")}, "unknown norm 'batchnorm': it can be"),
        ({"stages": (Stage(depth=1, width=16, shortcut="skip"),)}, "unknown shortcut 'skip'"),
        ({"stages": (Stage(depth=1, width=8, block=Named("basik")),)}, "Did you mean 'basic'"),
        (
            {"stages": (Stage(depth=1, width=8, block=Named.of("bottleneck", groups=3)),)},
            "3 groups do not divide the 2 channels",
        ),
        (
            {"stages": (Stage(depth=1, width=8, block=Named.of("bottleneck", groups=0)),)},
            "at least 1, found 0",
        ),
        (
            {"stages": (Stage(depth=1, width=8, block=Named.of("bottleneck", ratio=0.01)),)},
            "0 channels",
        ),
    ],
)
def test_impossible_networks_are_refused_in_words(choices: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        cost(small(**choices))
    with pytest.raises(ValueError, match=words):
        Network(small(**choices))


def test_a_wrong_shape_is_never_built() -> None:
    """ZeroPad drops surplus channels, so that a narrower stage has a shortcut too."""
    x = torch.randn(2, 6, 5, 4)
    assert torch.equal(ZeroPad(6, 4, 1)(x), x[:, :4])
    wider = ZeroPad(6, 9, 2)(x)
    assert torch.equal(wider[:, :6], x[:, :, ::2, ::2])
    assert wider.shape == (2, 9, 3, 2)
    assert not wider[:, 6:].any()
