"""Private parts of Optuna and of its dashboard are used in nas/storage alone."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

ROOT = Path(__file__).parents[1]
FILES = [
    path
    for folder in ("nas", "experiments")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path.parent != ROOT / "nas" / "storage"
]
#: attributes that Optuna's objects get when they are made
INSTANCES = {"_storage", "_study_id", "_trial_id", "_backend", "_thread_local", "_rng"}


def private_names() -> set[str]:
    """Private names of the classes whose objects a search has in hand."""
    places = (optuna.samplers, optuna.pruners, optuna.study, optuna.trial)
    classes = [one for place in places for one in vars(place).values() if inspect.isclass(one)]
    classes += [optuna.storages.BaseStorage, optuna.storages.RDBStorage]
    found = {name for one in classes for name in dir(one)} | INSTANCES
    return {name for name in found if name.startswith("_") and not name.endswith("__")}


PRIVATE = private_names()


def is_optuna(module: str) -> bool:
    return module.split(".")[0] in ("optuna", "optuna_dashboard", "optunahub")


def is_private(dotted: str) -> bool:
    return any(part.startswith("_") for part in dotted.split("."))


def uses(tree: ast.AST) -> Iterator[str]:
    """What a module uses, by line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if is_optuna(alias.name)]
            yield from (f"{node.lineno}: {name}" for name in names if is_private(name))
        elif isinstance(node, ast.ImportFrom) and is_optuna(node.module or ""):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (f"{node.lineno}: {name}" for name in names if is_private(name))
        elif isinstance(node, ast.Attribute) and node.attr in PRIVATE:
            yield f"{node.lineno}: .{node.attr}"
        elif isinstance(node, ast.ClassDef):
            methods = [one.name for one in node.body if isinstance(one, ast.FunctionDef)]
            yield from (f"{node.lineno}: def {name}" for name in methods if name in PRIVATE)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            if text in PRIVATE or (is_optuna(text) and "." in text and is_private(text)):
                yield f"{node.lineno}: {text!r}"


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_only_the_storage_uses_private_parts_of_optuna(path: Path) -> None:
    assert list(uses(ast.parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import optuna.storages._rdb.models",
        "from optuna.samplers._tpe import sampler",
        "from optuna_dashboard._note import split_body",
        "from optuna.storages import _CachedStorage",
        "study._storage.get_all_studies()",
        "getattr(storage, '_backend')",
        "class View:\n    def _get_trials(self): ...",
        "class Mine(TPESampler):\n    def draw(self): return self._rng",
        "patch.setattr('optuna.storages._rdb.storage.RDBStorage', None)",
    ],
)
def test_each_way_to_them_is_seen(source: str) -> None:
    assert list(uses(ast.parse(source)))
