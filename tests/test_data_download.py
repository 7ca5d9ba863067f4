"""Downloads against a server on this machine: resume, check, refuse, and one process at a time."""

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nas.data import locate
from nas.data.archive import unpack
from nas.data.catalog import Dataset
from nas.data.download import download, exclusive
from nas.data.facts import DATASETS, KnownDataset, RemoteFile
from nas.data.pictures import DataError

CONTENT = bytes(range(256)) * 2_000


class Server(ThreadingHTTPServer):
    """Serves `content` under any path and remembers the ranges it was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.resumes = True
        self.cut_at: int | None = None
        self.asked: list[str | None] = []

    def file(self, name: str = "data.bin", *, size: int | None = None) -> RemoteFile:
        return RemoteFile(
            url=f"http://127.0.0.1:{self.server_port}/{name}",
            size=len(self.content) if size is None else size,
            md5=hashlib.md5(self.content).hexdigest(),
        )


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:  # noqa: N802 - the name http.server calls
        content, range_asked = self.server.content, self.headers["Range"]
        self.server.asked.append(range_asked)
        start = 0
        if range_asked and self.server.resumes:
            start = int(range_asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : self.server.cut_at])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_a_file_arrives_whole_and_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    path = download(server.file(), tmp_path)
    assert path == tmp_path / "data.bin"
    assert path.read_bytes() == CONTENT
    download(server.file(), tmp_path)
    assert server.asked == [None]
    assert [p.name for p in tmp_path.iterdir()] == ["data.bin"]


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_is_a_bar_on_a_terminal_and_one_line_elsewhere(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    terminal: bool,
) -> None:
    monkeypatch.setenv("COLUMNS", "200" if terminal else "20")
    monkeypatch.setenv("FORCE_COLOR", "1" if terminal else "")
    download(server.file(), tmp_path)
    out, err = capsys.readouterr()
    assert out == ""
    if terminal:
        assert "data.bin" in err
        assert "512.0/512.0 kB" in err
    else:
        assert err.splitlines() == [f"Downloading data.bin (0.5 MB) from {server.file().url}"]


def test_a_download_that_was_cut_is_resumed(server: Server, tmp_path: Path) -> None:
    server.cut_at = 100_000
    with pytest.raises(DataError, match="ended early; 100,000 of 512,000 bytes are kept"):
        download(server.file(), tmp_path)
    assert not (tmp_path / "data.bin").exists()
    server.cut_at = None
    assert download(server.file(), tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-"]


def test_a_server_without_ranges_makes_it_start_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:1000])
    server.resumes = False
    assert download(server.file(), tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-"]


def test_a_part_longer_than_the_file_is_thrown_away(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT + b"more")
    assert download(server.file(), tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=512004-", None]


def test_a_wrong_checksum_is_refused_and_removed(server: Server, tmp_path: Path) -> None:
    file = server.file()
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(DataError, match=r"data.bin.part' is not data.bin .*checksum differs"):
        download(file, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_size_is_refused_with_both_sizes(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="bytes, and 1,000 were published. It was removed"):
        download(server.file(size=1000), tmp_path)
    (tmp_path / "data.bin").write_bytes(b"mine")
    with pytest.raises(DataError, match="4 bytes, and 512,000 were published.*Remove it"):
        download(server.file(), tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == b"mine"


def test_no_network_says_what_where_and_how_to_go_on(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.shutdown()
    server.server_close()
    _publish(monkeypatch, server.file("cifar-10-binary.tar.gz"))
    with pytest.raises(DataError) as caught:
        locate.ensure(Dataset(name="cifar10"), tmp_path)
    message = str(caught.value)
    for part in (
        "cifar-10-batches-bin",
        "cifar-10-batches-py",
        "refused",
        str(tmp_path),
        "--data-",
    ):
        assert part in message


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(DataError, match="'.*file/data' cannot be written"),
        exclusive(tmp_path / "file" / "data"),
    ):
        pass


def test_workers_together_download_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.content = _tar([("cifar-10-batches-bin/test_batch.bin", b"x" * 100_000)])
    _publish(monkeypatch, server.file("cifar-10-binary.tar.gz"))
    found = []
    workers = [
        threading.Thread(target=lambda: found.append(locate.cifar("cifar10", tmp_path)[0]))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [tmp_path / "cifar-10-batches-bin"] * 4
    assert server.asked == [None]
    assert (found[0] / "test_batch.bin").stat().st_size == 100_000


def test_an_archive_put_there_by_hand_is_used(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.content = _tar([("cifar-10-batches-bin/test_batch.bin", b"x")])
    _publish(monkeypatch, server.file("cifar-10-binary.tar.gz"))
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(server.content)
    assert locate.cifar("cifar10", tmp_path)[0] == tmp_path / "cifar-10-batches-bin"
    assert server.asked == []


def test_fashion_mnist_goes_where_torchvision_keeps_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [file.name for file in DATASETS["fashion_mnist"].files]
    _publish(monkeypatch, *(server.file(name) for name in names), name="fashion_mnist")
    assert locate.fashion_mnist(tmp_path) == tmp_path / "FashionMNIST" / "raw"
    assert len(server.asked) == 4


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/../../out", "c:\\out"])
def test_archive_members_outside_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "data" / "a.tar.gz"
    archive.parent.mkdir()
    archive.write_bytes(_tar([("a/fine", b"x"), (name, b"x")]))
    with pytest.raises(DataError, match="not a plain file inside its folder; nothing"):
        unpack(archive, "a")
    assert [p.name for p in tmp_path.rglob("*")] == ["data", "a.tar.gz"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_archive_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(_tar([("a/fine", b"x")], links=[("a/link", "/etc/passwd", kind)]))
    with pytest.raises(DataError, match="'a/link', which is not a plain file"):
        unpack(archive, "a")
    assert not (tmp_path / "a").exists()


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(_tar([("a/fine", bytes(range(256)) * 99)])[:-50])
    with pytest.raises(DataError, match=r"a.tar.gz' cannot be unpacked .*downloaded again"):
        unpack(archive, "a")
    assert [p.name for p in tmp_path.iterdir()] == ["a.tar.gz"]


def _publish(monkeypatch: pytest.MonkeyPatch, *files: RemoteFile, name: str = "cifar10") -> None:
    known = DATASETS[name]
    local = KnownDataset(**(vars(known) | {"files": files}))
    monkeypatch.setitem(DATASETS._parts, name, local)


def _tar(
    files: list[tuple[str, bytes]], links: list[tuple[str, str, bytes]] | None = None
) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for name, target, kind in links or []:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            tar.addfile(member)
    return out.getvalue()
