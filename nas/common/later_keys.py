"""Settings that came after others: left out at their defaults, so that what was hashed before they
came has the same hash after."""

from typing import Any


def without_later(settings: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    """The settings without those of `later` that stand at the default given there."""
    return {k: v for k, v in settings.items() if k not in later or v != later[k]}
