"""YAML text -> plain data that remembers where each part stands. Nothing else reads YAML."""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from nas.common.errors import SpaceError, shown

KeyPath = tuple[str | int, ...]

MAX_BYTES = 64 * 1024
MAX_NODES = 5_000
MAX_DEPTH = 20
TOO_MUCH = "too many or too deeply nested values"
BUNDLED = [Path(__file__).parents[1] / "search_spaces", Path(__file__).parents[2] / "search_spaces"]


class Loader(yaml.SafeLoader):
    """YAML 1.2 scalars: 1e-3 is a number, `no` and `010` are text. Stops at too many values."""

    composed = depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next node with what is in it; an alias counts as one, and is followed later."""
        self.composed += 1
        self.depth += 1
        if self.composed > MAX_NODES or self.depth > MAX_DEPTH + 1:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem=TOO_MUCH, problem_mark=mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in [
    ("bool", r"true|false", "tf"),
    ("int", r"[-+]?(0|[1-9][0-9]{0,17})", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]{1,30}|(0|[1-9][0-9]{0,30})(\.[0-9]{0,30})?)([eE][-+]?[0-9]{1,3})?",
        "-+.0123456789",
    ),
    ("null", r"~|null|", "~n\0"),
]:
    Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{tag}", re.compile(rf"(?:{pattern})\Z"), [*first]
    )
Loader.yaml_implicit_resolvers[""] = Loader.yaml_implicit_resolvers.pop("\0")


CONVERT: dict[str, Callable[[str], Any]] = {
    "bool": {"true": True, "false": False}.__getitem__,
    "int": int,
    "float": float,
    "null": lambda text: None,
    "str": str,
}


class Source:
    """The data of one YAML file, and the place of every part of it."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self._places: dict[KeyPath, str] = {}
        self._keys: dict[KeyPath, str] = {}
        self._nodes = 0
        self.data = self._read(text)

    def again(self) -> "Source":
        """The same as it was read, without what was assigned since."""
        return Source(self.name, self.text)

    @classmethod
    def load(cls, path: Path, name: str | None = None) -> "Source":
        """Read a file; SpaceError where it is no short UTF-8 text."""
        name = name or str(path)
        if not path.is_file():
            kind = (
                "a folder" if path.is_dir() else "no regular file" if path.exists() else "not there"
            )
            raise SpaceError(f"{name}: is {kind}; a search space is a YAML file.")
        try:
            with path.open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
            if len(raw) > MAX_BYTES:
                raise SpaceError(
                    f"{name}: is larger than {MAX_BYTES // 1024} KiB, too large for a search space."
                )
            return cls(name, raw.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            line = raw[: error.start].count(b"\n") + 1
            raise SpaceError(
                f"{name}:{line}:1: byte {raw[error.start]:#04x} is not UTF-8; save it as UTF-8."
            ) from error
        except OSError as error:
            raise SpaceError(f"{name}: cannot be read: {error.strerror}.") from error

    def place(self, path: KeyPath, *, key: bool = False) -> str:
        """Where a part or its key stands, or the nearest part around it: `file:line:column`."""
        if key and path in self._keys:
            return self._keys[path]
        for length in range(len(path), -1, -1):
            if path[:length] in self._places:
                return self._places[path[:length]]
        return f"{self.name}:1:1"

    def assign(self, setting: str) -> None:
        """Apply one `--set a.b.0.c=value`; the value is read as YAML."""
        key, equals, text = setting.partition("=")
        place = f"--set {cut(setting)}"
        if not equals or not key.strip() or len(setting) > MAX_BYTES:
            raise SpaceError(f"{place}: write it as key=value, as in --set training.epochs=3.")
        *parents, last = map(step_of, key.strip().split("."))
        value = Source(place, text).data
        here: Any = self.data
        for part in parents:
            if isinstance(here, dict) and part not in here and isinstance(part, str):
                here[part] = {}
            here = step_into(here, part, place)
        step_into(here, last, place, missing_ok=True)
        here[last] = value
        path = (*parents, last)
        self._places = {k: v for k, v in self._places.items() if k[: len(path)] != path}
        self._places[path] = place

    def name_plugins(self, plugins: Iterable[str]) -> None:
        """Add plugins to those that the space names, as `--import` does."""
        for plugin in plugins:
            named = self.data.setdefault("plugins", [])
            if isinstance(named, list) and plugin not in named:
                self._places["plugins", len(named)] = f"--import {plugin}"
                named.append(plugin)

    def _read(self, text: str) -> Any:
        try:
            node = yaml.compose(text, Loader=Loader)
            return {} if node is None else self._data(node, ())
        except SpaceError:
            raise
        except (yaml.YAMLError, ValueError) as error:
            raise SpaceError(f"{self.name}{yaml_fault(error, text)}.") from error

    def _mark(self, node: yaml.Node) -> str:
        return f"{self.name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"

    def _data(self, node: yaml.Node, path: KeyPath) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise SpaceError(f"{self._mark(node)}: {TOO_MUCH}.")
        self._places.setdefault(path, self._mark(node))
        if isinstance(node, yaml.MappingNode):
            self._check_tag(node, "map")
            return {key: self._data(value, (*path, key)) for key, value in self._pairs(node, path)}
        if isinstance(node, yaml.SequenceNode):
            self._check_tag(node, "seq")
            return [self._data(value, (*path, index)) for index, value in enumerate(node.value)]
        return self._scalar(node)

    def _scalar(self, node: yaml.Node) -> Any:
        kind = self._check_tag(node, *CONVERT)
        try:
            return CONVERT[kind](node.value)
        except (ValueError, KeyError) as error:
            raise SpaceError(f"{self._mark(node)}: {cut(node.value)!r} is no {kind}.") from error

    def _check_tag(self, node: yaml.Node, *kinds: str) -> str:
        prefix, _, kind = node.tag.rpartition(":")
        if prefix != "tag:yaml.org,2002" or kind not in kinds:
            raise SpaceError(
                f"{self._mark(node)}: the tag {cut(node.tag)!r} has no meaning here; leave it out."
            )
        return kind

    def _pairs(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[str, yaml.Node]]:
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise SpaceError(f"{self._mark(key)}: a key must be a plain word.")
            if key.value in seen:
                raise SpaceError(
                    f"{self._mark(key)}: key {cut(key.value)!r} stands here twice; keep one."
                )
            seen.add(key.value)
            self._keys[(*path, key.value)] = self._mark(key)
            yield key.value, value


class DataSource(Source):
    """The data of a Python program; the place of a part is its key."""

    def __init__(self, name: str, data: Any) -> None:
        try:
            text = json.dumps(data, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise SpaceError(
                f"{name}: a search space is of mappings, lists, texts and finite numbers: {error}."
            ) from error
        super().__init__(name, text)

    def again(self) -> "DataSource":
        """The same as it was read, without what was assigned since."""
        return DataSource(self.name, json.loads(self.text))

    def place(self, path: KeyPath, *, key: bool = False) -> str:
        """The key of a part, as `dict: training.epochs`, or the `--set` that said it."""
        told = super().place(path, key=key)
        if not told.startswith(f"{self.name}:"):
            return told
        return f"{self.name}: {'.'.join(map(str, path))}" if path else self.name


def cut(text: str) -> str:
    """The text on one line, without what is too long to be told."""
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:77]}..."


def step_of(part: str) -> str | int:
    """A part of a dotted key: an index where it is a short number."""
    return int(part) if re.fullmatch("[0-9]{1,4}", part) else part


def yaml_fault(error: Exception, text: str) -> str:
    """Where a text is not YAML, and why."""
    if isinstance(error, yaml.reader.ReaderError):
        before, sign = text[: error.position], text[error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return f":{line}:{column}: this is not YAML: the character {ascii(sign)} is not allowed"
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
    what = getattr(error, "problem", None) or " ".join(str(error).split())
    return f"{where}: {what if what == TOO_MUCH else f'this is not YAML: {what}'}"


def step_into(here: Any, part: str | int, place: str, *, missing_ok: bool = False) -> Any:
    """One step along a dotted key, SpaceError where it leads nowhere."""
    if isinstance(here, dict) and (part in here or missing_ok):
        return here.get(part)
    if isinstance(here, list) and isinstance(part, int) and part < len(here):
        return here[part]
    known = (
        ", ".join(here)
        if isinstance(here, dict)
        else f"0 to {len(here) - 1}"
        if isinstance(here, list)
        else "nothing"
    )
    raise SpaceError(f"{place}: there is no {shown(part)} here; there is {known}.")


def find(name: str) -> tuple[Path, bool]:
    """The file of a space, a path or a bundled name, and whether it is a bundled one."""
    path = Path(name)
    bundled = bundled_spaces()
    if os.path.exists(name) and not (path.is_dir() and name in bundled):
        return path, False
    if path.stem in bundled and path.suffix in ("", ".yaml", ".yml"):
        return bundled[path.stem], True
    near = get_close_matches(path.stem, bundled, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise SpaceError(
        f"{name}: there is no such file and no bundled space of that name.{hint} "
        f"Bundled spaces: {', '.join(bundled)}. `nas init` writes them here for editing."
    )


def bundled_spaces() -> dict[str, Path]:
    """Name -> file of the spaces that come with the package."""
    folder = next((folder for folder in BUNDLED if folder.is_dir()), None)
    return {} if folder is None else {path.stem: path for path in sorted(folder.rglob("*.yaml"))}
