"""The search space a person declares in YAML."""

__all__ = [
    "enumeration",
    "errors",
    "estimate",
    "json_schema",
    "methods",
    "reference",
    "schema",
    "space",
    "yaml",
]
