"""The report as one HTML page that needs nothing else: figures, script and style inside."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from nas.common.registry import base_name
from nas.model.blocks import SHORTCUTS
from nas.report.document import CODE, END, Drawing, Kind, Part, Section, Table, drawings
from nas.report.style import COLOURS, colours, counted, is_kind
from nas.report.writers.markdown import unfolded

HERE = Path(__file__).parent
UNSURE = " not resolved"


def page(
    title: str,
    lead: Sequence[str],
    verdict: Sequence[str],
    command: str,
    sections: Sequence[Section],
    table: Table | None = None,
    colour: Mapping[str, str] | None = None,
) -> str:
    """The whole page: title, facts in a line, the verdict with its table, and the sections.
    colour: that of each arm.
    """
    from plotly.offline import get_plotlyjs

    scripts = [get_plotlyjs(), (HERE / "page.js").read_text(encoding="utf-8")]
    rest = verdict[1:]
    return (
        templates()
        .get_template("page.html")
        .render(
            title=title,
            lead=lead,
            verdict=verdict,
            first=rest[: unfolded(rest, table)],
            others=rest[unfolded(rest, table) :],
            table=table,
            command=command,
            sections=sections,
            policy=Markup(_policy(scripts)),
            styles=Markup(_styles(colour or {})),
            figures=Markup(_figures_json(sections)),
            scripts=map(Markup, scripts),
        )
    )


@cache
def templates() -> Environment:
    """The templates with their filters; whatever they are given is escaped unless it is Markup."""
    known = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, auto_reload=False
    )
    known.globals |= {"UNSURE": UNSURE, "counted": counted}
    known.filters |= {
        "text": text,
        "slug": _slug,
        "runs": runs,
        "is_a": lambda part, name: type(part).__name__ == name,
        "is_kind": lambda cell: isinstance(cell, Kind),
        "is_number": _is_number,
    }
    return known


def runs(parts: Sequence[Part]) -> Iterator[tuple[bool, Iterator[Part]]]:
    """The parts of a section, and whether they stand in a grid: figures that are not wide."""
    return groupby(parts, key=lambda part: isinstance(part, Drawing) and not part.wide)


def _is_number(cell: str) -> bool:
    """Whether a cell is a number, perhaps with its interval behind it."""
    found = re.match(r"^[+\N{MINUS SIGN}–]?[\d.,]*%?( |$)", cell)
    return bool(found) and len(cell) < 60


def _policy(scripts: Sequence[str]) -> str:
    """Nothing may be loaded, and no other script may run than those of this page."""
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; script-src {hashes}"
    )


def _styles(colour: Mapping[str, str]) -> str:
    """The style sheet, with the colours of shortcut kinds, and of arms as figures have them."""
    shown = colours([*COLOURS, *SHORTCUTS]) | dict(colour)
    by_class = {_slug(name): colour for name, colour in sorted(shown.items())}
    kinds = "".join(
        f".kind-{name}::before {{ background: {colour}; }}\n" for name, colour in by_class.items()
    )
    return (HERE / "page.css").read_text(encoding="utf-8") + kinds


def _slug(name: str) -> str:
    """A name as part of a class; that of a shortcut kind whatever its options."""
    name = base_name(name) if is_kind(name) else name
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def text(value: object) -> Markup:
    """Text as HTML, with what is marked as code."""
    return Markup(re.sub(f"{CODE}(.*?){END}", r"<code>\1</code>", html.escape(str(value))))


def _figures_json(sections: Sequence[Section]) -> str:
    """All figures as JSON that cannot end the script it stands in."""
    figures = (f"{json.dumps(one.name)}:{one.figure.to_json()}" for one in drawings(sections))
    encoded = f"{{{','.join(figures)}}}"
    for sign in "<>&\u2028\u2029":
        encoded = encoded.replace(sign, f"\\u{ord(sign):04x}")
    return encoded
