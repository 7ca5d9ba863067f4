"""docs/architecture.md names files and functions that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(nas/[\w/]+(?:\.py|/))(?::([\w.]+))?`", TEXT)))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_what_the_page_names_is_there(file: str, name: str) -> None:
    assert (ROOT / file).exists()
    if name:
        text = (ROOT / file).read_text(encoding="utf-8")
        for part in name.split("."):
            assert re.search(rf"^\s*(?:def|class) {part}\b", text, flags=re.MULTILINE), part


def test_one_trial_is_followed_through_the_packages() -> None:
    packages = {file.split("/")[1] for file, _ in NAMED}
    assert {"space", "model", "training", "storage", "search", "payoff", "report"} <= packages


@pytest.mark.parametrize("name", sorted(one.stem for one in (ROOT / "tests").glob("test_*.py")))
def test_test_files_are_named_as_the_page_says_and_import_no_other(name: str) -> None:
    packages = {one.name for one in (ROOT / "nas").iterdir() if one.is_dir()}
    _, first, *part = name.split("_")
    few_parts, whole_tree = {"api", "cli"}, {"examples", "imports", "readme"}
    assert first in (packages | {"docs", "experiments"} if part else few_parts | whole_tree)
    text = (ROOT / "tests" / f"{name}.py").read_text(encoding="utf-8")
    assert set(re.findall(r"^from (test_\w+)", text, flags=re.MULTILINE)) <= {name}


def test_what_holds_an_expectation_is_there() -> None:
    text = (ROOT / "docs" / "expectations.md").read_text(encoding="utf-8")
    named = re.findall(r"\| `(tests/\w+\.py)` \|$", text, flags=re.MULTILINE)
    assert len(named) == text.count("\n| ") - 1, "each row but the head names its test"
    assert [one for one in named if not (ROOT / one).exists()] == []
