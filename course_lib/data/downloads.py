"""Files from the network: fetched once, verified, and never seen half-written.

`torch.hub.download_url_to_file` and torchvision's downloader were looked at first. Neither resumes, takes a second
address or keeps two processes apart, and so this is urllib and a lock. The lock is `filelock`'s, which torch itself
needs: the operating system frees it when its owner dies, however it dies.
"""

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from course_lib.errors import UserError
from course_lib.files import refuse_pipe

TIMEOUT_SECONDS = 30.0
ATTEMPTS = 3  # at one address, as long as each brings something new
CHUNK = 1 << 20


class DownloadError(UserError, RuntimeError):
    """A file could not be had from any of its addresses; the message says why at each, and what to do by hand."""


def data_folder() -> Path:
    """Where downloads are kept: $COURSE_DATA, or ``data/downloads`` of the repository; for an installed package
    ``downloads`` in $COURSE_HOME or in ~/.equivariance-from-scratch, beside the learner's progress."""
    if chosen := os.environ.get("COURSE_DATA"):
        return Path(chosen).expanduser()
    repository = Path(__file__).resolve().parents[2]
    if (repository / "data" / "make_bundled.py").is_file():
        return repository / "data" / "downloads"
    home = os.environ.get("COURSE_HOME")
    return (Path(home) if home else Path.home() / ".equivariance-from-scratch") / "downloads"


def sha256_of(*paths: Path) -> str:
    """SHA-256 of a file; of several, that of what the tool ``sha256sum`` prints for them in this order."""
    digests = [checksum(path, "sha256") for path in paths]
    if len(paths) == 1:
        return digests[0]
    lines = "".join(f"{digest}  {path.name}\n" for digest, path in zip(digests, paths, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()


def checksum(path: Path, algorithm: str) -> str:
    """The hexadecimal digest of a file, by any algorithm of `hashlib`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def download(
    name: str, urls: Sequence[str], checksums: Mapping[str, str], folder: Path | None = None, advice: str = ""
) -> Path:
    """The path of the verified file ``name`` in ``folder``, fetched from the first of ``urls`` that works if need be.

    Args:
        checksums: algorithm → hexadecimal digest, at least one, for example ``{"sha256": "…"}``; all of them must fit,
            also when the file is there already.
        folder: `data_folder` by default.
        advice: what else the reader can do, added to the message if every address fails.

    What has arrived is kept in ``name.part`` and continued by the next call, or from the next address; only a verified
    file gets its name. Two processes may call this at once: the second waits, and finds the file.

    Raises DownloadError if no address gives the right file, OSError if it cannot be written (disk full, no permission),
    ValueError if there is no checksum.
    """
    if not checksums:
        raise ValueError(f"{name} has no checksum; give at least one, for example {{'sha256': '…'}}")
    folder = data_folder() if folder is None else folder
    path = folder / name
    if _fits(path, checksums):
        return path
    with write_alone(folder, name):
        if not _fits(path, checksums):  # else another process has fetched it while this one waited
            _fetch_verified(path, urls, checksums, advice)
    return path


@contextlib.contextmanager
def write_alone(folder: Path, name: str) -> Iterator[None]:
    """Within, no other process is here with the same ``folder`` and ``name``; the folder exists.

    An OSError from within, such as a full disk, comes out with the way out in its message.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"{name}: another process is fetching it; waiting for that", file=sys.stderr)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()
    except OSError as error:
        raise OSError(
            error.errno,
            f"{name} could not be written to {folder}: {error.strerror or error}; make room there, or set COURSE_DATA "
            "to a folder with room that you may write to",
        ) from error


class _WrongFile(Exception):
    """All bytes of an address have come, and they are not those of the file."""


class _Unreachable(Exception):
    """An address gives nothing, or stops in between. (urllib's own errors are OSErrors, as a full disk is.)"""


def _fetch_verified(path: Path, urls: Sequence[str], checksums: Mapping[str, str], advice: str) -> None:
    partial = path.with_name(f"{path.name}.part")
    refuse_pipe(partial)
    problems = []
    for url in urls:
        try:
            _fetch_from(url, partial, checksums)
            os.replace(partial, path)
            return
        except (_WrongFile, _Unreachable) as error:
            problems.append(f"  {url}\n    {error}")
        except OSError:  # of the disk: no other address would help
            partial.unlink(missing_ok=True)
            raise
    digests = ", ".join(f"{algorithm} {digest}" for algorithm, digest in checksums.items())
    lines = [
        f"{path.name} could not be downloaded:",
        *problems,
        "Without a network, fetch it on another machine from one of these addresses and save it as",
        f"  {path}",
        f"The right file has {digests}.",
        _what_is_there(path, checksums),
        advice,
    ]
    raise DownloadError("\n".join(filter(None, lines)))


def _what_is_there(path: Path, checksums: Mapping[str, str]) -> str:
    """About a file that has the right name and is another, saved by hand perhaps; nothing if there is none."""
    if not path.is_file():
        return ""
    digests = ", ".join(f"{algorithm} {checksum(path, algorithm)}" for algorithm in checksums)
    return f"A file of that name is there, but it is another one: {_size(path):,} bytes with {digests}."


def _fetch_from(url: str, partial: Path, checksums: Mapping[str, str]) -> None:
    """Complete ``partial`` from one address and verify it. A beginning that does not fit is thrown away."""
    begun = partial.exists()
    try:
        _complete(url, partial)
        _verify(partial, checksums)
    except _WrongFile:
        partial.unlink()
        if not begun:
            raise
        _fetch_from(url, partial, checksums)


def _complete(url: str, partial: Path) -> None:
    """Append what is missing; again after a break, as long as each attempt brings something new."""
    for attempt in range(ATTEMPTS):
        before = _size(partial)
        try:
            return _append(url, partial)
        except _Unreachable:
            if _size(partial) <= before or attempt == ATTEMPTS - 1:
                raise


def _append(url: str, partial: Path) -> None:
    start = _size(partial)
    response = _open(url, start)
    if response is None:
        return
    with response:
        if response.status != HTTPStatus.PARTIAL_CONTENT:
            start = 0  # the server sends all of it, asked for the rest or not
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        with (
            partial.open("ab" if start else "wb") as file,
            # None: quiet where stderr is no terminal.
            tqdm(total=total, initial=start, desc=partial.stem, unit="B", unit_scale=True, disable=None) as bar,
        ):
            while chunk := _read(response):
                bar.update(file.write(chunk))
    if total is not None and _size(partial) < total:
        raise _Unreachable(f"the connection broke after {_size(partial):,} of {total:,} bytes")


def _open(url: str, start: int) -> HTTPResponse | None:
    """The answer of the server; None if it has nothing after ``start``, and the checksum will tell if that is right."""
    headers = {"User-Agent": "equivariance-from-scratch"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        return urlopen(Request(url, headers=headers), timeout=TIMEOUT_SECONDS)
    except HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return None
        raise _Unreachable(f"HTTP {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        raise _Unreachable(getattr(error, "reason", error) or type(error).__name__) from error


def _read(response: HTTPResponse) -> bytes:
    try:
        return response.read(CHUNK)
    except (OSError, HTTPException) as error:
        raise _Unreachable(f"the connection broke: {error or type(error).__name__}") from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _fits(path: Path, checksums: Mapping[str, str]) -> bool:
    return path.is_file() and all(checksum(path, name) == digest for name, digest in checksums.items())


def _verify(path: Path, checksums: Mapping[str, str]) -> None:
    for algorithm, expected in checksums.items():
        if (found := checksum(path, algorithm)) != expected:
            raise _WrongFile(f"gave another file: {_size(path):,} bytes with {algorithm} {found}, expected {expected}")
