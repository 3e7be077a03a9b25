"""Downloads, against a server on this machine: checked, whole or not at all, and never unpickled at random."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import io
import pickle
import socket
import struct
import tarfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from wattleak.errors import OwnFailure, UsageError
from wattleak.workloads.data import CATALOGUE, DataSet, load

if TYPE_CHECKING:
    from collections.abc import Iterator

CIFAR, PNEUMONIA = CATALOGUE[1], CATALOGUE[2]


@contextlib.contextmanager
def serving(body: bytes, *, status: int = 200, promised: int | None = None) -> Iterator[str]:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) if promised is None else promised))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/file"
        finally:
            server.shutdown()
            thread.join()


def published(dataset: DataSet, url: str, body: bytes) -> tuple[DataSet, ...]:
    """The catalogue, with `body` in the place of the official file of `dataset`."""
    assert dataset.official is not None
    official = replace(dataset.official, url=url, md5=hashlib.md5(body).hexdigest(), size_b=len(body))
    return (CATALOGUE[0], replace(dataset, official=official))


def npz() -> bytes:
    file = io.BytesIO()
    labels = (np.arange(6) % 2).astype(np.uint8)[:, None]
    arrays = {f"{part}_images": np.full((6, 28, 28), 7, np.uint8) for part in ("train", "val", "test")}
    np.savez(file, **arrays, **{f"{part}_labels": labels for part in ("train", "val", "test")})
    return file.getvalue()


def python2_batch(rows: np.ndarray, labels: list[int]) -> bytes:
    """A CIFAR batch as Python 2 pickled it: strings are byte strings, the array is rebuilt by numpy.core.multiarray."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    raw = rows.tobytes()
    shape = b"".join(b"M" + struct.pack("<H", size) for size in rows.shape)
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + text(b"b") + b"tR"
        b"(K\x01(" + shape + b"t"
        b"cnumpy\ndtype\n("
        + text(b"u1")
        + b"K\x00K\x01tR(K\x03"
        + text(b"|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
        b"K\x00tb\x89" + b"T" + struct.pack("<i", len(raw)) + raw + b"tb"
    )
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(b"labels") + numbers + b"u."


def archive(batch: bytes, *, without: str = "") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
            if name != without:
                member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
                member.size = len(batch)
                tar.addfile(member, io.BytesIO(batch))
    return file.getvalue()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(tmp_path / "cache")}


def cached(environ: dict[str, str]) -> list[str]:
    folder = Path(environ["XDG_CACHE_HOME"]) / "wattleak"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_an_npz_is_fetched_once_and_then_kept(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    body = npz()
    with serving(body) as url:
        catalogue = published(PNEUMONIA, url, body)
        data = load("pneumoniamnist", download=True, catalogue=catalogue, environ=environ)
    assert data.train_images.shape == (6, 28, 28, 1)
    assert "downloading pneumoniamnist" in capsys.readouterr().err
    assert cached(environ) == ["pneumoniamnist.npz"]
    again = load("pneumoniamnist", catalogue=catalogue, environ=environ)  # the server is gone
    assert again.sha256 == data.sha256


def test_the_cifar_archive_is_turned_into_images(environ: dict[str, str]) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (10, 3072), dtype=np.uint8)
    body = archive(python2_batch(rows, list(range(10))))
    with serving(body) as url:
        data = load("cifar10", download=True, catalogue=published(CIFAR, url, body), environ=environ)
    assert data.train_images.shape == (50, 32, 32, 3)
    assert data.test_labels.tolist() == list(range(10))
    # A row of the batch is 1024 red values, then green, then blue, each image row by row (cs.toronto.edu/~kriz/cifar).
    for row, column, channel in ((0, 0, 0), (3, 5, 1), (31, 30, 2)):
        assert data.test_images[4, row, column, channel] == rows[4, channel * 1024 + row * 32 + column]
    assert cached(environ) == ["cifar10.npz"]


def test_an_archive_that_the_user_fetched_is_read_if_it_is_the_published_one(tmp_path: Path) -> None:
    body = archive(python2_batch(np.zeros((10, 3072), np.uint8), list(range(10))))
    path = tmp_path / "cifar-10-python.tar.gz"
    path.write_bytes(body)
    assert load(path, catalogue=published(CIFAR, "http://unused.invalid/", body)).classes == 10
    with pytest.raises(UsageError, match="not the published"):
        load(path)


def test_a_wrong_checksum_leaves_nothing_behind(environ: dict[str, str]) -> None:
    body = npz()
    with serving(body[:-1] + b"?") as url, pytest.raises(OwnFailure, match="MD5") as caught:
        load("pneumoniamnist", download=True, catalogue=published(PNEUMONIA, url, body), environ=environ)
    assert "--data" in caught.value.remedy
    assert cached(environ) == []


def test_a_cut_transfer_leaves_nothing_behind(environ: dict[str, str]) -> None:
    body = npz()
    with serving(body[:1000], promised=len(body)) as url, pytest.raises(OwnFailure, match="1000 of"):
        load("pneumoniamnist", download=True, catalogue=published(PNEUMONIA, url, body), environ=environ)
    assert cached(environ) == []


def test_a_transfer_without_end_is_stopped(environ: dict[str, str]) -> None:
    body = npz()
    with serving(body * 30) as url, pytest.raises(OwnFailure, match="longer than"):
        load("pneumoniamnist", download=True, catalogue=published(PNEUMONIA, url, body), environ=environ)
    assert cached(environ) == []


def test_a_server_that_has_no_such_file(environ: dict[str, str]) -> None:
    with serving(b"gone", status=404) as url, pytest.raises(OwnFailure, match="404"):
        load("pneumoniamnist", download=True, catalogue=published(PNEUMONIA, url, npz()), environ=environ)
    assert cached(environ) == []


@pytest.mark.parametrize("host", ["refused", "no-such-host.invalid"])
def test_no_network_is_one_clear_line(environ: dict[str, str], host: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/" if host == "refused" else f"http://{host}/"
    with pytest.raises(OwnFailure, match="cannot download") as caught:
        load("pneumoniamnist", download=True, catalogue=published(PNEUMONIA, url, npz()), environ=environ)
    assert url in caught.value.message
    assert "\n" not in caught.value.message
    assert cached(environ) == []


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    with pytest.raises(OwnFailure, match="cannot store") as caught:
        load("cifar10", download=True, environ={"XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert "XDG_CACHE_HOME" in caught.value.remedy


class Hostile:
    """Pickles to a call of open, which makes a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return open, (self.path, "w")


def test_a_pickle_that_wants_more_than_arrays_is_refused(environ: dict[str, str], tmp_path: Path) -> None:
    mark = tmp_path / "was run"
    body = archive(pickle.dumps({b"data": Hostile(str(mark)), b"labels": [0]}, protocol=2))
    with serving(body) as url, pytest.raises(OwnFailure, match="does not need"):
        load("cifar10", download=True, catalogue=published(CIFAR, url, body), environ=environ)
    assert not mark.exists()
    assert cached(environ) == []


@pytest.mark.parametrize("batch", [b"", b"junk", pickle.dumps([1, 2]), pickle.dumps({b"data": b"1"})])
def test_batches_that_are_none_are_refused(environ: dict[str, str], batch: bytes) -> None:
    body = archive(batch)
    with serving(body) as url, pytest.raises(OwnFailure, match="cannot be read"):
        load("cifar10", download=True, catalogue=published(CIFAR, url, body), environ=environ)
    assert cached(environ) == []


def test_an_archive_that_lacks_a_batch_is_refused(environ: dict[str, str]) -> None:
    rows = np.zeros((10, 3072), np.uint8)
    body = archive(python2_batch(rows, list(range(10))), without="data_batch_3")
    with serving(body) as url, pytest.raises(OwnFailure, match="data_batch_3"):
        load("cifar10", download=True, catalogue=published(CIFAR, url, body), environ=environ)
