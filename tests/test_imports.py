"""Imports go one way. A row of the table imports from the rows above it, never from below."""

import ast
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1] / "nas"
#: a plugin: what it imports is for others as well
OWN_PARTS = Path(__file__).with_name("own_parts.py")

LAYERS = """
common
statistics
model
storage
data
training
space
search
payoff
export
report
tables
api
cli
__main__
"""
PACKAGES = [name for name in LAYERS.split() if name != "__main__"]
ROW = {name: row for row, names in enumerate(LAYERS.split("\n")) for name in names.split()}

#: what may be loaded before it is needed: `nas check` and `nas --help` must answer at once
LIGHT = {
    "cli": {"typer"},
    "space.space": {"pydantic", "pydantic_core", "yaml"},
    "training.candidate": set(),
}
HEAVY = {"torch", "lightning", "optuna", "optuna_dashboard", "plotly", "sklearn", "scipy", "numpy"}
#: modules that need torch alone among the libraries, as what is exported is made of them
TORCH_ALONE = ("model.network", "model.join_layers", "training.metrics")


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


class Imports(ast.NodeVisitor):
    """What a module imports: at once, and when a function of it is called."""

    def __init__(self) -> None:
        self.at_once: set[str] = set()
        self.later: set[str] = set()
        self.depth = 0

    def visit_If(self, node: ast.If) -> None:
        if "TYPE_CHECKING" not in ast.unparse(node.test):
            self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.add(alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, "imports are written in full"
        for alias in node.names:
            full = f"{node.module}.{alias.name}"
            self.add(full if full in MODULES else str(node.module))

    def add(self, name: str) -> None:
        (self.later if self.depth else self.at_once).add(name)


@cache
def imports(module: str) -> Imports:
    found = Imports()
    found.visit(ast.parse(MODULES[module].read_text(encoding="utf-8")))
    return found


def part(module: str) -> str:
    """nas.space.yaml -> space."""
    return module.split(".")[1]


def ours(names: set[str]) -> set[str]:
    return {name for name in names if name.split(".")[0] == "nas" and name != "nas"}


@cache
def names_in(path: Path) -> set[str]:
    """Every `nas.package.module.name` that a file imports, also for types only and later."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.startswith("nas.") and part(name) in ROW}


def taken(path: Path, package: str) -> set[str]:
    """The modules and names of a package itself that a file imports."""
    dotted = [name.split(".") for name in names_in(path)]
    return {name[2] for name in dotted if name[1] == package and len(name) > 2}


@cache
def declared(package: str) -> set[str]:
    """What a package has for others: modules, and names of its own."""
    return set(getattr(import_module(f"nas.{package}"), "__all__", ()))


@cache
def loaded(module: str, *, packages: bool = True) -> frozenset[str]:
    """All modules that importing one loads, with the packages they lie in; libraries by name."""
    found: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        if name in MODULES:
            todo += imports(name).at_once
            todo += [name.rpartition(".")[0]] if packages and "." in name else []
    return frozenset(name if name.startswith("nas") else name.split(".")[0] for name in found)


def test_every_file_has_its_row() -> None:
    assert {part(module) for module in MODULES if module != "nas"} == set(ROW)


def test_imports_go_upwards() -> None:
    """Also those made later, inside functions."""
    for module in set(MODULES) - {"nas"}:
        found = imports(module)
        for name in ours(found.at_once | found.later):
            upwards = part(name) == part(module) or ROW[part(name)] < ROW[part(module)]
            assert upwards, f"{module} imports {name}"


def test_there_are_no_cycles() -> None:
    """Within a package neither."""
    for module in MODULES:
        for name in ours(imports(module).at_once):
            assert module not in loaded(name, packages=False), f"{module} imports {name}"


def test_what_is_imported_from_another_package_is_there_for_others() -> None:
    """A plugin is such another package too."""
    for module in [*MODULES, "own_parts"]:
        for package in set(PACKAGES) - {*module.split(".")[1:2]}:
            names = taken(MODULES.get(module, OWN_PARTS), package)
            assert names <= declared(package), f"{module}: not in __all__ of nas.{package}"


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_that_are_there_for_others_are_imported_by_others(package: str) -> None:
    others = [path for name, path in MODULES.items() if name.split(".")[1:2] != [package]]
    used = set().union(*(taken(path, package) for path in [*others, OWN_PARTS]))
    for name in declared(package) - used:
        own = getattr(import_module(f"nas.{package}"), name, None)
        assert not isinstance(own, ModuleType | None), name


def test_what_begins_with_an_underscore_stays_in_its_module() -> None:
    for module, path in MODULES.items():
        assert not [name for name in names_in(path) if "._" in name], module


def test_the_package_itself_loads_nothing() -> None:
    assert imports("nas").at_once == {"importlib", "sys", "types"}


@pytest.mark.parametrize("name", LIGHT)
def test_what_must_start_at_once_loads_nothing_heavy(name: str) -> None:
    libraries = {one for one in loaded(f"nas.{name}") if not one.startswith("nas")}
    assert not libraries & HEAVY
    own = {
        one.split(".")[0]
        for module in MODULES
        if module.split(".")[1:2] == [name]
        for one in imports(module).at_once
    }
    assert LIGHT[name] <= own | LIGHT[name]
    assert not own & HEAVY


@pytest.mark.parametrize(
    "name",
    [
        "model.architecture",
        "model.blocks",
        "model.joins",
        "model.layout",
        "model.cost",
        "common.registry",
        "training.result",
    ],
)
def test_descriptions_need_no_library(name: str) -> None:
    """A candidate is data: counted and compared without torch."""
    assert not {one for one in loaded(f"nas.{name}") if one in HEAVY | {"pydantic", "yaml"}}


@pytest.mark.parametrize("name", TORCH_ALONE)
def test_networks_need_torch_alone(name: str) -> None:
    heavy = {library for library in loaded(f"nas.{name}") if library in HEAVY}
    assert heavy <= {"torch"}


def test_only_the_space_reads_yaml() -> None:
    readers = {
        module for module in MODULES if "yaml" in imports(module).at_once | imports(module).later
    }
    assert readers == {"nas.space.yaml"}


def test_the_public_functions_stay_functions_after_their_packages_were_loaded() -> None:
    """In a process of its own: here both may have been loaded before."""
    program = (
        "import nas, nas.search.coordinator, nas.export.retrain, nas.report.build, nas.payoff.run\n"
        "for _ in range(2):\n"
        "    print(*map(callable, (nas.search, nas.export, nas.report, nas.payoff)))\n"
        "from nas import search, export, report, payoff\n"
        "print(*map(callable, (search, export, report, payoff)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["True"] * 12, done.stderr


def imported_by_experiments() -> list[tuple[Path, str, str]]:
    """What the files of experiments take from modules of the package."""
    found = []
    for path in sorted((ROOT.parent / "experiments").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "nas":
                found += [(path, str(node.module), alias.name) for alias in node.names]
    return found


def test_experiments_take_what_there_is() -> None:
    """Nobody runs a benchmark between two releases, so a name that went is not missed."""
    taken = imported_by_experiments()
    assert len(taken) > 300
    for path, module, name in taken:
        known = hasattr(import_module(module), name) or f"{module}.{name}" in MODULES
        assert known, f"{path}: {module} has no {name}"
