"""The page of all keys of a search space, as Markdown: what editors show, to be read at once."""

import json
from collections.abc import Iterator
from typing import Any

from nas.common.registry import Registry
from nas.space.json_schema import json_schema
from nas.space.schema import REGISTRIES

HEAD = """\
# All keys of a search space

Written by `nas schema --markdown`; with `--import MODULE` it tells of your own parts as well. How a
space reads is told in [search spaces](spaces.md). A key that is left out has its default, where one
is given; one that is needed must be there. Searched: a list stands for a choice, and
`{low, high, step, log}` for a range.
"""
#: definition of the schema -> how the keys are told to which it belongs
SECTIONS = {
    "DatasetSection": "`dataset:`",
    "ArchitectureSection": "`architecture:`",
    "StageSection": "`architecture: stages:`, each",
    "TrainingSection": "`training:`",
    "CodeSection": "`training: logger:` and `callbacks:`, each",
    "ConstraintsSection": "`constraints:`",
    "Bound": "`constraints:`, each",
    "SearchSection": "`search:`",
    "PayoffSection": "`payoff:`",
}


def reference_text() -> str:
    """The page, with all that is registered by now."""
    schema = json_schema()
    definitions = schema["$defs"]
    parts = [HEAD, "## The top\n", *key_table(schema)]
    for name, title in SECTIONS.items():
        about = one_line(definitions[name]["description"])
        parts += [f"\n## {title}\n", f"{about}\n", *key_table(definitions[name])]
    parts.append("\n## Ranges\n")
    ranges = [one for name, one in definitions.items() if name.startswith("Range")]
    parts += key_table(ranges[0], "number")
    for registry in REGISTRIES:
        parts += [f"\n## Each {registry.kind}\n", *part_table(registry)]
    return "\n".join(parts) + "\n"


def key_table(definition: dict[str, Any], kind: str = "") -> Iterator[str]:
    """One row for each key of a section; `kind` where the values are of different ones."""
    yield "| key | value | searched | default | |"
    yield "|---|---|---|---|---|"
    needed = definition.get("required", [])
    for key, value in definition["properties"].items():
        found, searched = value_and_search(value)
        default = "needed" if key in needed else default_of(value)
        about = one_line(value["description"].partition("\n")[0])
        if kind and value.get("type") != "boolean":
            found = kind
        yield f"| `{key}` | {found} | {searched} | {default} | {about} |"


def part_table(registry: Registry[Any]) -> Iterator[str]:
    """One row for each part of a registry."""
    yield "| name | | options, with their defaults |"
    yield "|---|---|---|"
    for name in registry:
        options = "; ".join(
            f"`{option}` ({written(parameter.default)}): "
            + one_line(registry.option_description(name, option)).rstrip(".")
            for option, parameter in registry.options(name).items()
        )
        yield f"| `{name}` | {one_line(registry.description(name))} | {options} |"


def value_and_search(value: dict[str, Any]) -> tuple[str, str]:
    """What a key can be, in words, and how it can be searched."""
    forms = [form for form in value.get("anyOf", [value]) if form.get("type") != "null"]
    if len(forms) > 1:  # a name, a name with options, and each name with options beside it
        return form_in_words(value), ""
    if "oneOf" in forms[0]:
        one, *others = forms[0]["oneOf"]
        if one.get("type") == "boolean":  # nothing of it is searched
            return ", ".join(map(form_in_words, forms[0]["oneOf"])), ""
        return form_in_words(one), "choice or range" if len(others) > 1 else "choice"
    return form_in_words(forms[0]), ""


def form_in_words(form: dict[str, Any]) -> str:
    """One form of a value in words."""
    if "$ref" in form:
        return "mapping"
    first = form.get("anyOf", [{}])[0]
    if first.get("type") == "string" and "enum" not in first:  # the name of a class
        return ", ".join(map(form_in_words, form["anyOf"]))
    if "oneOf" in form or "anyOf" in form:
        return ", ".join([*map(written, names_of(form)), "or `{name: {option: value}}`"])
    if "const" in form or "enum" in form:
        return ", ".join(written(word) for word in form.get("enum", [form.get("const")]))
    if form["type"] == "array":
        return f"list of {form_in_words(form['items'])}".replace("number", "numbers")
    words = {"integer": "whole number", "number": "number", "string": "text", "object": "mapping"}
    return words.get(form["type"], "`true`, `false`") + bounds(form)


def names_of(form: dict[str, Any]) -> list[str]:
    """The names in the first form of a part that may carry options."""
    while "enum" not in form and "const" not in form:
        form = form["oneOf" if "oneOf" in form else "anyOf"][0]
    found: list[str] = form.get("enum", [form.get("const")])
    return found


def bounds(form: dict[str, Any]) -> str:
    """The bounds of a number in words."""
    low = form.get("minimum", form.get("exclusiveMinimum"))
    above = "above" if "exclusiveMinimum" in form else "from"
    text = "" if low is None else f" {above} {low:,}"
    return text + (f" to {form['maximum']:,}" if "maximum" in form else "")


def default_of(value: dict[str, Any]) -> str:
    """The default as it would be written; nothing where the key is simply left out."""
    return "" if value.get("default") is None else written(value["default"])


def written(value: Any) -> str:
    """A value as YAML, marked as code."""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def one_line(text: str) -> str:
    """A text that can stand in a table."""
    return " ".join(text.split()).replace("|", "\\|")
