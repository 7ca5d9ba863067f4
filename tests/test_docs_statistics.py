"""docs/statistics.md says what the functions give."""

import math
import re
from pathlib import Path

from nas.statistics import fewest_pairs, resolvable_effect

TEXT = (Path(__file__).parents[1] / "docs" / "statistics.md").read_text(encoding="utf-8")


def test_the_table_of_pairs_is_that_of_the_function() -> None:
    rows = re.findall(r"^\| (\d+) \| (\S+) \| (\S+) \|$", TEXT, flags=re.MULTILINE)
    assert len(rows) == 8
    for pairs, *told in rows:
        for comparisons, cell in zip((1, 4), told, strict=True):
            effect = resolvable_effect(int(pairs), comparisons)
            assert cell == ("none" if math.isinf(effect) else f"{effect:.1f}")


def test_the_fewest_pairs_are_those_of_the_function() -> None:
    assert [fewest_pairs(comparisons) for comparisons in (1, 2, 6, 7)] == [4, 5, 5, 6]
    assert "Fewer than four pairs decide nothing, and fewer than five nothing as one of two" in TEXT
