"""The part of an exported module that goes from pictures to class names.

Class names are foreign text: they are written as strings in which all that could end one, or that
cannot be seen, is spelled out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.data.catalog import FROM_CODE, Dataset
from nas.data.module import ImageData, open_data
from nas.data.tables.encoding import Encoding
from nas.data.tables.module import TableData
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
ROWS = '''\
def features(rows):
    """Features (N, {features}, 1, 1) of rows, each a mapping of columns to values; those that are
    missing are None, "" or nan.
    """
    table = []
    for row in rows:
        known = {{k: v for k, v in row.items() if v is not None and v != "" and v == v}}
        line = []
        for name, (median, mean, deviation) in NUMBERS.items():
            line.append((float(known.get(name, median)) - mean) / deviation)
        for name, (usual, values) in WORDS.items():
            line += [float(str(known.get(name, usual)) == value) for value in values]
        table.append(line)
    return torch.tensor(table, dtype=torch.float64).float()[..., None, None]


def predict(network, rows):
    """{what} of rows, each a mapping of columns to values, as csv.DictReader gives."""
    network.eval()
    with torch.no_grad():
        {found}'''
OF_CLASSES = (
    "Class names",
    """\
scores = network(features(rows))
    return [CLASSES[index] for index in scores.argmax(1).tolist()]""",
)
OF_NUMBERS = (
    "The number to predict",
    """\
found = network(features(rows))[:, 0].tolist()
    mean, deviation = TARGET
    return [mean + deviation * one for one in found]""",
)


@dataclass(frozen=True)
class Inputs:
    """What a network was trained on: its classes, mean and deviation of each channel on a scale of
    0 to 1, and how many of the pictures outside the test split.

    A data module of the user tells its classes alone: it normalises and splits by itself. rows: of
    a table, what was fitted on its training rows, as `Encoding` is written.
    """

    classes: Sequence[str]
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    num_train: int | None = None
    num_outside_test: int | None = None
    rows: dict[str, Any] | None = None

    @property
    def is_number(self) -> bool:
        """Whether a number is predicted, and no class."""
        return self.rows is not None and self.rows["target"] is not None

    def trained_on(self) -> str:
        """The pictures in a sentence."""
        if self.num_train is None:
            return "Trained on the training split of a data module, without its validation split."
        noun = "pictures" if self.rows is None else "rows"
        if self.num_train == self.num_outside_test:
            return f"Trained on all {self.num_train:,} {noun} outside the test split."
        return (
            f"Trained on {self.num_train:,} of the {self.num_outside_test:,} {noun} outside the "
            "test split."
        )


def inputs_of(data: ImageData | UserData) -> Inputs:
    """What was trained on these data."""
    if isinstance(data, UserData):
        return Inputs(data.classes)
    if isinstance(data, TableData):
        rows = data.encoding.written()
        return Inputs(data.classes, None, None, data.num_train, data.num_outside_test, rows)
    return Inputs(data.classes, data.mean, data.std, data.num_train, data.num_outside_test)


def inputs_of_search(dataset: Dataset, data_dir: Path) -> Inputs:
    """What a candidate was trained on in a search: pictures are read, but no code is run."""
    if dataset.name in FROM_CODE:
        return Inputs([str(label) for label in range(dataset.num_classes or 0)])
    return inputs_of(open_data(dataset, data_dir=data_dir, batch_size=2, seed=0))


def constants(inputs: Inputs) -> str:
    """MEAN, STD and CLASSES as source."""
    lines: list[str] = []
    if inputs.rows is not None:
        lines += row_constants(Encoding.parse(inputs.rows))
        if inputs.is_number:
            return "\n".join(lines)
    if inputs.mean and inputs.std:
        lines += ["# of each channel, pictures being from 0 to 1"]
        lines += [f"MEAN = [{numbers(*inputs.mean)}]", f"STD = [{numbers(*inputs.std)}]"]
    names = [quoted(name) for name in inputs.classes]
    line = f"CLASSES = [{', '.join(names)}]"
    if len(line) > LINE_LENGTH:
        line = "\n".join(["CLASSES = [", *(f"    {name}," for name in names), "]"])
    return "\n".join([*lines, line])


def row_constants(encoding: Encoding) -> Iterator[str]:
    """NUMBERS, WORDS and TARGET as source."""
    yield "# columns of numbers: what stands for a missing one, mean and deviation of training rows"
    yield from mapping(
        "NUMBERS",
        [
            f"{quoted(one.name)}: ({numbers(one.median, one.mean, one.deviation)})"
            for one in encoding.numbers
        ],
    )
    yield "# columns of words: what stands for a missing one, and those that have a feature"
    yield from mapping(
        "WORDS",
        [
            f"{quoted(one.name)}: ({quoted(one.usual)}, ({', '.join(map(quoted, one.values))},))"
            for one in encoding.categories
        ],
    )
    if encoding.target:
        yield "# mean and deviation of what is predicted"
        yield f"TARGET = ({numbers(*encoding.target)})"


def mapping(name: str, items: Sequence[str]) -> Iterator[str]:
    """The lines of a constant."""
    if not items:
        yield f"{name} = {{}}"
        return
    yield f"{name} = {{"
    yield from (f"    {item}," for item in items)
    yield "}"


def predict(inputs: Inputs, architecture: Architecture) -> str:
    """The function `predict` as source."""
    if inputs.rows is not None:
        what, found = OF_NUMBERS if inputs.is_number else OF_CLASSES
        return ROWS.format(features=architecture.image_shape[0], what=what, found=found)
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
