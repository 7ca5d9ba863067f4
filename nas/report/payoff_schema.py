"""payoff.json as a typed model, and its JSON Schema, made from the models it is written from.

A new field keeps the version; one that is renamed, removed or means something else raises it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from nas.payoff.analysis import Payoff
from nas.payoff.answers import Finding
from nas.statistics import Effect

VERSION = 1
#: what files of this version may lack, as they were written before it was added
ADDED_LATER = {
    "PayoffFile": {"schema_version", "answer"},
    "Payoff": {"missing", "added", "with_added", "tuned", "blocks", "maps", "rivals"},
    "Comparison": {"equal_loss"},
    "AfterTraining": {"split"},
    "Contrast": {"hurdle", "equal_loss", "after_training"},
    "CrossoverDepth": {"last", "censored_shallow", "saturated"},
    "Effect": {"unpaired_p", "saturated"},
    "SpeedUp": {"at_most"},
    "OnsetDepth": {"is_deepest", "confidence"},
    "Tuned": {"usable"},
    "Twin": {"added", "curve", "finished", "left_out"},
}
SCALARS: dict[Any, dict[str, Any]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    str: {"type": "string"},
    float: {"type": ["number", "null"]},  # null: not finite, as the ends of an interval of one pair
    NoneType: {"type": "null"},
    Any: {},
}


@dataclass(frozen=True)
class SearchBudget:
    """A search or its random baseline: trials, best value of the first objective, seconds."""

    sampler: str
    trials: int
    best: float | None
    seconds: float | None


@dataclass(frozen=True)
class PayoffFile:
    """The numbers of a report for machines. `answer` is that of `nas verdict --json`, `twins` all
    effects (null without twins). `observed` is what the trials of the search show, which is no
    evidence; its shape may change.
    """

    schema_version: int
    study: str
    nas: str | None
    verdict: list[str]
    answer: Finding | None
    units: dict[str, str]
    searches: list[SearchBudget]
    twins: Payoff | None
    observed: dict[str, Any]


def schema() -> dict[str, Any]:
    """The JSON Schema of payoff.json."""
    defs: dict[str, Any] = {}
    top = schema_of(PayoffFile, defs)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"payoff.json of nas, version {VERSION}",
        **top,
        "$defs": dict(sorted(defs.items())),
    }


def schema_text() -> str:
    """The JSON Schema as it is published in docs/payoff.schema.json."""
    return json.dumps(schema(), indent=1)


def schema_of(hint: Any, defs: dict[str, Any]) -> dict[str, Any]:
    """What JSON holds for a type; dataclasses go to `defs`."""
    if hint in SCALARS:
        return SCALARS[hint]
    if is_dataclass(hint):
        return reference_to(hint, defs)
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"enum": list(args)}
    if origin in (Union, UnionType):
        return {"anyOf": [schema_of(arg, defs) for arg in args]}
    if origin in (dict, Mapping) or hint is dict:
        return {"type": "object", "additionalProperties": schema_of(args[1], defs)}
    if origin in (list, tuple, Sequence):
        return {"type": "array", "items": schema_of(args[0], defs)}
    raise TypeError(f"{hint} has no place in payoff.json.")


def reference_to(model: Any, defs: dict[str, Any]) -> dict[str, Any]:
    """A reference to a dataclass, which is described once."""
    name = model.__name__
    if name not in defs:
        defs[name] = {}  # it may hold itself
        defs[name] = object_schema(model, defs)
    return {"$ref": f"#/$defs/{name}"}


def object_schema(model: Any, defs: dict[str, Any]) -> dict[str, Any]:
    """A dataclass as an object."""
    hints = get_type_hints(model)
    names = [field.name for field in fields(model)]
    properties = {name: schema_of(hints[name], defs) for name in names}
    if model is Effect:
        properties |= {"n": SCALARS[int], "resolved": SCALARS[bool]}
    later = ADDED_LATER.get(model.__name__, set())
    return {
        "description": " ".join((model.__doc__ or "").split()),
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in later],
    }
