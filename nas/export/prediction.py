"""The part of an exported module that goes from pictures to class names.

Class names are foreign text: they are written as strings in which all that could end one, or that
cannot be seen, is spelled out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nas.data.catalog import FROM_CODE, Dataset
from nas.data.module import ImageData, open_data
from nas.data.user import UserData
from nas.export.formatting import LINE_LENGTH, numbers
from nas.model.architecture import Architecture

PREDICT = '''\
def predict(network, pictures):
    """Class names of pictures (N, {shape}){kind}."""
    network.eval()
{scaling}    with torch.no_grad():
        scores = network({inputs})
    return [CLASSES[index] for index in scores.argmax(1).tolist()]'''
SCALING = """\
    x = pictures / 255 if pictures.dtype == torch.uint8 else pictures
    mean, std = (torch.tensor(values).to(x).view(-1, 1, 1) for values in (MEAN, STD))
"""


@dataclass(frozen=True)
class Inputs:
    """What a network was trained on: its classes, mean and deviation of each channel on a scale of
    0 to 1, and how many of the pictures outside the test split.

    A data module of the user tells its classes alone: it normalises and splits by itself.
    """

    classes: Sequence[str]
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    num_train: int | None = None
    num_outside_test: int | None = None

    def trained_on(self) -> str:
        """The pictures in a sentence."""
        if self.num_train is None:
            return "Trained on the training split of a data module, without its validation split."
        if self.num_train == self.num_outside_test:
            return f"Trained on all {self.num_train:,} pictures outside the test split."
        return (
            f"Trained on {self.num_train:,} of the {self.num_outside_test:,} pictures outside the "
            "test split."
        )


def inputs_of(data: ImageData | UserData) -> Inputs:
    """What was trained on these data."""
    if isinstance(data, UserData):
        return Inputs(data.classes)
    return Inputs(data.classes, data.mean, data.std, data.num_train, data.num_outside_test)


def inputs_of_search(dataset: Dataset, data_dir: Path) -> Inputs:
    """What a candidate was trained on in a search: pictures are read, but no code is run."""
    if dataset.name in FROM_CODE:
        return Inputs([str(label) for label in range(dataset.num_classes or 0)])
    return inputs_of(open_data(dataset, data_dir=data_dir, batch_size=2, seed=0))


def constants(inputs: Inputs) -> str:
    """MEAN, STD and CLASSES as source."""
    lines = []
    if inputs.mean and inputs.std:
        lines += ["# of each channel, pictures being from 0 to 1"]
        lines += [f"MEAN = [{numbers(*inputs.mean)}]", f"STD = [{numbers(*inputs.std)}]"]
    names = [quoted(name) for name in inputs.classes]
    line = f"CLASSES = [{', '.join(names)}]"
    if len(line) > LINE_LENGTH:
        line = "\n".join(["CLASSES = [", *(f"    {name}," for name in names), "]"])
    return "\n".join([*lines, line])


def predict(inputs: Inputs, architecture: Architecture) -> str:
    """The function `predict` as source."""
    normalised = inputs.mean is not None
    kind = ", as the data module gave them"
    return PREDICT.format(
        shape=numbers(*architecture.image_shape),
        kind=": uint8 from 0 to 255, or float from 0 to 1" if normalised else kind,
        scaling=SCALING if normalised else "",
        inputs="(x - mean) / std" if normalised else "pictures",
    )


def quoted(text: str) -> str:
    """A string literal, as ruff format writes it."""
    plain = (c if c.isprintable() and c not in '"\\' else escaped(c) for c in text)
    return f'"{"".join(plain)}"'


def escaped(character: str) -> str:
    """A character that may not stand in a string as it is."""
    return "\\x22" if character == '"' else character.encode("unicode_escape").decode()
