"""What mkdocs needs beside the pages of docs/: the README as first page, a reference made from
docstrings, and the files outside docs/ that pages link to, with those links.
"""

import inspect
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import nas

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(\]\()(?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")
#: where files outside docs/ stand in the site
OUTSIDE = "source"
README, FIRST = "README.md", "index.md"


def address(path: str) -> str:
    """The place in the site of a file of the repository."""
    if path == README:
        return FIRST
    return path.removeprefix("docs/") if path.startswith("docs/") else f"{OUTSIDE}/{path}"


def source(uri: str) -> str:
    """The file of the repository at a place in the site."""
    if uri == FIRST:
        return README
    return uri.removeprefix(f"{OUTSIDE}/") if uri.startswith(f"{OUTSIDE}/") else f"docs/{uri}"


def linked(page: str, target: str) -> str:
    """The file of the repository that a link of a page leads to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), target))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the first page, the reference, and whatever pages link to, pages among it too."""
    files.append(File.generated(config, "reference.md", content=reference()))
    files.append(File.generated(config, FIRST, abs_src_path=str(ROOT / README)))
    known = {file.src_uri for file in files}
    todo = [file.src_uri for file in files if file.src_uri.endswith(".md")]
    while todo:
        path = ROOT / source(todo.pop())
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        for _, target, _ in LINK.findall(text):
            found = linked(path.relative_to(ROOT).as_posix(), target)
            uri = address(found)
            if uri not in known and (ROOT / found).is_file():
                known.add(uri)
                files.append(File.generated(config, uri, abs_src_path=str(ROOT / found)))
                todo += [uri] if uri.endswith(".md") else []
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with its links to files as they stand in the site; folders have no page there."""
    uri = page.file.src_uri

    def to_site(link: re.Match[str]) -> str:
        found = linked(source(uri), link[2])
        if not (ROOT / found).is_file():
            return f"{link[1]}#)"
        place = posixpath.relpath(address(found), posixpath.dirname(uri) or ".")
        return f"{link[1]}{place}{link[3] or ''})"

    return LINK.sub(to_site, markdown)


def reference() -> str:
    """Every public name of the package with its signature and docstring, in Markdown."""
    parts = ["# Functions and classes", "What `import nas` has, from its docstrings."]
    for name in sorted(nas.__all__):
        part = getattr(nas, name)
        if inspect.isroutine(part) or inspect.isclass(part):
            parts += described(f"nas.{name}", part)
    return "\n\n".join(parts) + "\n"


def described(name: str, part: Any) -> list[str]:
    """A heading, a signature and a text; of a class its public methods too."""
    is_error = inspect.isclass(part) and issubclass(part, Exception)
    signature = "" if is_error else wrapped(str(inspect.signature(part)).replace("'", ""))
    found = [f"## `{name}`", f"```python\n{name}{signature}\n```", text(part)]
    for method, function in vars(part).items() if inspect.isclass(part) else ():
        function = inspect.unwrap(getattr(function, "__func__", function))
        if inspect.isfunction(function) and not method.startswith("_") and inspect.getdoc(function):
            shown = wrapped(str(inspect.signature(function)).replace("'", ""))
            found += [f"### `{method}`", f"```python\n{method}{shown}\n```", text(function)]
    return found


def wrapped(signature: str) -> str:
    """A long signature with one argument a line."""
    if len(signature) < 80:
        return signature
    inside = re.sub(r", (?=\*|\w+:|\w+=)", ",\n    ", signature[1:])
    return f"(\n    {inside}"


def text(part: Any) -> str:
    """A docstring as Markdown: what is not between backticks stands as it is written."""
    parts = (inspect.getdoc(part) or "").split("`")
    parts[::2] = [re.sub(r"([<>*_])", r"\\\1", one) for one in parts[::2]]
    return "`".join(parts)
