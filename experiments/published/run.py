"""Published networks, as spaces of search_spaces/reference, against implementations of others.

Needs torchvision, timm and pytorchcv. The weights of ours are copied into theirs; both see the same
pictures, norms with the statistics of these, dropout switched off.
"""

import importlib.metadata
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nas.model.architecture import Architecture
from nas.model.network import Network
from nas.space.enumeration import EnumeratingTrial, all_values
from nas.space.space import SearchSpace

RESULT = Path(__file__).with_name("result.jsonl")
#: pictures that outputs are compared on
PICTURES = 2
#: logits of the first picture that are kept
KEPT = 4


class Reference(NamedTuple):
    """A network of another package, and its name there."""

    package: str
    name: str
    options: dict[str, Any] = {}


#: what timm calls ViT-Ti with patches of 4x4 and the mean of all places in place of the class token
SMALL_PATCHES = {"img_size": 32, "patch_size": 4, "global_pool": "avg", "class_token": False}

REFERENCES = {
    "seresnet50": Reference("pytorchcv", "seresnet50"),
    "resnet50d": Reference("timm", "resnet50d"),
    "mobilenet_v2": Reference("torchvision", "mobilenet_v2"),
    "convnext_tiny": Reference("torchvision", "convnext_tiny"),
    "pyramidnet110_48": Reference("pytorchcv", "pyramidnet110_a48_cifar10"),
    "pyramidnet110_84": Reference("pytorchcv", "pyramidnet110_a84_cifar10"),
    "wrn28_10_dropout": Reference("pytorchcv", "wrn28_10_cifar10"),
    "resnet110_stochastic_depth": Reference("pytorchcv", "resnet110_cifar10"),
    "densenet_bc_100_12": Reference("pytorchcv", "densenet100_k12_bc_cifar10"),
    "vit_ti_16": Reference("timm", "vit_tiny_patch16_224"),
    "vit_ti_4_cifar": Reference(
        "timm", "vit_tiny_patch16_224", SMALL_PATCHES | {"num_classes": 10}
    ),
}
#: the setting in which ours is compared, where the reference differs from the paper
SETTINGS = {"resnet110_stochastic_depth": ["architecture.transition=projection"]}


def main() -> None:
    """Compare all of them and write a line for each."""
    lines = []
    for name, reference in REFERENCES.items():
        lines.append(json.dumps(compared(name, reference)))
        print(lines[-1], flush=True)
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")


def compared(name: str, reference: Reference) -> dict[str, Any]:
    """What one network counts and gives in both implementations."""
    architecture = the_architecture(name)
    theirs = made(reference)
    sizes = sum(one.numel() for one in theirs.parameters()), multiply_adds(theirs, architecture)
    ours = perturbed(Network(architecture, seed=0))
    copy_weights(ours, theirs)
    expected = outputs(theirs, architecture)
    difference = (outputs(ours, architecture) - expected).abs().max() / expected.abs().max()
    return {
        "name": name,
        "reference": f"{reference.package} {importlib.metadata.version(reference.package)}",
        "called": reference.name,
        "parameters": sizes[0],
        "multiply_adds": sizes[1],
        "difference": float(f"{difference.item():.1e}"),
        "logits": [round(value, 5) for value in expected[0, :KEPT].tolist()],
    }


def the_architecture(name: str) -> Architecture:
    """The architecture of a space that searches nothing."""
    space = SearchSpace.load(name, SETTINGS.get(name, []))
    return space.sample(EnumeratingTrial([], all_values))


def perturbed(network: Network) -> Network:
    """The network with norms, biases and scales that are not all alike: so no two of them can be
    mistaken for each other, and branches that start near zero are seen.
    """
    generator = torch.Generator().manual_seed(1)
    for parameter in network.parameters():
        if parameter.squeeze().dim() < 2:
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data += 0.2 * noise
    return network


def made(reference: Reference) -> nn.Module:
    """The network of the other package, without trained weights."""
    makers: dict[str, Callable[[str], nn.Module]] = {
        "torchvision": lambda name: importlib.import_module("torchvision.models").get_model(name),
        "timm": lambda name: importlib.import_module("timm").create_model(
            name, **reference.options
        ),
        "pytorchcv": lambda name: importlib.import_module("pytorchcv.model_provider").get_model(
            name
        ),
    }
    return makers[reference.package](reference.name)


def copy_weights(ours: nn.Module, theirs: nn.Module) -> None:
    """Give theirs the weights of ours, in the order in which the layers stand."""
    pairs = zip(ours.parameters(), in_order(theirs), strict=True)
    for number, (mine, other) in enumerate(pairs):
        if mine.shape[0] == other.shape[-1] and other.dim() == 3:  # positions, channels last there
            mine = mine.flatten(1).T
        if mine.squeeze().shape != other.squeeze().shape:
            raise ValueError(f"parameter {number}: {mine.shape} against {other.shape}.")
        other.data.copy_(mine.data.reshape(other.shape))


def in_order(network: nn.Module) -> Iterator[Tensor]:
    """Parameters as ours are ordered: a scale of the branch behind the branch, class token and
    positions behind the stem.
    """
    scale, waiting = None, []
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if name in ("cls_token", "pos_embed"):
                waiting.append(parameter)
                continue
            if name == "layer_scale":
                scale = parameter
                continue
            yield parameter
            is_last = name == "bias" and isinstance(module, nn.Linear) and scale is not None
            if is_last and scale.shape[0] == parameter.shape[0]:
                yield scale
                scale = None
        if isinstance(module, nn.Conv2d):
            yield from waiting
            waiting = []


def outputs(network: nn.Module, architecture: Architecture) -> Tensor:
    """The logits of some random pictures, norms with the statistics of these."""
    network.train()
    for module in network.modules():
        if any(word in type(module).__name__ for word in ("Drop", "StochasticDepth")):
            module.eval()
    shape = PICTURES, *architecture.image_shape
    with torch.no_grad():
        found: Tensor = network(torch.randn(shape, generator=torch.Generator().manual_seed(0)))
    return found


def multiply_adds(network: nn.Module, architecture: Architecture) -> int:
    """Products of convolutions, linear layers and attention for one picture, by what they give."""
    counted = []

    def hook(layer: Any, inputs: Any, output: Tensor) -> None:
        if (
            type(layer).__name__ == "Attention"
        ):  # each place with each, twice: (1, places, channels)
            counted.append(2 * output.numel() * output.shape[1])
        elif isinstance(layer, nn.Linear):
            counted.append(output.numel() * layer.in_features)
        else:
            counted.append(output[0, 0].numel() * layer.weight.numel())

    handles = [
        module.register_forward_hook(hook)
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.Linear) or type(module).__name__ == "Attention"
    ]
    with torch.no_grad():
        network.eval()(torch.zeros(1, *architecture.image_shape))
    for handle in handles:
        handle.remove()
    return sum(counted)


if __name__ == "__main__":
    main()
