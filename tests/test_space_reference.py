"""What is told of the keys of a space: in the schema for editors, and on a page of its own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nas.space.json_schema import attribute_docstrings, json_schema
from nas.space.schema import REGISTRIES, SECTIONS

ROOT = Path(__file__).parents[1]
NAS = Path(sys.executable).with_name("nas")


def keys_in(schema: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key of a schema, wherever it stands."""
    if isinstance(schema, dict):
        for key, value in schema.get("properties", {}).items():
            yield f"{place}.{key}", value
        for key, value in schema.items():
            yield from keys_in(value, f"{place}/{key}")
    elif isinstance(schema, list):
        for value in schema:
            yield from keys_in(value, place)


def test_editors_show_what_every_key_means() -> None:
    keys = dict(keys_in(json_schema()))
    assert len(keys) > 150
    without = [place for place, value in keys.items() if len(value.get("description", "")) < 10]
    assert without == []


def test_the_names_of_a_key_are_told_with_it() -> None:
    shortcut = json_schema()["$defs"]["StageSection"]["properties"]["shortcut"]
    assert "\n- projection: 1x1 convolution" in shortcut["description"]
    assert "zero_pad" not in shortcut["description"]


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda one: one.kind)
def test_every_part_and_option_is_described(registry: Any) -> None:
    for name in registry:
        assert registry.description(name).endswith("."), name
        for option in registry.options(name):
            assert registry.option_description(name, option).endswith("."), (name, option)


def test_no_text_stands_below_a_key_that_is_not_there() -> None:
    for section in SECTIONS:
        assert set(attribute_docstrings(section)) <= set(section.model_fields), section


def test_the_page_of_all_keys_is_up_to_date() -> None:
    """After a change: `nas schema --markdown > docs/yaml.md`."""
    page = (ROOT / "docs" / "yaml.md").read_text(encoding="utf-8")
    command = [NAS, "schema", "--markdown"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == page
