"""NAS-Bench-201's cells -> a table of twins that `nas analyse` reads: NATS_BENCH.CSV.XZ TWINS.CSV.

    python -m experiments.others_tables.expand nats_bench.csv.xz runs/nats_twins.csv

A cell has the nodes 0 to 3 and an operation on each of the edges (0,1) | (0,2) (1,2) | (0,3) (1,3)
(2,3). Twins are two cells of which one has a shortcut (`skip_connect`) on an edge and the other
one nothing (`none`), the other five operations equal, where the shortcut brings no other edge to
life: an exact pair without a parameter of difference.
"""

import csv
import lzma
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
CONVOLUTIONS = {"nor_conv_1x1", "nor_conv_3x3"}
#: the data sets and the columns of their accuracies
DATA_SETS = {
    "CIFAR-10": "CIFAR10TestAccuracy200Epochs",
    "CIFAR-100": "CIFAR100TestAccuracy200Epochs",
    "ImageNet16-120": "ImageNetTestAccuracy200Epochs",
}
HEAD = ("data", "situation", "edge", "rest", "class", "shortcut", "accuracy")
Cell = tuple[str, ...]


class Twins(NamedTuple):
    """Two cells that differ in one edge, and where that edge leads around."""

    edge: int
    without: Cell
    with_shortcut: Cell
    situation: str


def read_cells(path: Path) -> dict[Cell, dict[str, str]]:
    """Operations -> the row of a cell."""
    with lzma.open(path, "rt", encoding="utf-8") as file:
        return {operations(row["ArchitectureString"]): row for row in csv.DictReader(file)}


def operations(text: str) -> Cell:
    """`|a~0|+|b~0|c~1|+|d~0|e~1|f~2|` -> (a, b, c, d, e, f)."""
    nodes = [node.strip("|").split("|") for node in text.split("+")]
    return tuple(edge.split("~")[0] for node in nodes for edge in node)


def paths(cell: Cell, start: int, end: int) -> list[tuple[int, ...]]:
    """All ways from one node to another, as the edges that they take."""
    if start == end:
        return [()]
    return [
        (edge, *rest)
        for edge, (a, b) in enumerate(EDGES)
        if a == start and b <= end and cell[edge] != "none"
        for rest in paths(cell, b, end)
    ]


def live(cell: Cell) -> set[int]:
    """The edges on a way from the input to the output."""
    return {edge for path in paths(cell, 0, 3) for edge in path}


def twins_of(cells: dict[Cell, dict[str, str]]) -> Iterator[Twins]:
    """All twins in the situations that are compared."""
    for cell in cells:
        for edge in (EDGES.index(one) for one in ((0, 3), (0, 2), (1, 3))):
            if cell[edge] != "none":
                continue
            other = (*cell[:edge], "skip_connect", *cell[edge + 1 :])
            if live(other) == live(cell) | {edge} and (where := situation(cell, edge)):
                yield Twins(edge, cell, other, where)


def situation(cell: Cell, edge: int) -> str | None:
    """What a shortcut on that edge leads around; None where that is no convolution."""
    start, end = EDGES[edge]
    counts = [sum(cell[one] in CONVOLUTIONS for one in path) for path in paths(cell, start, end)]
    if not counts or not max(counts):
        return None
    longest = f"{max(counts)} convolution{'s' if max(counts) > 1 else ''}"
    if EDGES[edge] != (0, 3):
        inner = f"part of the cell, {start} to {end}, around {longest}"
        return inner if min(counts) == max(counts) == 1 else None
    if min(counts):
        return f"whole cell, first free path, around {longest}"
    return f"whole cell, second free path, longest path {longest}"


def rows(path: Path) -> Iterator[tuple[str, ...]]:
    """Two rows for each pair of twins and data set."""
    cells = read_cells(path)
    for one in twins_of(cells):
        rest = "|".join(op for edge, op in enumerate(one.without) if edge != one.edge)
        pair = (cells[one.without], cells[one.with_shortcut])
        cells_class = " / ".join(row["UniqueString"] for row in pair)
        for data, column in DATA_SETS.items():
            for shortcut, row in zip(("none", "skip_connect"), pair, strict=True):
                place = (data, f"{data}: {one.situation}", str(EDGES[one.edge]), rest)
                yield (*place, cells_class, shortcut, row[column])


def main(source: str, target: str) -> None:
    """Write the table."""
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    with Path(target).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEAD)
        writer.writerows(rows(Path(source)))


if __name__ == "__main__":
    main(*sys.argv[1:])
