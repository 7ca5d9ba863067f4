"""optuna-dashboard on a study."""

import contextlib
import ipaddress
import socket
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from nas.errors import StudyError
from nas.study import load_study, open_storage


class Server(ThreadingMixIn, WSGIServer):
    """Answers requests in threads, so that Ctrl-C always meets the main loop."""

    daemon_threads = True


class Quiet(WSGIRequestHandler):
    """Says nothing of single requests."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def serve(storage: str, name: str | None, host: str, port: int) -> None:
    """Serve the dashboard until Ctrl-C. StudyError where there is no study or the port is taken."""
    from optuna_dashboard import wsgi

    backend = open_storage(storage)
    study = load_study(backend, name)
    if not is_loopback(host):
        print(
            f"Warning: the dashboard listens on {host}. It has no password: whoever reaches it can "
            "read, change and delete every study in this storage.",
            flush=True,
        )

    try:
        server = make_server(host, port, wsgi(backend), Server, Quiet)
    except OSError as error:
        raise StudyError(
            f"cannot listen on {host}:{port}: {error.strerror}. Try another --port."
        ) from error
    address = f"http://{host}:{server.server_port}/dashboard/studies/{study._study_id}"
    print(f"Study {study.study_name}: {address}  (Ctrl-C ends)", flush=True)
    with server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only."""
    try:
        return ipaddress.ip_address(socket.gethostbyname(host)).is_loopback
    except OSError:
        return False
