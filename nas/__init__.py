"""nas: a search for network architectures that measures where residual connections pay off."""

import sys
from importlib import import_module
from types import ModuleType

TYPE_CHECKING = False  # typing alone would take most of the time that this module does
if TYPE_CHECKING:
    from typing import Any

    from nas.api.comparison import compare as compare
    from nas.api.outcome import Outcome as Outcome
    from nas.api.runs import payoff as payoff
    from nas.api.runs import search as search
    from nas.api.studies import export as export
    from nas.api.studies import load_study as load_study
    from nas.api.studies import report as report
    from nas.common.errors import UserError as UserError
    from nas.model.architecture import Architecture as Architecture
    from nas.model.network import Network as Network
    from nas.search.options import RayCluster as RayCluster
    from nas.search.options import WorkerOptions as WorkerOptions
    from nas.space.space import SearchSpace as SearchSpace

__version__ = "0.2.0"
#: public name -> module; loaded when first used, so that the command line starts at once
HOMES = {
    "Architecture": "nas.model.architecture",
    "Network": "nas.model.network",
    "Outcome": "nas.api.outcome",
    "RayCluster": "nas.search.options",
    "SearchSpace": "nas.space.space",
    "UserError": "nas.common.errors",
    "WorkerOptions": "nas.search.options",
    "compare": "nas.api.comparison",
    "export": "nas.api.studies",
    "load_study": "nas.api.studies",
    "payoff": "nas.api.runs",
    "report": "nas.api.studies",
    "search": "nas.api.runs",
}
__all__ = ["__version__", *HOMES]


class _Package(ModuleType):
    """`nas.search` is the function, also after the package of that name was imported."""

    def __setattr__(self, name: str, value: "Any") -> None:
        if name not in HOMES:
            super().__setattr__(name, value)


def __getattr__(name: str) -> "Any":
    if name not in HOMES:
        raise AttributeError(f"module 'nas' has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


sys.modules[__name__].__class__ = _Package
