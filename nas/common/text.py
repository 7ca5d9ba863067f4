"""Texts for people: lengths of time as they write them, and what a terminal may print."""

import re
import textwrap

#: how a length of time is written, for schemas
PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,3})?[smh]?$"
FACTORS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(text: str) -> float:
    """`90s`, `20m`, `2h` or a plain number, in seconds; ValueError for other words."""
    number = text.rstrip("smh")
    if not re.match(PATTERN, text) or not float(number):
        raise ValueError("write a time as 90s, 20m or 2h.")
    return float(number) * FACTORS[text[len(number) :]]


def duration(seconds: float) -> str:
    """A time in its natural unit."""
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return counted(round(seconds), "second")


def counted(number: int, word: str) -> str:
    """`1 trial`, `2,000 trials`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def printable(text: str) -> str:
    """The text without what a terminal would obey or could not show: names, causes and notes in a
    study may be anybody's."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def folded(text: str, width: int) -> str:
    """The text with no line of words beyond the width of a terminal, which would cut words at its
    edge. Commands stay whole, to be copied, and so does a word that is longer."""
    return "\n".join(_folded_line(line, width) for line in text.split("\n"))


def _folded_line(line: str, width: int) -> str:
    """One line; what follows stands a little further to the right."""
    words = line.lstrip()
    if len(line) <= width or words.startswith(("nas ", "--set ")):
        return line
    indent = " " * (len(line) - len(words) + 2)
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
