"""Functions and classes copied into an exported module, with all that they use.

What is copied may be a user's own: of other libraries than torch and the standard one it may use
nothing, as an exported module needs torch alone.
"""

import ast
import inspect
import re
import symtable
import sys
import textwrap
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

from nas.export.formatting import SourceText, fitted, free_name
from nas.model import block_layers
from nas.model.blocks import Attention, Conv, Dropout, SqueezeExcite
from nas.model.join_layers import RandomStream

#: what every exported module has by these names
PRESENT = {"nn": "torch.nn", "torch": "torch"}
#: records that a copied function may make -> the class that an exported module has by that name
RECORDS: dict[type, type] = {
    SqueezeExcite: block_layers.SqueezeExcite,
    Dropout: block_layers.Dropout,
    Attention: block_layers.Attention,
}
Parts = Iterator[tuple[str, str]]


class Copier:
    """Copies definitions; `imports` are the lines that these need above those of every module."""

    def __init__(self) -> None:
        self.imports: set[str] = set()
        self._copied: set[tuple[str, str]] = set()

    def function(self, name: str, function: Any, defaults: dict[str, SourceText]) -> Parts:
        """Name and source of a function, after what it uses, without decorators and annotations."""
        lines, node = parsed(function)
        assert isinstance(node, ast.FunctionDef)
        signature = inspect.signature(function)
        parameters = [
            p.replace(annotation=p.empty, default=defaults.get(p.name, p.default))
            for p in signature.parameters.values()
        ]
        text = str(signature.replace(parameters=parameters, return_annotation=signature.empty))
        header = fitted(f"def {free_name(name)}(", text[1:-1].split(", "), "):")
        body = "\n".join(lines[node.body[0].lineno - 1 : node.end_lineno])
        source = header + "\n" + re.sub(r"\bConv\(", "conv(", body)
        self._copied.add((function.__module__, function.__name__))
        yield from self.used(source, name, function.__globals__)
        yield name, source

    def kind(self, kind: type) -> Parts:
        """Name and source of a class, after what it uses, without decorators."""
        lines, node = parsed(kind)
        source = "\n".join(lines[node.lineno - 1 : node.end_lineno])
        self._copied.add((kind.__module__, kind.__name__))
        yield from self.used(source, kind.__name__, vars(sys.modules[kind.__module__]))
        yield kind.__name__, source

    def used(self, source: str, name: str, scope: dict[str, Any]) -> Parts:
        """Name and source of all that a definition uses of its own module; imports are noted."""
        for word in sorted(global_names(source) & scope.keys() - {name}):
            yield from self.value(word, scope[word], scope["__name__"], name)

    def value(self, word: str, value: Any, module: str, user: str) -> Parts:
        """Name and source of one value that a definition uses by the name `word`."""
        home = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", "")
        if value is Conv or (module, word) in self._copied or home == PRESENT.get(word):
            return
        if is_class(value, word) and value in RECORDS:
            yield from self.kind(RECORDS[value])
        elif isinstance(value, FunctionType) and home == module and value.__name__ == word:
            yield from self.function(word, value, {})
        elif is_class(value, word) and (home == module or value is RandomStream):
            yield from self.kind(value)
        elif isinstance(value, int | float | str | tuple) and literal(value):
            yield word, f"{word} = {value!r}"
        elif home.partition(".")[0] in (*sys.stdlib_module_names, "torch"):
            self.imports.add(import_line(word, value, home))
        else:
            raise ValueError(
                f"{user} of {module} uses {word}, which cannot stand in an exported module: it may "
                "use torch, the standard library, numbers, and functions and classes of its module."
            )


def parsed(definition: Any) -> tuple[list[str], ast.FunctionDef | ast.ClassDef]:
    """The lines of a definition, from the margin on, and what they mean."""
    try:
        text = textwrap.dedent(inspect.getsource(definition))
    except OSError as error:
        raise ValueError(f"the source of {definition.__name__} cannot be read.") from error
    (node,) = ast.parse(text).body
    assert isinstance(node, ast.FunctionDef | ast.ClassDef)
    return text.splitlines(), node


def global_names(source: str) -> set[str]:
    """The names that a definition takes from its module, built-in ones included."""
    tables = [symtable.symtable(source, "definition", "exec")]
    found = {one.get_name() for one in tables[0].get_symbols() if one.is_referenced()}
    while tables:
        table = tables.pop()
        found |= {one.get_name() for one in table.get_symbols() if one.is_global()}
        tables += table.get_children()
    return found


def is_class(value: Any, name: str) -> bool:
    """Whether the value is a class of that name."""
    return isinstance(value, type) and value.__name__ == name


def literal(value: Any) -> bool:
    """Whether the value's text means the value again."""
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError):
        return False


def import_line(word: str, value: Any, home: str) -> str:
    """The line that imports a value by the name `word`."""
    if isinstance(value, ModuleType):
        return f"import {home}" if home == word else f"import {home} as {word}"
    alias = "" if value.__name__ == word else f" as {word}"
    return f"from {home} import {value.__name__}{alias}"
