"""The JSON Schema of a search space, in which every key has a description for editors to show.

The descriptions are the texts under the keys of the sections; those of parts and of their options
are the docstrings of what is registered.
"""

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, get_args

from pydantic.fields import FieldInfo

from nas.common.plugins import import_installed_plugins
from nas.data.catalog import Dataset
from nas.space.fields import Deferred, Range, StrictSection
from nas.space.schema import SECTIONS, DatasetSection, SpaceSection, current

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_text() -> str:
    """The schema as text."""
    return json.dumps(json_schema(), indent=2)


def json_schema() -> dict[str, Any]:
    """The schema, with all that is registered by now."""
    import_installed_plugins()
    schema = current(SpaceSection).model_json_schema()
    schema["$schema"] = DIALECT
    for definition in (schema, *schema["$defs"].values()):
        describe(definition)
    finite: dict[str, Any] = json.loads(json.dumps(schema), parse_constant=lambda constant: None)
    return finite


def describe(definition: dict[str, Any]) -> None:
    """Add descriptions to the keys of a section or of a range."""
    sections: dict[str, type[StrictSection]] = {section.__name__: section for section in SECTIONS}
    title = definition["title"]
    section = Range if title.startswith("Range[") else sections.get(title)
    if section is not None:
        for key, text in key_descriptions(section).items():
            definition["properties"][key]["description"] = text


def key_descriptions(section: type[StrictSection]) -> dict[str, str]:
    """Key -> what it means, and below that what each name means that it can have."""
    texts = attribute_docstrings(Dataset if section is DatasetSection else section)
    return {
        key: "\n".join([texts[key], *(f"- {n}: {about}" for n, about in names_of(field).items())])
        for key, field in section.model_fields.items()
    }


def names_of(field: FieldInfo) -> dict[str, str]:
    """Name -> description of the parts that a key can name."""
    found: dict[str, str] = {}
    for one in (*field.metadata, *metadata_in(field.annotation)):
        if isinstance(one, Deferred):
            found |= one.descriptions()
    return found


def metadata_in(annotation: Any) -> Iterator[Any]:
    """What stands in the `Annotated[...]` of a type and of the types in it."""
    yield from getattr(annotation, "__metadata__", ())
    for inner in get_args(annotation):
        yield from metadata_in(inner)


def attribute_docstrings(section: type) -> dict[str, str]:
    """Attribute of a class -> the text below it, on one line."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(section))).body
    assert isinstance(node, ast.ClassDef)
    return {
        ast.unparse(before.target): " ".join(str(after.value.value).split())
        for before, after in pairwise(node.body)
        if isinstance(before, ast.AnnAssign)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
    }
