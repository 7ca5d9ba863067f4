"""The papers' networks in search_spaces/reference: their sizes, to the last parameter."""

import re
from typing import Any, NamedTuple

import pytest

from nas.model.architecture import Architecture
from nas.model.cost import cost
from nas.model.network import Network
from nas.space.space import SearchSpace, bundled_spaces


class Known(NamedTuple):
    """Weighted layers in a row, parameters, and multiply-adds in millions."""

    layers: int
    parameters: int
    multiply_adds: str


#: Computed from the papers' definitions: convolutions without bias, two numbers for each normalised
#: channel, a classifier with bias; multiply-adds of convolutions and classifier.
KNOWN = {
    "plain20": Known(20, 269_722, "40.55M"),
    "plain56": Known(56, 853_018, "125.49M"),
    "resnet20": Known(20, 269_722, "40.55M"),
    "resnet32": Known(32, 464_154, "68.86M"),
    "resnet44": Known(44, 658_586, "97.17M"),
    "resnet56": Known(56, 853_018, "125.49M"),
    "resnet110": Known(110, 1_727_962, "252.89M"),
    "resnet1202": Known(1202, 19_421_274, "2829.24M"),
    "preresnet110": Known(110, 1_727_962, "252.89M"),
    "preresnet164": Known(164, 1_703_258, "244.50M"),
    "preresnet1001": Known(1001, 10_327_706, "1487.85M"),
    "wrn16_8": Known(14, 10_961_370, "1548.15M"),
    "wrn28_10": Known(26, 36_479_194, "5243.33M"),
    "wrn40_4": Known(38, 8_949_210, "1298.58M"),
    "resnext29": Known(29, 34_426_698, "5387.27M"),
    "resnet18": Known(18, 11_689_512, "1814.07M"),
    "resnet34": Known(34, 21_797_672, "3663.76M"),
    "resnet50": Known(50, 25_557_032, "3857.97M"),
    "seresnet50": Known(50, 28_088_024, "3860.49M"),
    "resnet50d": Known(52, 25_576_264, "4328.82M"),
    "mobilenet_v2": Known(53, 3_504_872, "300.77M"),
    "convnext_tiny": Known(59, 28_589_128, "4455.53M"),
    "pyramidnet110_48": Known(110, 1_772_706, "403.81M"),
    "pyramidnet110_84": Known(110, 3_904_446, "772.17M"),
    "wrn28_10_dropout": Known(26, 36_479_194, "5243.33M"),
    "resnet110_stochastic_depth": Known(110, 1_727_962, "252.89M"),
    "densenet_bc_100_12": Known(100, 769_162, "287.93M"),
    "vit_ti_16": Known(50, 5_717_416, "1253.68M"),
    "vit_ti_4_cifar": Known(50, 5_362_378, "359.20M"),
}
#: built as modules too; the others differ from these in depth and width alone
BUILT = ["resnet20", "plain20", "preresnet110", "preresnet164", "wrn40_4", "resnet18", "resnet50"]


class NoTrial:
    """Stands in for a trial where nothing may be drawn."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was called: something is searched")


def the_architecture(name: str, *settings: str) -> Architecture:
    return SearchSpace.load(name, settings).sample(NoTrial())


def test_every_reference_file_has_a_row_here() -> None:
    reference = {path.stem for path in bundled_spaces().values() if path.parent.name == "reference"}
    assert reference == set(KNOWN)


@pytest.mark.parametrize("name", KNOWN)
def test_a_reference_space_is_the_papers_network(name: str) -> None:
    spent = cost(the_architecture(name))
    assert (spent.depth, spent.parameters) == KNOWN[name][:2]
    assert f"{spent.multiply_adds / 1e6:.2f}M" == KNOWN[name].multiply_adds


@pytest.mark.parametrize("name", KNOWN)
def test_a_reference_space_searches_nothing(name: str) -> None:
    space = SearchSpace.load(name)
    assert space.name == name
    assert space.parameters() == {}
    assert space.num_architectures() == (1, True)
    assert (space.search.trials, space.search.pruner) == (1, "none")


@pytest.mark.parametrize("name", KNOWN)
def test_a_reference_space_names_its_paper(name: str) -> None:
    comment = bundled_spaces()[name].read_text(encoding="utf-8").partition("\nname:")[0]
    assert "arXiv:" in comment
    assert re.search(r"\d%[\s#]+(test|top-1) ", comment.replace("\n", " "))
    assert re.search(r"\[[VSM]\b", comment)


@pytest.mark.parametrize("name", BUILT)
def test_the_module_has_the_counted_parameters(name: str) -> None:
    network = Network(the_architecture(name))
    assert sum(parameter.numel() for parameter in network.parameters()) == KNOWN[name].parameters


def test_a_plain_network_is_the_residual_one_without_shortcuts() -> None:
    assert the_architecture("resnet56", "architecture.shortcut=none") == the_architecture("plain56")


def test_a_projection_before_activations_is_not_normalised() -> None:
    bare = the_architecture("preresnet110", "architecture.transition=projection")
    assert cost(bare).parameters == 1_730_522


def test_resnet50_with_the_stride_where_later_libraries_have_it() -> None:
    later = the_architecture("resnet50", "architecture.block.bottleneck.stride_first=false")
    assert cost(later).multiply_adds == 4_089_184_256
    assert cost(later).parameters == KNOWN["resnet50"].parameters
