"""The files of an exported network: module, weights, other formats and model card."""

import runpy
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from nas.common.errors import ExportError, first_line
from nas.common.files import replacing, write_text
from nas.common.provenance import git_commit, library_version
from nas.export.card import Card
from nas.export.formats import write_formats
from nas.export.prediction import Inputs
from nas.export.source import module_source
from nas.model.network import Network
from nas.training.candidate import Candidate

#: what torch raises for files that are no weights, or those of another network
DAMAGED = (OSError, RuntimeError, ValueError, EOFError, UnpicklingError, AttributeError, TypeError)


@dataclass(frozen=True)
class Trained:
    """A trained candidate to be written: its weights, what it was trained on, what is told of it,
    and its test accuracy by seed."""

    candidate: Candidate
    weights: Path
    inputs: Inputs
    facts: Sequence[str]
    accuracies: dict[int, float] = field(default_factory=dict)


def write(
    found: Trained, study: str, trial: int, output: Path, formats: Sequence[str]
) -> list[Path]:
    """Write all files and return their paths, the module first. What was written is loaded and
    compared with the trained network, the module to the last bit."""
    candidate, spent = found.candidate, found.candidate.cost()
    commit = git_commit(Path(__file__).parent)
    facts = [
        *found.facts,
        *averaged(candidate),
        f"{spent.depth} layers, {spent.parameters:,} parameters, "
        f"{spent.multiply_adds:,} multiply-adds.",
        f"Made by nas {library_version('nas')}{f' (commit {commit})' if commit else ''}.",
    ]
    source = module_source(
        candidate.architecture,
        title=f"Network found by study {study}, trial {trial}.",
        facts=facts,
        inputs=found.inputs,
    )
    state = load(candidate, found.weights)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_text(output, source)
    save(state, output.with_suffix(".pt"))
    network = compare(candidate, output, state)
    shape = candidate.architecture.image_shape
    files = [output, output.with_suffix(".pt")]
    files += write_formats(formats, network, shape, found.inputs, output)
    card = Card(study, trial, candidate, found.inputs, facts, found.accuracies, files)
    write_text(output.with_suffix(".md"), card.text())
    return [*files, output.with_suffix(".md")]


def averaged(candidate: Candidate) -> list[str]:
    """What is told of weights that are an average."""
    decay = candidate.training.weight_average
    told = f"The weights are a moving average over the steps of the training ({decay:g} kept)."
    return [told] if decay else []


def load(candidate: Candidate, weights: Path) -> dict[str, Any]:
    """The weights in a file; ExportError where it is damaged or of another network."""
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
        Network(candidate.architecture).load_state_dict(state)
    except DAMAGED as error:
        raise ExportError(
            f"the weights {weights} are damaged or of another network ({first_line(error)}): leave "
            "out --no-train to train them again."
        ) from error
    return state


def save(state: dict[str, Any], path: Path) -> None:
    """Write weights as a whole; ExportError on a full disk, which torch tells in its own way."""
    try:
        with replacing(path) as file:
            torch.save(state, file)
    except (OSError, RuntimeError) as error:
        raise ExportError(f"{path} cannot be written: {first_line(error)}.") from error


def compare(candidate: Candidate, module: Path, state: dict[str, Any]) -> torch.nn.Module:
    """The network of the written module, in evaluation mode; RuntimeError where it computes
    something else than the trained one."""
    ours, theirs = Network(candidate.architecture), runpy.run_path(str(module))["Network"]()
    pictures = torch.randn(
        2, *candidate.architecture.image_shape, generator=torch.Generator().manual_seed(0)
    )
    for network in (ours, theirs):
        network.load_state_dict(state)
        network.eval()
    with torch.inference_mode():
        outputs = ours(pictures), theirs(pictures)
    if not torch.allclose(*outputs, rtol=0, atol=0, equal_nan=True):
        raise RuntimeError(f"{module} computes something else than the network: do not use it.")
    found: torch.nn.Module = theirs
    return found
