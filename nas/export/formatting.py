"""Pieces of Python text: numbers, and lines broken as ruff format does."""

import keyword
import math
import re
import textwrap
from typing import Any

from nas.model.architecture import Named
from nas.model.blocks import BLOCKS, Conv, Ops

LINE_LENGTH = 100
RESERVED = {"torch", "nn", "F", "Path", "MEAN", "STD", "CLASSES", "predict", *keyword.kwlist}
TAKEN = "no part of an exported module can have the name {!r}."


def docstring(title: str, facts: list[str]) -> str:
    """A docstring nothing can end early: no double quotes, and raw where it has backslashes."""
    paragraphs = [[title], facts, ["Needs torch only. Written by `nas export`, yours to edit."]]
    wrapped = [
        "\n".join(line for text in texts for line in textwrap.wrap(visible(text), LINE_LENGTH - 4))
        for texts in paragraphs
    ]
    text = "\n\n".join(filter(None, wrapped))
    prefix, end = "r" if "\\" in text else "", "\n" if "\n" in text else ""
    return f'{prefix}"""{text}{end}"""'


def wrapped(text: str, indent: int = 4) -> str:
    """The docstring of a function, on one line where it fits."""
    margin = " " * indent
    if len(text) + indent + 6 <= LINE_LENGTH:
        return f'{margin}"""{text}"""'
    lines = textwrap.wrap(text, LINE_LENGTH - indent - 3)
    return f'{margin}"""' + f"\n{margin}".join([*lines, '"""'])


def visible(text: str) -> str:
    """The text with what cannot be seen spelled out, such as line ends and direction marks."""
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return "".join(shown).replace('"', "'").strip()


class SourceText(str):
    """Program text: shown without quotes, and a number's stand-in where a function is written."""

    __repr__ = str.__str__

    def __rmul__(self, factor: Any) -> "SourceText":
        return SourceText(f"{factor} * {self}")


def literal(value: Any) -> SourceText:
    """A number as source."""
    if type(value) in (bool, int, SourceText) or (type(value) is float and math.isfinite(value)):
        return SourceText(repr(value))
    raise ValueError(f"{value!r} cannot stand in an exported module: it is not a number.")


def numbers(*values: Any) -> str:
    """Literals with commas between."""
    return ", ".join(map(literal, values))


def free_name(name: str) -> str:
    """The name; ValueError where a part of an exported module cannot have it."""
    if not name.isidentifier() or name in RESERVED:
        raise ValueError(TAKEN.format(name))
    return name


def fitted(opening: str, items: list[str], closing: str, indent: int = 0) -> str:
    """Opening, items and closing on one line, or broken where ruff format would break them."""
    margin, text = " " * indent, ", ".join(items)
    if len(margin + opening + text + closing) <= LINE_LENGTH:
        return margin + opening + text + closing
    if len(margin) + 4 + len(text) > LINE_LENGTH:
        text = f",\n{margin}    ".join(items) + ","
    return f"{margin}{opening}\n{margin}    {text}\n{margin}{closing}"


def options(block_type: Named) -> dict[str, SourceText]:
    """Every option that a block type's function takes, also those left at their defaults."""
    given = BLOCKS.defaults(block_type.name) | block_type.arguments
    return {name: literal(given[name]) for name in BLOCKS.own_options(block_type.name)}


def shared_options(block_type: Named) -> dict[str, Any]:
    """The options of a block type that all have, and that are not at their defaults."""
    names = BLOCKS.written(block_type.name, block_type.arguments)
    own = BLOCKS.own_options(block_type.name)
    return {name: literal(value) for name, value in names.items() if name not in own}


def has_weights(shortcut: Ops | None) -> bool:
    """Whether a shortcut convolves; the others are written where they are used."""
    return any(isinstance(op, Conv) for op in shortcut or ())


def without(source: str, part: str) -> str:
    """The source of a block class without an optional part: its argument, attribute and calls."""
    lines = rf"^ .* = (?:self\.)?{part}\b.*\n|, where x is {part}\(input\)|, {part}=None"
    flat = r"[^()]"
    nested = rf"(?:{flat}|\((?:{flat}|\({flat}*\))*\))+"
    calls = rf"\b(?:self\.)?{part}\(({nested})\)"
    return re.sub(calls, r"\1", re.sub(lines, "", source, flags=re.MULTILINE))
