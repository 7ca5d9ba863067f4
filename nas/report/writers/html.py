"""The report as one HTML page that needs nothing else: figures, script and style inside."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from nas.report.document import (
    CODE,
    END,
    Drawing,
    Items,
    Kind,
    Part,
    Section,
    Table,
    Text,
    drawings,
)
from nas.report.style import COLOURS, counted
from nas.report.writers.markdown import MOST_SENTENCES

HERE = Path(__file__).parent
UNSURE = " not resolved"


def page(
    title: str,
    lead: Sequence[str],
    verdict: Sequence[str],
    command: str,
    sections: Sequence[Section],
) -> str:
    """The whole page: title, facts in a line, the verdict, and the sections."""
    from plotly.offline import get_plotlyjs

    scripts = [get_plotlyjs(), (HERE / "page.js").read_text(encoding="utf-8")]
    body = [
        f"<h1>{text(title)}</h1>",
        f'<p class="lead">{" · ".join(map(text, lead))}</p>',
        verdict_html(verdict, command),
        contents(sections),
        *map(section_html, sections),
    ]
    head = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy(scripts)}">\n'
        f"<title>{text(title)}</title>\n<style>\n{styles()}</style>\n</head>\n<body>\n<main>\n"
    )
    pieces = [head, "\n".join(filter(None, body))]
    pieces += ['\n</main>\n<script type="application/json" id="figures">', figures_json(sections)]
    pieces.append("</script>\n")
    for script in scripts:
        pieces += ["<script>", script, "</script>\n"]
    return "".join([*pieces, "</body>\n</html>\n"])  # a sum would copy megabytes at each step


def policy(scripts: Sequence[str]) -> str:
    """Nothing may be loaded, and no other script may run than those of this page."""
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; script-src {hashes}"
    )


def styles() -> str:
    """The style sheet, with the colours of the shortcut kinds."""
    kinds = "".join(
        f".kind-{slug(name)}::before {{ background: {colour}; }}\n"
        for name, colour in COLOURS.items()
    )
    return (HERE / "page.css").read_text(encoding="utf-8") + kinds


def slug(name: str) -> str:
    """A name as part of a class."""
    return re.sub(r"[^a-z]+", "-", name.lower()).strip("-")


def text(value: object) -> str:
    """Text as HTML, with what is marked as code."""
    return re.sub(f"{CODE}(.*?){END}", r"<code>\1</code>", html.escape(str(value)))


def verdict_html(verdict: Sequence[str], command: str) -> str:
    """The headline, what else was found, and the command that goes on, if any."""
    head, *rest = verdict
    first, others = rest[:MOST_SENTENCES], rest[MOST_SENTENCES:]
    count = counted(len(others), "more sentence")
    folded = f"<details><summary>{count}</summary>{listing(others)}</details>" if others else ""
    more = (
        f'<p class="command">To train twins: <code>{html.escape(command)}</code></p>'
        if command
        else ""
    )
    return (
        '<section class="verdict" id="verdict"><h2>Verdict</h2>'
        f'<p class="headline">{text(head)}</p>'
        + (listing(first) + folded if rest else "")
        + more
        + "</section>"
    )


def listing(sentences: Sequence[str]) -> str:
    """Sentences as a list."""
    return f"<ul>{''.join(f'<li>{text(sentence)}</li>' for sentence in sentences)}</ul>"


def contents(sections: Sequence[Section]) -> str:
    """Links to the sections."""
    links = "".join(f'<li><a href="#{one.name}">{text(one.title)}</a></li>' for one in sections)
    return f'<nav aria-label="Contents"><ul>{links}</ul></nav>'


def section_html(section: Section) -> str:
    """A section; figures that follow each other stand in a grid."""
    inner = "".join(parts_html(section.parts))
    return f'<section id="{section.name}"><h2>{text(section.title)}</h2>{inner}</section>'


def parts_html(parts: Sequence[Part]) -> Iterator[str]:
    """The parts of a section."""
    for is_grid, some in groupby(
        parts, key=lambda part: isinstance(part, Drawing) and not part.wide
    ):
        inner = "".join(map(part_html, some))
        yield f'<div class="grid">{inner}</div>' if is_grid else inner


def part_html(part: Part) -> str:
    """One part."""
    if isinstance(part, Text):
        return f'<p class="{part.role}">{text(part.text)}</p>'
    if isinstance(part, Items):
        pairs = "".join(f"<dt>{text(term)}</dt><dd>{text(said)}</dd>" for term, said in part.items)
        return f"<dl>{pairs}</dl>"
    if isinstance(part, Table):
        return table_html(part)
    return figure_html(part)


def figure_html(drawing: Drawing) -> str:
    """A place for a figure, with title and caption."""
    height = drawing.figure.layout.height
    return (
        f'<figure><h3>{text(drawing.title)}</h3><div class="plot" id="figure-{drawing.name}" '
        f'role="img" aria-label="{html.escape(drawing.title)}" style="height: {height:g}px"></div>'
        f"<figcaption>{text(drawing.caption)}</figcaption></figure>"
    )


def table_html(table: Table) -> str:
    """A table that scrolls by itself where it is wide; folded where it is long."""
    head = "".join(f'<th scope="col">{text(cell)}</th>' for cell in table.head)
    rows = "".join(f"<tr>{''.join(map(cell_html, row))}</tr>" for row in table.rows)
    note = f'<p class="note">{text(table.note)}</p>' if table.note else ""
    table_ = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    inner = f'<div class="scroll" tabindex="0">{table_}</div>{note}'
    if table.folded:
        title = f"{text(table.title)} <small>{counted(len(table.rows), 'row')}</small>"
        return f"<details><summary>{title}</summary>{inner}</details>"
    return f"<h3>{text(table.title)}</h3>{inner}"


def cell_html(cell: str) -> str:
    """A cell: a shortcut kind with its colour, numbers to the right, what is not resolved paler."""
    if isinstance(cell, Kind):
        return f'<td><span class="kind kind-{slug(cell)}">{text(cell)}</span></td>'
    classes = ["long"] * (len(cell) > 28 and " " in cell)
    if re.match(r"^[+\N{MINUS SIGN}–]?[\d.,]*%?( |$)", cell) and len(cell) < 60:
        classes = ["number"]
    if cell.endswith(UNSURE):
        inner = f"{text(cell.removesuffix(UNSURE))}<br><small>{UNSURE.strip()}</small>"
        return f'<td class="number open">{inner}</td>'
    return (
        f'<td class="{" ".join(classes)}">{text(cell)}</td>'
        if classes
        else f"<td>{text(cell)}</td>"
    )


def figures_json(sections: Sequence[Section]) -> str:
    """All figures as JSON that cannot end the script it stands in."""
    figures = (f"{json.dumps(one.name)}:{one.figure.to_json()}" for one in drawings(sections))
    encoded = f"{{{','.join(figures)}}}"
    for sign in "<>&\u2028\u2029":
        encoded = encoded.replace(sign, f"\\u{ord(sign):04x}")
    return encoded
