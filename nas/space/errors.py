"""Plain data -> checked sections, with faults told as sentences that name their place."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from nas.common.errors import SpaceError, shown
from nas.space.schema import SpaceSection
from nas.space.yaml import Place, Source

#: what is told of a text that has not the form it must have
HINTS = {
    "name": "use letters, digits, dots, dashes and underscores, 64 at most",
    "class_path": "write it as package.module.Class",
    "timeout": "write a time as 90s, 20m or 2h",
    "trial_timeout": "write a time as 90s, 20m or 2h",
}


def read_section(source: Source) -> SpaceSection:
    """Check the data of a source; SpaceError with a line for each fault."""
    try:
        return SpaceSection.model_validate(source.data)
    except ValidationError as error:
        lines = dict.fromkeys(sentence(source, dict(fault)) for fault in error.errors())
        raise SpaceError("\n".join(lines)) from error


def sentence(source: Source, fault: dict[str, Any]) -> str:
    """`file:line:column: key: what is wrong, what was found`."""
    path, context = place_of(source.data, fault["loc"]), fault.get("ctx", {})
    key = (
        ".".join(map(str, path[-2:] if path and isinstance(path[-1], int) else path[-1:]))
        or "the space"
    )
    if fault["type"] == "unknown_key":
        return f"{source.place((*path, context['key']), key=True)}: {context['sentence']}"
    if fault["type"] == "missing":
        return f"{source.place(path)}: {fault['loc'][-1]!r} is missing here."
    if fault["type"] == "value_error":
        return f"{source.place(path)}: {key}: {context['error']}."
    return f"{source.place(path)}: {key}: {message(fault)}, found {shown(fault['input'])}."


def message(fault: dict[str, Any]) -> str:
    """What a value should be."""
    if fault["type"] == "model_type":
        return "should be a mapping, `{key: value}`"
    if fault["type"].startswith("string_") and fault["loc"][-1] in HINTS:
        return HINTS[fault["loc"][-1]]
    _, should, rest = fault["msg"].replace(" after validation", "").partition(" should ")
    return f"should {rest}" if should else fault["msg"]


def place_of(data: Any, loc: tuple[str | int, ...]) -> Place:
    """The path in the YAML data that an error's location means; it also names forms and parts."""
    path: list[str | int] = []
    for step in loc:
        inside = isinstance(data, dict) or (isinstance(data, list) and isinstance(step, int))
        if inside and (step in data if isinstance(data, dict) else int(step) < len(data)):
            data = data[step]
            path.append(step)
    return tuple(path)


@contextmanager
def placed(source: Source, path: Place) -> Iterator[None]:
    """Turn a ValueError about a part of the data into a SpaceError that says where it stands."""
    try:
        yield
    except SpaceError:
        raise
    except ValueError as error:
        raise SpaceError(f"{source.place(path)}: {error}") from error
