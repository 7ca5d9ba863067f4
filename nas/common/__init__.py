"""What every package may use: registry, errors, paths, text, machine facts."""

__all__ = [
    "class_paths",
    "devices",
    "errors",
    "files",
    "later_keys",
    "machine",
    "main_guard",
    "paths",
    "plugins",
    "processes",
    "provenance",
    "registry",
    "streams",
    "text",
    "threads",
    "waiting",
]
