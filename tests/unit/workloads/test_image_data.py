"""Image data: what comes with wattleak, what a user brings, and what is refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from wattleak.errors import UsageError
from wattleak.workloads.data import cache_folder, load


def images(count: int, *shape: int) -> np.ndarray:
    return np.arange(count * int(np.prod(shape)), dtype=np.uint64).astype(np.uint8).reshape(count, *shape)


def save(path: Path, **arrays: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    return path


def save_cifar(path: Path) -> Path:
    labels = np.arange(20, dtype=np.uint8) % 10
    return save(path, x_train=images(20, 32, 32, 3), y_train=labels, x_test=images(10, 32, 32, 3), y_test=labels[:10])


def save_pneumonia(path: Path) -> Path:
    labels = (np.arange(6, dtype=np.uint8) % 2)[:, None]
    arrays = {f"{part}_images": images(6, 28, 28) for part in ("train", "val", "test")}
    return save(path, **arrays, **{f"{part}_labels": labels for part in ("train", "val", "test")})


def test_the_default_comes_with_wattleak_and_says_what_it_is() -> None:
    data = load(environ={})
    assert data.name == "fashion-mnist"
    assert data.train_images.shape == (10_000, 28, 28, 1)
    assert data.test_images.shape == (2_000, 28, 28, 1)
    assert data.train_images.dtype == np.uint8
    assert (data.classes, data.licence) == (10, "MIT")
    assert set(np.unique(data.train_labels)) == set(range(10))
    assert data.sha256 == hashlib.sha256(data.path.read_bytes()).hexdigest()
    for fact in ("fashion-mnist", "10000 train", "2000 test", "28x28x1", "MIT", data.sha256[:12]):
        assert fact in data.describe()
    assert (data.path.parent / "NOTICE").read_text(encoding="utf-8").count("Zalando SE")


def test_the_default_is_the_published_data() -> None:
    # The first labels as the data set's own files and every published tutorial show them: 9 is an ankle boot.
    data = load(environ={})
    assert data.train_labels[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert data.test_labels[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]


def test_a_data_folder_serves_every_name(tmp_path: Path) -> None:
    save_cifar(tmp_path / "cifar10_small.npz")
    save_pneumonia(tmp_path / "pneumoniamnist.npz")
    labels = np.array([0, 1, 2, 1])
    arrays = {"train_images": images(4, 28, 28), "train_labels": labels, "test_images": images(4, 28, 28)}
    save(tmp_path / "fashion_mnist_small.npz", **arrays, test_labels=labels)
    environ = {"WATTLEAK_DATA_DIR": str(tmp_path)}
    assert load("cifar10", environ=environ).train_images.shape == (20, 32, 32, 3)
    assert load("pneumoniamnist", environ=environ).train_labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert load(environ=environ).classes == 3
    assert load(environ=environ).path.parent == tmp_path


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    data = load(save_cifar(tmp_path / "mine.npz"))
    assert (data.name, data.licence, data.source) == ("mine", "not stated", str(tmp_path / "mine.npz"))
    assert load(str(save_cifar(tmp_path / "cifar10_small.npz"))).name == "cifar10"


def test_the_cache_is_read_without_a_download(tmp_path: Path) -> None:
    environ = {"XDG_CACHE_HOME": str(tmp_path)}
    save_cifar(tmp_path / "wattleak" / "cifar10.npz")
    assert load("cifar10", environ=environ).name == "cifar10"
    assert cache_folder({"XDG_CACHE_HOME": "relative"}) == Path.home() / ".cache" / "wattleak"


def test_nothing_is_downloaded_unasked(tmp_path: Path) -> None:
    code = (
        "import json, sys, urllib.request\n"
        "urllib.request.urlopen = lambda *a, **k: sys.exit('the network was asked')\n"
        "from wattleak.errors import UsageError\n"
        "from wattleak.workloads.data import load\n"
        "try: load('cifar10')\n"
        "except UsageError as error: print(json.dumps([error.message, error.remedy]))\n"
    )
    env = {name: value for name, value in os.environ.items() if name != "WATTLEAK_DATA_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**env, "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    message, remedy = json.loads(done.stdout)
    assert "nothing is downloaded unasked" in message
    assert "--data cifar10" in remedy
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "hint"), [("cifar11", "did you mean cifar10?"), ("imagenet", "type one of"), ("no/such.npz", "--data")]
)
def test_unknown_data_is_a_usage_error(name: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(name, environ={})
    assert hint in caught.value.remedy


def test_a_data_folder_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="WATTLEAK_DATA_DIR"):
        load(environ={"WATTLEAK_DATA_DIR": str(tmp_path / "gone")})


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()


GOOD = {
    "train_images": images(4, 8, 8),
    "train_labels": np.array([0, 1, 0, 1]),
    "test_images": images(2, 8, 8),
    "test_labels": np.array([0, 1]),
}
HUGE = b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (9000000000000, 99999), }"

BROKEN_FILES = {
    "empty": b"",
    "junk": b"\x00\x01 not a zip" * 99,
    "text": b"hello",
    "one array": npy(np.zeros(3)),
    "pickle": b"\x80\x04K\x01.",
    "no members": zipped(),
    "cut": zipped(**{key: npy(array) for key, array in GOOD.items()})[:300],
    "a damaged member": zipped(**{key: npy(array)[:90] for key, array in GOOD.items()}),
    "a header that is no header": zipped(**dict.fromkeys(GOOD, b"\x93NUMPY\x01\x00\x05\x00((((\n")),
    "larger than any memory": zipped(**dict.fromkeys(GOOD, HUGE.ljust(128) + b"\n")),
}
BROKEN_ARRAYS = {
    "other keys": {"a": np.zeros(3)},
    "half of the keys": {key: GOOD[key] for key in ("train_images", "train_labels")},
    "float images": {**GOOD, "train_images": GOOD["train_images"] / 255},
    "flat images": {**GOOD, "train_images": GOOD["train_images"].reshape(4, 64)},
    "no images": {**GOOD, "train_images": GOOD["train_images"][:0], "train_labels": GOOD["train_labels"][:0]},
    "too few labels": {**GOOD, "train_labels": np.array([0, 1])},
    "labels of floats": {**GOOD, "train_labels": np.array([0.0, 1, 0, 1])},
    "one-hot labels": {**GOOD, "train_labels": np.eye(4, dtype=np.uint8)},
    "negative labels": {**GOOD, "train_labels": np.array([0, -1, 0, 1])},
    "an unseen class": {**GOOD, "test_labels": np.array([0, 7])},
    "two sizes": {**GOOD, "test_images": images(2, 9, 9)},
    "objects": {**GOOD, "train_labels": np.array([0, 1, None, 1], dtype=object)},
}


@pytest.mark.parametrize("data", BROKEN_FILES.values(), ids=BROKEN_FILES)
def test_a_broken_file_is_one_clear_usage_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "mine.npz"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"mine\.npz") as caught:
        load(path)
    assert "\n" not in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("arrays", BROKEN_ARRAYS.values(), ids=BROKEN_ARRAYS)
def test_arrays_that_are_no_image_data_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(UsageError, match=r"mine\.npz") as caught:
        load(save(tmp_path / "mine.npz", **arrays))
    assert caught.value.remedy


def test_a_folder_is_no_data_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="directory"):
        load(tmp_path)
