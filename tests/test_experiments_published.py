"""Networks of papers: what implementations of others count and compute is what ours do."""

import json
from pathlib import Path
from typing import Any

import pytest

from experiments.published.run import (
    REFERENCES,
    RESULT,
    in_order,
    outputs,
    perturbed,
    the_architecture,
)
from nas.model.cost import cost
from nas.model.network import Network
from nas.space.space import bundled_spaces

RECORDS = [json.loads(line) for line in RESULT.read_text(encoding="utf-8").splitlines()]
#: how far recorded outputs, of 5 decimals, and ours may lie apart: by processor and library
TOLERANCE = 1e-3


def test_every_network_is_recorded_and_told() -> None:
    assert [record["name"] for record in RECORDS] == list(REFERENCES)
    assert set(REFERENCES) <= set(bundled_spaces())
    page = Path(RESULT).with_name("README.md").read_text(encoding="utf-8")
    for record in RECORDS:
        numbers = f"{record['parameters']:,} | {record['multiply_adds']:,} | {record['difference']}"
        assert (
            f"| `{record['name']}` | {record['reference']}, {record['called']} | {numbers} |"
            in page
        )
        assert record["difference"] < 1e-5


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: one["name"])
def test_they_count_and_compute_the_same(record: dict[str, Any]) -> None:
    architecture = the_architecture(record["name"])
    spent = cost(architecture)
    assert (spent.parameters, spent.multiply_adds) == (
        record["parameters"],
        record["multiply_adds"],
    )
    network = perturbed(Network(architecture, seed=0))
    found = outputs(network, architecture)[0, : len(record["logits"])].tolist()
    assert found == pytest.approx(record["logits"], abs=TOLERANCE)


def test_scales_of_the_branch_stand_behind_it() -> None:
    """Ours are ordered as references are read."""
    network = Network(the_architecture("resnet110_stochastic_depth"))
    ours = list(network.parameters())
    assert all(a is b for a, b in zip(in_order(network), ours, strict=True))
