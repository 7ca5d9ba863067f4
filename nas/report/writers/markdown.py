"""The report as Markdown for a pull request: the verdict, the tables, the method."""

import re
from collections.abc import Sequence

from nas.payoff.headline import TESTED
from nas.report.document import CODE, END, Drawing, Items, Part, Section, Table, Text
from nas.report.style import counted

#: rows of a table that are shown; payoff.json and trials.csv have all of them
MOST_ROWS = 24
#: sentences of the verdict below its headline that are not folded
MOST_SENTENCES = 4
#: sections a pull request can do without
LEFT_OUT = ("curves", "gradients", "surface")


def escaped(value: object) -> str:
    """Text in which nothing is Markdown or HTML, but for what is marked as code."""
    words = re.split(f"{CODE}(.*?){END}", re.sub(r"\s+", " ", str(value)))
    return "".join(
        quoted(word) if index % 2 else _literal(word) for index, word in enumerate(words)
    )


def _literal(text: str) -> str:
    """Every sign that Markdown or HTML would read, made harmless."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]|~#!])", r"\\\1", text)


def quoted(text: str) -> str:
    """Code on one line, without what would end it or the cell of a table it stands in."""
    return f"`{re.sub('[`|]|[^ -~]', '?', ' '.join(text.split()))}`"


def markdown(
    title: str,
    lead: Sequence[str],
    verdict: Sequence[str],
    command: str,
    sections: Sequence[Section],
    table: Table | None = None,
    numbers: Sequence[str] = ("payoff.json", "trials.csv"),
) -> str:
    """The whole text. table: that of the verdict; `numbers` are the files that hold all of them."""
    lines = [f"# {escaped(title)}", " · ".join(map(escaped, lead)), *_verdict_text(verdict, table)]
    if command:
        lines.append(f"To train twins: {quoted(command)}")
    for section in sections:
        if section.name not in LEFT_OUT:
            parts = [_part_text(part) for part in section.parts if not isinstance(part, Drawing)]
            lines += [f"## {escaped(section.title)}", *parts] if parts else []
    files = " and ".join([", ".join(map(quoted, numbers[:-1])), quoted(numbers[-1])])
    lines.append(f"Figures: `report.html`; every number: {files}.")
    return "\n\n".join(lines) + "\n"


def unfolded(sentences: Sequence[str], table: Table | None) -> int:
    """How many sentences below the headline are not folded: those up to what was tested, where a
    table tells the rest."""
    if table is None:
        return MOST_SENTENCES
    places = [place for place, one in enumerate(sentences, 1) if one.startswith(TESTED)]
    return places[0] if places else MOST_SENTENCES


def _verdict_text(verdict: Sequence[str], table: Table | None) -> list[str]:
    """The headline and what else was found, long lists folded."""
    head, rest = verdict[0], verdict[1:]
    shown = unfolded(rest, table)
    lines = [f"**{escaped(head)}**", *listing(rest[:shown])]
    lines += [_rows_text(table), escaped(table.note)] if table else []
    if others := listing(rest[shown:]):
        count = counted(len(rest) - shown, "more sentence")
        lines.append(f"<details><summary>{count}</summary>\n\n{others[0]}\n\n</details>")
    return lines


def listing(sentences: Sequence[str]) -> list[str]:
    """A list as one paragraph, none where it is empty."""
    return ["\n".join(f"- {escaped(sentence)}" for sentence in sentences)] if sentences else []


def _part_text(part: Part) -> str:
    """One part."""
    if isinstance(part, Text):
        return ("> " if part.role == "warning" else "") + escaped(part.text)
    if isinstance(part, Items):
        return "\n".join(f"- **{escaped(term)}**: {escaped(said)}" for term, said in part.items)
    assert isinstance(part, Table)
    return _table_text(part)


def _table_text(table: Table) -> str:
    """A table, long ones folded and cut."""
    note = [escaped(table.note)] if table.note else []
    if len(table.rows) > MOST_ROWS:
        note.append(f"{len(table.rows) - MOST_ROWS} more rows are in `report.html`.")
    body = _rows_text(table) + "".join(f"\n\n{one}" for one in note)
    if table.folded:
        return f"<details><summary>{escaped(table.title)}</summary>\n\n{body}\n\n</details>"
    return f"**{escaped(table.title)}**\n\n{body}"


def _rows_text(table: Table) -> str:
    """Head and rows of a table, as many as are shown."""
    shown = (table.head, ["---"] * len(table.head), *table.rows[:MOST_ROWS])
    return "\n".join(f"| {' | '.join(map(escaped, row))} |" for row in shown)
