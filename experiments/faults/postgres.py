"""A real PostgreSQL server of one's own: made in a temporary folder, stopped, started again."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

USER = "nas"
#: the system's user that runs the server where we are root, which it refuses to be
SERVER_USER = "postgres"


def programs() -> Path | None:
    """The folder of initdb and pg_ctl; Debian keeps them out of the path. None without them."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    path = shutil.which("initdb")
    return Path(path).parent if path else None


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Postgres:
    """A server on a free port of 127.0.0.1, with one user who needs a password."""

    def __init__(self, *settings: str) -> None:
        programs_folder = programs()
        assert programs_folder is not None, "initdb is not installed"
        self.programs = programs_folder
        self.folder = Path(tempfile.mkdtemp(prefix="nas-postgres-"))
        self.data = self.folder / "data"
        self.port, self.password = free_port(), secrets.token_hex(8)
        self.url = f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/postgres"
        self.options = [f"port={self.port}", "listen_addresses=127.0.0.1", *settings]
        self.options.append(f"unix_socket_directories={self.folder}")
        word = self.folder / "word"
        word.write_text(self.password)
        if os.getuid() == 0:
            for path in (self.folder, word):
                shutil.chown(path, SERVER_USER)
        self.run("initdb", "-A", "scram-sha-256", "-U", USER, f"--pwfile={word}", "-N")

    def run(self, program: str, *arguments: str) -> None:
        """Run a program of the server as the user that may."""
        command = [str(self.programs / program), "-D", str(self.data), *arguments]
        if os.getuid() == 0:
            command = ["runuser", "-u", SERVER_USER, "--", *command]
        log = self.folder / "log"
        with log.open("a") as output:  # a pipe would stay open in the server
            done = subprocess.run(
                command, cwd=self.folder, stdout=output, stderr=output, check=False
            )
        assert done.returncode == 0, log.read_text()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self.run("pg_ctl", "-w", "start", "-o", " ".join(f"-c {one}" for one in self.options))

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server; `immediate` is how a crash looks to its clients."""
        self.run("pg_ctl", "-w", "stop", "-m", mode)

    def __enter__(self) -> "Postgres":
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if (self.data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder)
