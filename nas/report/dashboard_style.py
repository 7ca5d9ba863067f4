"""The dashboard's pages with a style of ours, without which long texts run out of the window."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

#: the user attributes of a trial stand in lines that do not break, as wide as the longest
STYLE = (
    b"<style>main, main * { min-width: 0 } "
    b"main p { white-space: normal !important; overflow-wrap: anywhere }</style>"
)


class Styled:
    """A WSGI application around another: its HTML pages have the style in their head."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """The answer of the application, a page with the style."""
        told: list[tuple[str, list[tuple[str, str]]]] = []

        def hold(status: str, headers: list[tuple[str, str]], *_: object) -> object:
            told.append((status, headers))
            return None

        body: Iterable[bytes] = self._application(environ, hold)  # type: ignore[arg-type]
        status, headers = told[-1]
        kinds = [value for name, value in headers if name.lower() == "content-type"]
        if environ["REQUEST_METHOD"] == "GET" and any("text/html" in kind for kind in kinds):
            page = b"".join(body).replace(b"</head>", STYLE + b"</head>", 1)
            if close := getattr(body, "close", None):
                close()
            headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
            headers, body = [*headers, ("Content-Length", str(len(page)))], [page]
        start_response(status, headers)
        return body
