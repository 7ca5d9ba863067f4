"""The report before it is a page: sections of texts, tables and figures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

#: signs of no script, around what is shown as code
CODE, END = "\ue000", "\ue001"


def code(text: str) -> str:
    """A text shown as code where it stands in another."""
    return f"{CODE}{text}{END}"


class Kind(str):
    """A cell that names a shortcut kind, shown with its colour."""

    __slots__ = ()


@dataclass(frozen=True)
class Text:
    """A paragraph; `role` is `text`, `note` or `warning`."""

    text: str
    role: str = "text"


@dataclass(frozen=True)
class Items:
    """A list of short texts, each with its term."""

    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """Cells as text; `folded` tables are opened by the reader."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    folded: bool = False

    def without(self, column: str) -> "Table":
        """The table without a column, where it has it."""
        if column not in self.head:
            return self
        at = list(self.head).index(column)
        head, *rows = ([*row[:at], *row[at + 1 :]] for row in (self.head, *self.rows))
        return replace(self, head=head, rows=rows)


@dataclass(frozen=True)
class Drawing:
    """A figure with its title, and a caption that says how to read it.

    Published ones are shown in the Optuna dashboard too; wide ones take the whole width.
    """

    name: str
    title: str
    figure: Any
    caption: str = ""
    published: bool = False
    wide: bool = False


Part = Text | Items | Table | Drawing


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    name: str
    title: str
    parts: list[Part] = field(default_factory=list)


def drawings(sections: Sequence[Section]) -> Iterator[Drawing]:
    """All figures in order."""
    for section in sections:
        yield from (part for part in section.parts if isinstance(part, Drawing))
