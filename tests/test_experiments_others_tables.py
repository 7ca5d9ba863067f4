"""NAS-Bench-201's published accuracies: what a first and a second free path of a cell are worth."""

import os
from pathlib import Path

import pytest

from experiments.others_tables.expand import HEAD, live, operations, paths, rows, situation
from nas.tables.analysis import analyse
from nas.tables.pairs import Question
from nas.tables.read import DataTable, read_csv

ROOT = Path(__file__).parents[1]
NAME = "nats_bench.csv.xz"
FOLDERS = (Path(os.environ.get("NAS_DATA_DIR", "data")), ROOT.parent / "shared" / "data")
FILE = next((folder / NAME for folder in FOLDERS if (folder / NAME).is_file()), None)
needs_file = pytest.mark.skipif(FILE is None, reason=f"no {NAME} in NAS_DATA_DIR")
CELL = operations("|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|avg_pool_3x3~1|none~2|")
#: situation -> number of twins, and gain on the three data sets over all of them
TWINS = {
    "whole cell, first free path, around 1 convolution": (744, 2.35, 3.82, 6.81),
    "whole cell, first free path, around 2 convolutions": (848, 1.77, 3.85, 8.33),
    "whole cell, first free path, around 3 convolutions": (200, 1.56, 4.07, 7.68),
    "whole cell, second free path, longest path 1 convolution": (416, -2.52, -5.78, -2.46),
    "whole cell, second free path, longest path 2 convolutions": (256, -1.68, -2.23, -2.59),
    "part of the cell, 0 to 2, around 1 convolution": (800, -0.46, -1.28, 0.89),
    "part of the cell, 1 to 3, around 1 convolution": (800, -0.73, -1.54, 0.10),
}
#: the same with one unit for each class of isomorphic cells
CLASSES = {
    "whole cell, first free path, around 1 convolution": (212, 2.46, 3.74, 7.51),
    "whole cell, first free path, around 2 convolutions": (512, 1.62, 3.16, 7.41),
    "whole cell, first free path, around 3 convolutions": (200, 1.56, 4.07, 7.68),
}
DATA = ("CIFAR-10", "CIFAR-100", "ImageNet16-120")


def test_a_cell_is_read_edge_by_edge() -> None:
    assert CELL == ("nor_conv_3x3", "skip_connect", "none", "none", "avg_pool_3x3", "none")
    assert paths(CELL, 0, 3) == [(0, 4)]
    assert live(CELL) == {0, 4}


def test_a_situation_is_what_lies_beside_the_shortcut() -> None:
    assert situation(CELL, 3) == "whole cell, first free path, around 1 convolution"
    assert situation(CELL, 5) is None
    free = ("skip_connect", *CELL[1:])
    assert situation(free, 3) is None
    both = (*CELL[:5], "skip_connect")
    assert situation(both, 3) == "whole cell, second free path, longest path 1 convolution"


@pytest.fixture(scope="module")
def table() -> DataTable:
    assert FILE is not None
    columns = zip(*rows(FILE), strict=True)
    return DataTable("nats_twins", dict(zip(HEAD, map(list, columns), strict=True)))


def asked(cluster: str | None) -> Question:
    return Question(
        vary="shortcut",
        value="accuracy",
        match=("edge", "rest"),
        cluster=cluster,
        by="situation",
    )


@needs_file
@pytest.mark.parametrize(("cluster", "known"), [(None, TWINS), ("class", CLASSES)])
def test_the_published_gains_are_reproduced(
    table: DataTable, cluster: str | None, known: dict[str, tuple[float, ...]]
) -> None:
    found = {one.group: one for one in analyse(table, asked(cluster)).comparisons}
    assert len(found) == 21
    for situation_, (units, *gains) in known.items():
        for data, gain in zip(DATA, gains, strict=True):
            one = found[f"{data}: {situation_}"]
            assert one.effect.n == units
            assert one.effect.mean == pytest.approx(gain, abs=0.05)


@needs_file
def test_the_committed_result_is_that_of_today(table: DataTable) -> None:
    stored = read_csv(ROOT / "experiments" / "others_tables" / "results" / "effects.csv").columns
    found = analyse(table, asked("class")).comparisons
    assert list(stored["situation"]) == [one.group for one in found]
    for place, one in enumerate(found):
        for name, value in (
            ("difference", one.effect.mean),
            ("low", one.effect.low),
            ("high", one.effect.high),
        ):
            assert float(stored[name][place]) == pytest.approx(value, rel=1e-4)
        assert int(stored["pairs_higher"][place]) == one.higher


def test_a_first_free_path_pays_on_all_three_and_a_second_costs() -> None:
    stored = read_csv(ROOT / "experiments" / "others_tables" / "results" / "effects.csv").columns
    for name, answer in zip(stored["situation"], stored["answer"], strict=True):
        if "free path" in name:
            assert answer == ("higher" if "first free path" in name else "lower")
