"""optuna-dashboard on a study."""

import contextlib
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from nas.common.errors import StudyError, shown
from nas.report.dashboard_style import Styled
from nas.report.own_page import OwnPageOnly, is_loopback, served_names
from nas.search.beside import studies_in
from nas.search.study import load_study
from nas.storage.handles import study_id_of
from nas.storage.open import open_storage
from nas.storage.url import hidden


class Server(ThreadingMixIn, WSGIServer):
    """Answers requests in threads, so that Ctrl-C always meets the main loop."""

    daemon_threads = True


class Quiet(WSGIRequestHandler):
    """Says nothing of single requests."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def serve(storage: str, name: str | None, host: str, port: int, *, expose: bool = False) -> None:
    """Serve the dashboard until Ctrl-C. StudyError where there is no study, the port is taken, or
    others could reach it and nobody said they may."""
    from optuna_dashboard import wsgi

    backend = open_storage(storage)
    study = load_study(backend, name)
    if not is_loopback(host):
        names = ", ".join(one.name for one in studies_in(backend))
        warn(host, f"{hidden(storage)}: {names}", expose=expose)
    application = OwnPageOnly(Styled(wsgi(backend)), served_names(host))
    try:
        server = make_server(host, port, application, Server, Quiet)
    except OSError as error:
        raise StudyError(
            f"cannot listen on {host}:{port}: {error.strerror}. Try another --port."
        ) from error
    address = f"http://{host}:{server.server_port}/dashboard/studies/{study_id_of(study)}"
    print(f"Study {shown(study.study_name)[1:-1]}: {address}  (Ctrl-C ends)", flush=True)
    with server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


def warn(host: str, studies: str, *, expose: bool) -> None:
    """Say what an address others can reach gives away; StudyError where nobody said it may."""
    danger = "no password: whoever reaches it can read, change and delete every study in"
    if not expose:
        raise StudyError(
            f"{host} is reached from other machines, and the dashboard has {danger} this storage. "
            "Leave out --host and go through `ssh -L`, or add --expose."
        )
    print(
        f"Warning: the dashboard listens on {host}. It has {danger} {shown(studies)[1:-1]}",
        flush=True,
    )
