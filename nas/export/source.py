"""Architecture -> the Python module of its network: torch alone, one line for each block.

Block types are copied from nas/model/blocks.py and block classes from nas/model/network.py: what is
exported is the code that was trained. The rest is written from the layout. Title and facts are the
only foreign text and stand in the docstring alone; all else is a number or a registered name.
"""

from collections.abc import Iterator

from nas.export.formatting import TAKEN, docstring, free_name, numbers
from nas.export.prediction import Inputs, constants, predict
from nas.export.writer import Writer
from nas.model.architecture import Architecture

MODULE = """\
{docstring}

{head}


{parts}


if __name__ == "__main__":
    network = Network().eval()
    weights = Path(__file__).with_suffix(".pt")
    if weights.exists():
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        print("weights:", weights.name)
    with torch.no_grad():
        output = network(torch.zeros(1, {shape}))
    print("output shape:", tuple(output.shape))
    print("parameters:", sum(parameter.numel() for parameter in network.parameters()))
"""


def module_source(
    architecture: Architecture, *, title: str, facts: list[str], inputs: Inputs | None = None
) -> str:
    """The module as text; its Network loads the state dict of the nas.Network of the architecture.

    With `inputs` it also has their constants and `predict`. ValueError for a name that is not
    registered and for a value that is not a number.
    """
    parts: dict[str, str] = {}
    try:
        writer = Writer(architecture)
        for name, source in writer.parts():
            if parts.setdefault(free_name(name), source) != source:
                raise ValueError(TAKEN.format(name))
    except (TypeError, LookupError, OverflowError) as error:
        raise ValueError(f"this architecture cannot be exported: {error!r}.") from error
    head, texts = import_block(writer.copier.imports), list(parts.values())
    if inputs is not None:
        head += f"\n\n{constants(inputs)}"
        texts.append(predict(inputs, architecture))
    return MODULE.format(
        docstring=docstring(title, facts),
        head=head,
        parts="\n\n\n".join(texts),
        shape=numbers(*architecture.image_shape),
    )


def import_block(needed: set[str]) -> str:
    """The import lines of a module: those of every one, and those that its copied parts need."""
    lines = needed | {"from pathlib import Path", "import torch", "from torch import nn"}
    ordered = sorted(joined_imports(lines), key=lambda line: (line.startswith("from"), line))
    of_torch = [line for line in ordered if line.split()[1].partition(".")[0] == "torch"]
    others = [line for line in ordered if line not in of_torch]
    return "\n".join([*others, "", *of_torch])


def joined_imports(lines: set[str]) -> Iterator[str]:
    """The lines, with one for all that is imported from the same module."""
    names: dict[str, list[str]] = {}
    for line in sorted(lines):
        module, imports, name = line.partition(" import ")
        if not imports:
            yield line
        else:
            names.setdefault(module, []).append(name)
    for module, found in names.items():
        yield f"{module} import {', '.join(found)}"
