"""Serves a web application to its own page only: the dashboard has no password.

Any page that a browser on this machine shows can send requests to an address of this machine. What
it may not do is read the answers of another name, or say that it is another page. So a name that
has been made to lead here (DNS rebinding) is refused by the Host header, and a change that another
page asks for by the headers that say which page asks.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
#: methods that change nothing, and what Sec-Fetch-Site says of requests of the page or the user
READING = frozenset({"GET", "HEAD"})
OWN_SITES = frozenset({"same-origin", "none"})
#: keep other pages from showing this one under a button of theirs, or from taking parts of it
HEADERS = [("X-Frame-Options", "SAMEORIGIN"), ("Cross-Origin-Resource-Policy", "same-origin")]


class OwnPageOnly:
    """A WSGI application around another: what does not come from its own page is refused."""

    def __init__(self, application: WSGIApplication, is_served: Callable[[str], bool]) -> None:
        self._application, self._is_served = application, is_served

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """The answer of the application, or 403 and why."""
        why = self._refusal(environ)
        if why:
            text = f"{why}\n".encode("utf-8", "replace")
            headers = [("Content-Type", "text/plain; charset=utf-8"), *HEADERS]
            start_response("403 Forbidden", [*headers, ("Content-Length", str(len(text)))])
            return [text]

        def start(status: str, headers: list[tuple[str, str]], *more: object) -> object:
            return start_response(status, [*headers, *HEADERS], *more)  # type: ignore[arg-type]

        return self._application(environ, start)  # type: ignore[arg-type]

    def _refusal(self, environ: WSGIEnvironment) -> str:
        """Why a request is refused; empty if it is not."""
        host = str(environ.get("HTTP_HOST", "")).lower()
        if not self._is_served(name_in(host)):
            return "This dashboard is not served under that name: open the address it printed."
        if environ["REQUEST_METHOD"] in READING:
            return ""
        page = environ.get("HTTP_ORIGIN") or environ.get("HTTP_REFERER")
        site = environ.get("HTTP_SEC_FETCH_SITE", "none")
        if (page and place_of(str(page)) != host) or site not in OWN_SITES:
            return "Another page asked for a change: only the dashboard's own page may."
        return ""


def served_names(host: str) -> Callable[[str], bool]:
    """Whether a dashboard that listens on `host` is served under a name.

    The port may be another one: that of `ssh -L`. An address of all interfaces has every address
    for a name, which no one can make lead elsewhere.
    """
    names = {host.lower(), f"[{host.lower()}]"} - {""}
    if is_loopback(host):
        names |= LOOPBACK
    if host in ("", "0.0.0.0", "::"):
        names |= LOOPBACK | {socket.gethostname().lower(), socket.getfqdn().lower()}
        return lambda name: name in names or is_address(name)
    return lambda name: name in names


def name_in(host: str) -> str:
    """The name in a Host header, without its port."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host


def place_of(page: str) -> str:
    """Name and port of a page; empty if it has none, as "null"."""
    try:
        return urlsplit(page.lower()).netloc
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only."""
    try:
        return ipaddress.ip_address(socket.gethostbyname(host)).is_loopback
    except OSError:
        return False


def is_address(name: str) -> bool:
    """Whether a name is an address itself, in brackets if it has colons."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
