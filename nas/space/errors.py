"""Plain data -> checked sections, with faults told as sentences that name their place."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from nas.common.errors import SpaceError, shown
from nas.common.plugins import (
    MODULE,
    import_installed_plugins,
    import_plugins,
    imported_plugins,
)
from nas.space.schema import SpaceSection, current
from nas.space.yaml import KeyPath, Source, cut

#: what is told of a text that has not the form it must have
HINTS = {
    "name": "use letters, digits, dots, dashes and underscores, 64 at most",
    "plugins": "write each as package.module",
    "class_path": "write it as package.module.Class",
    "background": "write it as '#rrggbb', in quotes",
    "timeout": "write a time as 90s, 20m or 2h",
    "trial_timeout": "write a time as 90s, 20m or 2h",
}
#: keys whose values can be parts of one's own
OWN_PARTS = (
    *("block", "stem", "shortcut", "join", "activation", "activation_order", "norm"),
    *("initialisation", "placement", "schedule", "sampler", "pruner"),
)
#: Python's constants as YAML writes them
YAML_WORDS = {"True": "true", "False": "false", "None": "null"}


def read_section(source: Source) -> SpaceSection:
    """Check the data of a source; SpaceError with a line for each fault.

    The plugins it names must have been imported: a look at a space runs no code of it.
    """
    import_installed_plugins()
    for place, plugin in named_plugins(source):
        if plugin not in imported_plugins():
            raise SpaceError(
                f"{source.place(place)}: plugin {plugin!r} is not imported. Its code runs if you "
                f"say so: --import {plugin}, or --trust where a command has it."
            )
    try:
        return current(SpaceSection).model_validate(source.data)
    except ValidationError as error:
        lines = dict.fromkeys(sentence(source, dict(fault)) for fault in error.errors())
        raise SpaceError("\n".join(lines)) from error


def import_named_plugins(source: Source) -> None:
    """Import the plugins that a source names; SpaceError where one cannot be."""
    for place, plugin in named_plugins(source):
        with placed(source, place):
            import_plugins([plugin])


def named_plugins(source: Source) -> list[tuple[KeyPath, str]]:
    """The plugins that a source names, each with its place; what is no name is left out."""
    named = source.data.get("plugins") if isinstance(source.data, dict) else None
    return [
        (("plugins", index), name)
        for index, name in enumerate(named if isinstance(named, list) else [])
        if isinstance(name, str) and re.match(MODULE, name)
    ]


def sentence(source: Source, fault: dict[str, Any]) -> str:
    """`file:line:column: key: what is wrong, what was found`."""
    path, context = place_of(source.data, fault["loc"]), fault.get("ctx", {})
    key = (
        ".".join(map(str, path[-2:] if path and isinstance(path[-1], int) else path[-1:]))
        or "the space"
    )
    if fault["type"] == "unknown_key":
        told, (_, _, known) = context["sentence"], context["sentence"].partition(": ")
        told += own_part(path, context["key"], known)
        return f"{source.place((*path, context['key']), key=True)}: {told}"
    if fault["type"] == "missing":
        return f"{source.place(path)}: {fault['loc'][-1]!r} is missing here."
    if fault["type"] == "value_error":
        return f"{source.place(path)}: {key}: {context['error']}."
    found = shown(fault["input"])
    told = f"{key}: {message(fault)}, found {YAML_WORDS.get(found, found)}."
    known = str(context.get("expected", ""))
    return f"{source.place(path)}: {told}{own_part(path, fault['input'], known)}"


def own_part(path: KeyPath, name: Any, known: str) -> str:
    """The way on where a name may be that of a part of the user's own: no known one is like it."""
    places = [step for step in path if isinstance(step, str)]
    words = re.findall(r"\w+", known)
    if not places or places[-1] not in OWN_PARTS or not isinstance(name, str) or not words:
        return ""
    if not re.fullmatch(r"[A-Za-z]\w*", name) or get_close_matches(name, words, n=1):
        return ""
    return f" If {name!r} is a part of your own, name its module: --import MODULE."


def message(fault: dict[str, Any]) -> str:
    """What a value should be."""
    if fault["type"] == "model_type":
        return "should be a mapping, `{key: value}`"
    if fault["type"] == "bool_type" or fault.get("ctx", {}).get("expected") == "True or False":
        return "should be true or false"
    key = next(step for step in reversed(fault["loc"]) if isinstance(step, str))
    if fault["type"].startswith("string_") and key in HINTS:
        return HINTS[key]
    _, should, rest = fault["msg"].replace(" after validation", "").partition(" should ")
    return f"should {rest}" if should else fault["msg"]


def place_of(data: Any, loc: tuple[str | int, ...]) -> KeyPath:
    """The path in the YAML data that an error's location means; it also names forms and parts."""
    path: list[str | int] = []
    for step in loc:
        inside = isinstance(data, dict) or (isinstance(data, list) and isinstance(step, int))
        if inside and (step in data if isinstance(data, dict) else int(step) < len(data)):
            data = data[step]
            path.append(step)
    return tuple(path)


@contextmanager
def placed(source: Source, path: KeyPath) -> Iterator[None]:
    """Turn a ValueError about a part of the data into a SpaceError that says where it stands.

    A message that begins with a key of the space, as in `dataset.path: ...`, is placed there.
    """
    try:
        yield
    except SpaceError:
        raise
    except ValueError as error:
        named = tuple(re.split(r":\s|$", str(error), maxsplit=1)[0].split("."))
        place = source.place(named if named[0] in source.data and named[1:] else path)
        raise SpaceError(f"{place}: {error}") from error


def blamed(
    error: SpaceError, settings: Sequence[str], read_file: Callable[[], object]
) -> SpaceError:
    """The error, placed at the `--set` settings where the file without them has no fault."""
    lines = str(error).splitlines()
    in_file = [line for line in lines if not line.startswith("--set ")]
    if not settings or not in_file:
        return error
    try:
        read_file()
    except SpaceError:
        return error
    place = " ".join(f"--set {cut(setting)}" for setting in settings)
    return SpaceError("\n".join(f"{place}: {line}" if line in in_file else line for line in lines))
