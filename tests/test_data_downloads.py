"""Downloads, against a server of our own in a thread: broken, wrong and simultaneous ones. No outside network."""

import contextlib
import errno
import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from course_lib.data import DownloadError, data_folder, downloads
from course_lib.data.downloads import download, sha256_of

CONTENT = bytes(range(256)) * 2000  # half a megabyte
NAME = "file.bin"
RIGHT = {"sha256": hashlib.sha256(CONTENT).hexdigest()}


class Server(ThreadingHTTPServer):
    """Serves ``files``; ``breaks`` says after how many bytes the next answers break off, ``stalls`` hangs instead."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {NAME: CONTENT}
        self.ranges = True
        self.breaks: list[int] = []
        self.go_on = threading.Event()
        self.stalls = False
        self.asked: list[str | None] = []  # the Range of each request

    def url(self, name: str = NAME) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.server.asked.append(wanted)
        content = self.server.files.get(self.path[1:])
        if content is None:
            return self.send_error(404)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.server.ranges else 0
        if start >= len(content) > 0:
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        rest = content[start:]
        count = self.server.breaks.pop(0) if self.server.breaks else len(rest)
        self.wfile.write(rest[:count])
        if self.server.stalls:
            self.server.go_on.wait(20)
            with contextlib.suppress(OSError):  # whoever asked may have been killed
                self.wfile.write(rest[count:])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    with Server() as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield serving
        serving.go_on.set()
        serving.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "downloads"


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {f"{NAME}.lock"}


def test_fetched_once_and_then_only_verified(server: Server, folder: Path) -> None:
    for _ in range(2):
        path = download(NAME, [server.url()], RIGHT, folder)
        assert path == folder / NAME and path.read_bytes() == CONTENT
    assert server.asked == [None] and left_in(folder) == {NAME}


def test_partial_file_is_continued(server: Server, folder: Path) -> None:
    folder.mkdir()
    (folder / f"{NAME}.part").write_bytes(CONTENT[:1000])
    assert download(NAME, [server.url()], RIGHT, folder).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-"] and left_in(folder) == {NAME}


def test_whole_file_where_the_server_knows_no_ranges(server: Server, folder: Path) -> None:
    server.ranges = False
    folder.mkdir()
    (folder / f"{NAME}.part").write_bytes(CONTENT[:1000])
    assert download(NAME, [server.url()], RIGHT, folder).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-"], "what was sent was thrown away"


def test_file_put_there_by_hand_is_taken_and_nothing_is_written(server: Server, folder: Path) -> None:
    """The folder may be one that can only be read."""
    folder.mkdir()
    (folder / NAME).write_bytes(CONTENT)
    assert download(NAME, [server.url()], RIGHT, folder) == folder / NAME
    assert server.asked == [] and list(folder.iterdir()) == [folder / NAME]


def test_complete_partial_file_is_only_verified(server: Server, folder: Path) -> None:
    folder.mkdir()
    (folder / f"{NAME}.part").write_bytes(CONTENT)
    assert download(NAME, [server.url()], RIGHT, folder).read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT)}-"]


@pytest.mark.parametrize("beginning", [b"another file", b"x" * (len(CONTENT) + 1)])
def test_beginning_of_another_file_is_thrown_away(server: Server, folder: Path, beginning: bytes) -> None:
    folder.mkdir()
    (folder / f"{NAME}.part").write_bytes(beginning)
    assert download(NAME, [server.url()], RIGHT, folder).read_bytes() == CONTENT
    assert left_in(folder) == {NAME}


def test_broken_connection_is_taken_up_again(server: Server, folder: Path) -> None:
    server.breaks = [300_000, 100_000]
    assert download(NAME, [server.url()], RIGHT, folder).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=400000-"]


def test_truncated_download_is_no_file_and_the_next_call_continues(server: Server, folder: Path) -> None:
    server.breaks = [300_000, 0]
    with pytest.raises(DownloadError, match=r"broke after 300,000 of 512,000 bytes"):
        download(NAME, [server.url()], RIGHT, folder)
    assert left_in(folder) == {f"{NAME}.part"}
    assert download(NAME, [server.url()], RIGHT, folder).read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=300000-" and left_in(folder) == {NAME}


@pytest.mark.parametrize("content", [b"", b"<html>please log in</html>", CONTENT[:-1] + b"x", CONTENT[:-1]])
def test_empty_altered_or_other_file_is_refused_and_leaves_nothing(
    server: Server, folder: Path, content: bytes
) -> None:
    server.files["wrong"] = content
    with pytest.raises(DownloadError, match=rf"{len(content):,} bytes with sha256 .*expected {RIGHT['sha256']}"):
        download(NAME, [server.url("wrong")], RIGHT, folder)
    assert left_in(folder) == set()
    assert download(NAME, [server.url("wrong"), server.url()], RIGHT, folder).read_bytes() == CONTENT


def test_every_checksum_must_fit(server: Server, folder: Path) -> None:
    with pytest.raises(DownloadError, match=r"md5 [0-9a-f]{32}, expected 0000"):
        download(NAME, [server.url()], RIGHT | {"md5": "0" * 32}, folder)


def test_no_checksum_no_download(server: Server, folder: Path) -> None:
    with pytest.raises(ValueError, match=r"file.bin has no checksum"):
        download(NAME, [server.url()], {}, folder)


def test_damaged_file_is_fetched_anew(server: Server, folder: Path) -> None:
    folder.mkdir()
    (folder / NAME).write_bytes(CONTENT[:-1] + b"x")
    assert download(NAME, [server.url()], RIGHT, folder).read_bytes() == CONTENT


def test_next_address_continues_where_the_first_broke(server: Server, folder: Path) -> None:
    server.files["mirror"] = CONTENT
    server.breaks = [300_000, 0]
    assert download(NAME, [server.url(), server.url("mirror")], RIGHT, folder).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=300000-"]


def test_offline_message_says_which_addresses_and_where_to_put_the_file(server: Server, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}/file.bin"
    with pytest.raises(DownloadError) as caught:
        download(NAME, [nobody, server.url("gone")], RIGHT, folder, advice="Or do something else.")
    message = str(caught.value)
    for part in (f"{nobody}\n    [Errno", "refused", f"{server.url('gone')}\n    HTTP 404", "Or do something else."):
        assert part in message
    assert f"save it as\n  {folder / NAME}" in message and RIGHT["sha256"] in message
    (folder / NAME).write_bytes(CONTENT)  # what the message asks for
    assert download(NAME, [nobody], RIGHT, folder).read_bytes() == CONTENT


def test_a_wrong_file_saved_by_hand_is_said_to_be_there(server: Server, folder: Path) -> None:
    folder.mkdir()
    (folder / NAME).write_bytes(b"another archive")
    with pytest.raises(DownloadError) as caught:
        download(NAME, [server.url("gone")], RIGHT, folder)
    digest = hashlib.sha256(b"another archive").hexdigest()
    assert f"A file of that name is there, but it is another one: 15 bytes with sha256 {digest}." in str(caught.value)
    (folder / NAME).unlink()
    with pytest.raises(DownloadError) as caught:
        download(NAME, [server.url("gone")], RIGHT, folder)
    assert "is there" not in str(caught.value)


def test_a_pipe_in_place_of_the_beginning_is_refused(server: Server, folder: Path) -> None:
    folder.mkdir()
    os.mkfifo(folder / f"{NAME}.part")
    with pytest.raises(ValueError, match=r"file.bin.part is a named pipe"):
        download(NAME, [server.url()], RIGHT, folder)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 64 KiB; where that may not be mounted, one in which the partial file cannot be written."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    if not mounted:
        (folder / f"{NAME}.part").symlink_to("/dev/full")
    yield folder
    if mounted:
        subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_is_named_and_nothing_half_written_is_left(server: Server, full_disk: Path) -> None:
    with pytest.raises(OSError, match=r"file.bin could not be written.*No space left.*COURSE_DATA") as caught:
        download(NAME, [server.url(), server.url()], RIGHT, full_disk)
    assert caught.value.errno == errno.ENOSPC
    assert left_in(full_disk) == set() and len(server.asked) == 1


def test_folder_that_cannot_be_made_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"could not be written to .*Not a directory.*COURSE_DATA"):
        download(NAME, [server.url()], RIGHT, tmp_path / "file" / "folder")


def start_process(server: Server, folder: Path) -> subprocess.Popen[str]:
    code = (
        "import sys; from pathlib import Path; from course_lib.data.downloads import download;"
        "print(download(sys.argv[1], [sys.argv[2]], {'sha256': sys.argv[3]}, Path(sys.argv[4])))"
    )
    command = [sys.executable, "-c", code, NAME, server.url(), RIGHT["sha256"], str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def test_second_process_waits_and_finds_the_file(
    server: Server, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.breaks, server.stalls = [1000], True
    first = start_process(server, folder)
    wait_until(lambda: server.asked)
    threading.Timer(0.3, server.go_on.set).start()
    assert download(NAME, [server.url()], RIGHT, folder).read_bytes() == CONTENT
    assert first.communicate(timeout=30)[0].strip() == str(folder / NAME)
    assert "waiting" in capsys.readouterr().err
    assert server.asked == [None] and left_in(folder) == {NAME}


def test_lock_and_beginning_of_a_killed_process_do_not_stand_in_the_way(server: Server, folder: Path) -> None:
    server.breaks, server.stalls = [2 * downloads.CHUNK], True
    server.files[NAME] = content = CONTENT * 6
    right = {"sha256": hashlib.sha256(content).hexdigest()}
    first = start_process(server, folder)
    partial = folder / f"{NAME}.part"
    wait_until(lambda: partial.exists() and partial.stat().st_size)
    first.kill()
    first.communicate()
    server.stalls = False
    begun = partial.stat().st_size
    assert download(NAME, [server.url()], right, folder).read_bytes() == content
    assert server.asked == [None, f"bytes={begun}-"] and left_in(folder) == {NAME}


def test_checksum_of_several_files_is_that_of_the_list_that_sha256sum_prints(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_bytes(path.name.encode())
    listed = subprocess.run(["sha256sum", "a", "b"], cwd=tmp_path, capture_output=True, check=True).stdout
    assert sha256_of(*paths) == hashlib.sha256(listed).hexdigest()
    assert sha256_of(paths[0]) == hashlib.sha256(b"a").hexdigest()


def test_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("COURSE_DATA", raising=False)
    root = Path(__file__).resolve().parents[1]
    assert data_folder() == root / "data" / "downloads"
    assert "/data/downloads/" in (root / ".gitignore").read_text().split()
    monkeypatch.setattr(downloads, "__file__", str(tmp_path / "site-packages/course_lib/data/downloads.py"))
    assert data_folder() == Path(os.environ["COURSE_HOME"]) / "downloads"
    monkeypatch.delenv("COURSE_HOME")
    assert data_folder() == Path.home() / ".equivariance-from-scratch" / "downloads"
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.setenv("COURSE_DATA", "~/mine")
    assert data_folder() == Path.home() / "mine"
