"""Settings that came after others: left out at their defaults, so that what was hashed before they
came has the same hash after."""

from typing import Any

from nas.common.registry import Registry


def without_later(settings: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    """The settings without those of `later` that stand at the default given there."""
    return {k: v for k, v in settings.items() if k not in later or v != later[k]}


def without_later_parts(value: Any, registry: Registry[Any], first: tuple[str, ...]) -> Any:
    """A component as a space has it (`{name: options or None}`, or a choice of such), with the
    names of the parts that were `first`, and of those that came later the chosen one alone.
    """
    if isinstance(value, list):
        return [without_later_parts(one, registry, first) for one in value]
    if not isinstance(value, dict) or not value.keys() <= set(registry):
        return value
    return {
        name: None if options is None else registry.written(name, options)
        for name, options in value.items()
        if options is not None or name in first
    }
