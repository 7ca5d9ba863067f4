"""nas: a search for network architectures that measures where residual connections pay off."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.architecture import Architecture as Architecture
    from nas.export import export as export
    from nas.network import Network as Network
    from nas.search import search as search
    from nas.space import SearchSpace as SearchSpace

#: public name -> module; loaded when first used, so that the command line starts at once
HOMES = {
    "Architecture": "nas.architecture",
    "Network": "nas.network",
    "SearchSpace": "nas.space",
    "export": "nas.export",
    "search": "nas.search",
}
__all__ = list(HOMES)


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'nas' has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)
