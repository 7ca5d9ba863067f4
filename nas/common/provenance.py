"""What a result depends on besides its candidate: code, libraries and machine."""

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from nas.common.plugins import imported_plugins
from nas.common.programs import output_of

LIBRARIES = ("nas", "torch", "lightning", "optuna", "numpy", "scikit-learn")


def provenance() -> dict[str, str]:
    """Library versions, Python, the processor's kind, the git commit where there is one, and the
    plugins that are imported, each with the start of its file's SHA-256.
    """
    plugins = ", ".join(f"{name} {digest}" for name, digest in imported_plugins().items())
    return installation() | ({"plugins": plugins} if plugins else {})


@cache
def installation() -> dict[str, str]:
    """What of it is the same as long as a process lives."""
    found = {name: library_version(name) for name in LIBRARIES}
    found["python"] = platform.python_version()
    found["platform"] = f"{platform.system()} {platform.machine()}"
    found["git_commit"] = git_commit(Path(__file__).parent) or "unknown"
    return found


def library_version(name: str) -> str:
    """The installed version of a distribution."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def git_commit(folder: Path) -> str | None:
    """The commit of the checkout a folder lies in, with a plus where files differ from it."""
    git = ("git", "--no-optional-locks", "-C", str(folder))
    commit = output_of(*git, "describe", "--always", "--abbrev=12").strip()
    # `describe --dirty` writes the index, and killed in it leaves a lock in the user's checkout
    changed = commit and output_of(*git, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}{'+' if changed else ''}" or None
