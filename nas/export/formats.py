"""Other forms of an exported module: torch.export's and ONNX, each checked against the module."""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from nas.common.errors import ExportError
from nas.common.files import replacing
from nas.common.registry import unknown
from nas.export.prediction import Inputs

#: names of the input and of the output in the files
PICTURES, LOGITS = "pictures", "logits"
#: the largest difference of ONNX to the module, as a share of the largest logit
ONNX_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Format:
    """A form of a network: its file, what it needs beside torch, and the function that gives the
    bytes of a graph, with texts that go along.
    """

    suffix: str
    needs: tuple[str, ...]
    serialised: Callable[[ExportedProgram, dict[str, str]], bytes]
    outputs: Callable[[bytes, Tensor], Tensor]
    tolerance: float


def program(network: nn.Module, shape: tuple[int, ...]) -> ExportedProgram:
    """The network (eval mode) as a graph for any number of pictures of a shape."""
    batch = torch.export.Dim("N", min=1)
    return torch.export.export(network, (torch.zeros(2, *shape),), dynamic_shapes=({0: batch},))


def torch_export(graph: ExportedProgram, texts: dict[str, str]) -> bytes:
    """What torch.export.load reads; the texts are extra files."""
    file = io.BytesIO()
    torch.export.save(graph, file, extra_files=dict(texts))
    return file.getvalue()


def torch_export_outputs(data: bytes, pictures: Tensor) -> Tensor:
    """What such a file computes."""
    outputs: Tensor = torch.export.load(io.BytesIO(data)).module()(pictures)
    return outputs


def onnx(graph: ExportedProgram, texts: dict[str, str]) -> bytes:
    """An ONNX model with its weights; the texts are properties of its metadata."""
    made = torch.onnx.export(
        graph,
        dynamo=True,
        input_names=[PICTURES],
        output_names=[LOGITS],
        verbose=False,
    )
    assert made is not None
    model = made.model_proto
    for key, text in texts.items():
        model.metadata_props.add(key=key, value=text)
    data: bytes = model.SerializeToString()
    return data


def onnx_outputs(data: bytes, pictures: Tensor) -> Tensor:
    """What onnxruntime computes of a model on the processor."""
    from onnxruntime import InferenceSession

    session = InferenceSession(data, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run([LOGITS], {PICTURES: pictures.numpy()})[0])


FORMATS = {
    "torch_export": Format(".pt2", (), torch_export, torch_export_outputs, 0.0),
    "onnx": Format(
        ".onnx", ("onnx", "onnxscript", "onnxruntime"), onnx, onnx_outputs, ONNX_TOLERANCE
    ),
}


def check_formats(names: Sequence[str]) -> None:
    """ExportError for an unknown format, or one whose libraries are not installed."""
    for name in names:
        if name not in FORMATS:
            raise ExportError(f"--format {name}: {unknown('format', name, list(FORMATS))}")
        missing = [library for library in FORMATS[name].needs if find_spec(library) is None]
        if missing:
            raise ExportError(
                f"--format {name} needs {' and '.join(missing)}: pip install 'nas[{name}]'."
            )


def write_formats(
    names: Sequence[str], network: nn.Module, shape: tuple[int, ...], inputs: Inputs, module: Path
) -> list[Path]:
    """Write forms of an exported module beside it, and compare what they and it compute; the
    network is traced once for all.

    network: the exported one with its weights. shape: of one picture, (channels, height, width).
    RuntimeError where the outputs differ by more than a format's tolerance.
    """
    if not names:
        return []
    network.eval()
    paths = []
    with quiet(), torch.no_grad():
        graph = program(network, shape)
        for name in dict.fromkeys(names):
            form = FORMATS[name]
            data = form.serialised(graph, texts(inputs))
            compare(name, form, data, network, shape)
            paths.append(module.with_suffix(form.suffix))
            with replacing(paths[-1]) as file:
                file.write(data)
    return paths


def compare(
    name: str, form: Format, data: bytes, network: nn.Module, shape: tuple[int, ...]
) -> None:
    """RuntimeError where a form and the network compute different things, for one picture or
    several."""
    generator = torch.Generator().manual_seed(0)
    for count in (1, 3):
        pictures = torch.randn(count, *shape, generator=generator)
        ours, theirs = network(pictures), form.outputs(data, pictures)
        allowed = form.tolerance * float(ours.abs().max())
        if not torch.allclose(theirs, ours, rtol=0, atol=allowed, equal_nan=True):
            raise RuntimeError(f"the {name} file computes something else than the network.")


def texts(inputs: Inputs) -> dict[str, str]:
    """What a program needs to use the network, as JSON texts: names of the classes, and what
    pictures from 0 to 1 are normalised with."""
    found: dict[str, Any] = {"classes": list(inputs.classes)}
    if inputs.mean and inputs.std:
        found |= {"mean": list(inputs.mean), "std": list(inputs.std)}
    return {key: json.dumps(value) for key, value in found.items()}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what torch's exporters say of themselves and of libraries that are not installed."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
