"""Storage URLs: checked before they are used, and shown without their passwords."""

import re

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from nas.common.errors import StudyError
from nas.common.paths import STORAGE

FORMS = f"Write it as {STORAGE} or postgresql://user@host/database."
ESCAPE = (
    "In a user name or password write @ as %40, : as %3A, / as %2F, ? as %3F, & as %26, # as %23 "
    "and % as %25."
)


def parsed(url: str) -> URL:
    """The parts of a storage URL; StudyError if it is none, or if it can be read in two ways."""
    if "://" not in url:
        raise StudyError(f"the storage {hidden(url)} cannot be opened: it is no URL. {FORMS}")
    check_slashes(url)
    try:
        place = make_url(url)
    except (ArgumentError, ValueError):  # which quote what they could not read
        raise StudyError(f"the storage {hidden(url)} cannot be read. {FORMS} {ESCAPE}") from None
    if place.get_backend_name() != "sqlite" and is_ambiguous(place, url):
        raise StudyError(
            f"the storage {hidden(url)} has an @ in the user name or password. {ESCAPE}"
        )
    return place


def check_slashes(url: str) -> None:
    """StudyError for a file of SQLite that is written like a host."""
    scheme, _, rest = url.partition("://")
    if re.fullmatch(r"sqlite(\+\w+)?", scheme) and rest and not rest.startswith(("/", "?")):
        path = rest.partition("?")[0]
        raise StudyError(
            f"the storage {hidden(url)} has two slashes, after which a host is expected: write "
            f"{scheme}:///{path} for a file in this folder, {scheme}:////{path} for one from the "
            "root on."
        )


def is_ambiguous(place: URL, url: str) -> bool:
    """Whether a piece of a password may be taken for something else."""
    misread = (place.username or "", place.host or "", place.database or "")
    return url.count("@") > 1 or any(re.search(r"[@?=]", part) for part in misread)


def hidden(url: str) -> str:
    """A storage URL without its password, nor anything that may be a piece of one."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url if re.fullmatch(r"[\w./-]*", url) else "***"
    place, query, options = rest.partition("?")
    end = "?***" if query else ""
    if scheme.startswith("sqlite"):
        return f"{scheme}://{place}{end}"
    if "@" in options:  # a password with a question mark, or an option with an @
        return f"{scheme}://***"
    credentials, at, host = place.rpartition("@")
    user = re.split("[:/]", credentials)[0]
    password = ":***" if user != credentials else ""
    host = re.sub(r":(?!\d+(/|$)).*", ":***", host)  # what stands for a port may be a password
    return f"{scheme}://{user}{password}{at}{host}{end}"
