"""nas: a search for network architectures that measures where residual connections pay off."""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.export.retrain import export as export
    from nas.model.architecture import Architecture as Architecture
    from nas.model.network import Network as Network
    from nas.search.options import WorkerOptions as WorkerOptions
    from nas.search.run import search as search
    from nas.space.space import SearchSpace as SearchSpace

__version__ = "0.2.0"
#: public name -> module; loaded when first used, so that the command line starts at once
HOMES = {
    "Architecture": "nas.model.architecture",
    "Network": "nas.model.network",
    "SearchSpace": "nas.space.space",
    "export": "nas.export.retrain",
    "WorkerOptions": "nas.search.options",
    "search": "nas.search.run",
}
__all__ = ["__version__", *HOMES]


class _Package(ModuleType):
    """`nas.search` is the function, also after the package of that name was imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in HOMES:
            super().__setattr__(name, value)


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'nas' has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *HOMES})


sys.modules[__name__].__class__ = _Package
