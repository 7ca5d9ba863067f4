"""How many trials there are and how they stand, in the words of the report and of the terminal."""

from collections import Counter
from collections.abc import Sequence

from nas.report.style import counted
from nas.report.trial_rows import OUTCOMES, Row

#: outcome -> what is said of trials that stand so
WORDS = {
    "trained": "trained to their end",
    "pruned": "pruned",
    "repeated": "repeating an earlier candidate with its numbers",
    "rejected": "rejected untrained by the constraints",
    "failed": "failed with an error",
    "running": "still in training",
    "paused": "paused at a rung",
    "queued": "queued",
}


def ended(rows: Sequence[Row]) -> str:
    """How many trials there are, and how they ended."""
    counts = Counter(row.outcome for row in rows)
    how = ", ".join(f"{counts[name]} {WORDS[name]}" for name in OUTCOMES if counts[name])
    return f"{counted(len(rows), 'trial')}: {how}" if rows else "no trials yet"
