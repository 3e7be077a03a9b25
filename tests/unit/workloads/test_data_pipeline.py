"""Samples that are stored in several formats come back as they were; the page cache is dropped, and seen to be."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from wattleak.errors import UsageError
from wattleak.workloads import data_pipeline
from wattleak.workloads.data import load
from wattleak.workloads.data_pipeline import deliver, files, page_cache
from wattleak.workloads.data_pipeline import stored as kept
from wattleak.workloads.data_pipeline.digests import digests
from wattleak.workloads.data_pipeline.enlarged import Samples, enlarge, samples_for
from wattleak.workloads.data_pipeline.formats import FORMATS, find_format
from wattleak.workloads.data_pipeline.orders import BLOCK, ORDERS, STRIDE, batches

HERE = Path(data_pipeline.__file__).parent
COUNT, SIDE = 37, 20  # the last batch and the last shard are not full
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the page cache is asked for on Linux")


def drawn(channels=1, count=COUNT):
    random = np.random.default_rng(5)
    return Samples(random.integers(0, 256, (count, SIDE, SIDE, channels), dtype=np.uint8), random.integers(0, 7, count))


def here(name):
    """The format, or a skip that says what is missing. TensorFlow has a test of its own: it takes seconds."""
    found = find_format(name)
    if found.lacking:
        pytest.skip(f"needs {found.lacking}: {found.install}")
    return found


def all_of(stored, folder, samples):
    """Every sample as the format gives it, in batches of 8."""
    shape = samples.images.shape[1:]
    if stored.any_order:
        take = stored.picked().open(folder, shape)
        parts = [take(rows) for rows in batches("contiguous", len(samples), 8, (0, 0))]
    else:
        stream = stored.streamed().stream(folder, shape, 8)
        parts = list(stream)
        assert [len(labels) for _, labels in stream] == [8, 8, 8, 8, 5]  # a second epoch begins anew
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", [one.name for one in FORMATS if "tensorflow" not in one.needs and one.name != "jpeg"])
def test_what_comes_back_is_what_was_stored(tmp_path, name, channels):
    stored, samples = here(name), drawn(channels)
    stored.write(tmp_path, samples)
    images, labels = all_of(stored, tmp_path, samples)
    np.testing.assert_array_equal(images, samples.images)
    np.testing.assert_array_equal(labels, samples.labels)


@pytest.mark.keras
@pytest.mark.skipif(find_spec("tensorflow") is None, reason="needs TensorFlow: pip install 'wattleak[tensorflow]'")
def test_tfrecord_shards_too(tmp_path):
    samples = drawn(3)
    stored = here("tfrecord")
    stored.write(tmp_path, samples)
    images, labels = all_of(stored, tmp_path, samples)
    np.testing.assert_array_equal(images, samples.images)
    np.testing.assert_array_equal(labels, samples.labels)


def test_jpeg_gives_back_other_pixels(tmp_path):
    samples = drawn()
    stored = here("jpeg")
    stored.write(tmp_path, samples)
    images, labels = all_of(stored, tmp_path, samples)
    np.testing.assert_array_equal(labels, samples.labels)
    assert (images != samples.images).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("name", ["npy", "png"])
def test_rows_are_given_in_the_order_that_is_asked_for(tmp_path, name):
    stored, samples = here(name), drawn()
    stored.write(tmp_path, samples)
    take = stored.picked().open(tmp_path, (SIDE, SIDE, 1))
    for rows in (np.array([36, 0, 7]), np.array([3, 4, 5]), np.array([9])):
        images, labels = take(rows)
        np.testing.assert_array_equal(images, samples.images[rows])
        np.testing.assert_array_equal(labels, samples.labels[rows])


def test_a_shard_of_webdataset_is_a_plain_tar_file(tmp_path):
    """Keys that follow each other, .png before .cls, each shard with samples of its own: what the package asks for."""
    samples = drawn()
    here("webdataset").write(tmp_path, samples)
    from PIL import Image

    names = []
    for shard in sorted(tmp_path.iterdir()):
        with tarfile.open(shard) as opened:
            for png, label in zip(opened.getmembers()[::2], opened.getmembers()[1::2], strict=True):
                assert Path(png.name).stem == Path(label.name).stem
                row = int(Path(png.name).stem)
                pixels = np.asarray(Image.open(io.BytesIO(opened.extractfile(png).read())))
                np.testing.assert_array_equal(pixels, samples.images[row, ..., 0])
                assert int(opened.extractfile(label).read()) == samples.labels[row]
                names.append(row)
    assert names == list(range(COUNT))
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("order", list(ORDERS))
def test_an_epoch_has_every_sample_once(order):
    found = batches(order, 1000, 64, (3, 1))
    assert [len(rows) for rows in found] == [64] * 15 + [40]
    rows = np.concatenate(found)
    np.testing.assert_array_equal(np.sort(rows), np.arange(1000))
    steps = np.diff(rows)
    if order == "contiguous":
        assert (steps == 1).all()
    elif order == "strided":
        assert (steps[steps > 0] == STRIDE).all()
    elif order == "blocks":
        starts = rows[np.flatnonzero(np.concatenate([[True], steps != 1]))]
        assert (starts % BLOCK == 0).all()
    else:
        assert (steps == 1).mean() < 0.01
        assert (rows != np.concatenate(batches(order, 1000, 64, (3, 2)))).any()  # another epoch, another order


def test_enlarged_samples_are_the_same_each_time_and_like_their_class():
    data = load()
    one, again = enlarge(data, 56, 60), enlarge(data, 56, 60)
    np.testing.assert_array_equal(one.images, again.images)
    assert one.images.shape == (60, 56, 56, 1)
    assert one.images.dtype == np.uint8
    # An enlarged image is nearer to the mean image of its class than to that of most others.
    small = one.images.reshape(60, 28, 2, 28, 2).mean(axis=(2, 4))
    means = np.stack([data.train_images[data.train_labels == k, ..., 0].mean(axis=0) for k in range(10)])
    distances = ((small[:, None] - means[None]) ** 2).mean(axis=(2, 3))
    rank = (distances < distances[np.arange(60), one.labels][:, None]).sum(axis=1)
    assert np.mean(rank) < 2  # by chance it were 4.5


def test_the_number_of_samples_follows_from_the_bytes():
    data = load()  # 28 x 28 x 1
    assert samples_for(data, 32, 1_048_576) == 1024
    assert samples_for(data, 32, 1) == 16
    assert samples_for(data, 8, 10**9) == 9_000


def test_the_digest_is_of_pixels_and_label():
    samples = drawn(count=2)
    expected = hashlib.sha256(samples.images[1].tobytes() + int(samples.labels[1]).to_bytes(8, "little")).digest()
    assert digests(samples.images, samples.labels)[1].tobytes() == expected


@on_linux
def test_dropped_files_are_read_from_storage_again(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(os.urandom(1 << 20))
    assert page_cache.resident_share([path]) == 1.0
    os.sync()
    if not page_cache.can_be_cold([path]):
        pytest.skip("this file system keeps its files in memory")
    assert page_cache.resident_share([path]) == 0.0
    path.read_bytes()
    assert page_cache.resident_share([path]) == 1.0


# -- the programs ----------------------------------------------------------------------------------------------------


def ran(program, *words):
    return subprocess.run(
        [sys.executable, str(HERE / program), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored")
    done = ran("files.py", "--to", folder, "--formats", "npy,npz", "--side", 32, "--raw-mb", 1)
    assert done.returncode == 0, done.stderr
    return folder


def figures(done):
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("WATTLEAK ")]
    return json.loads(line.removeprefix("WATTLEAK "))


def test_files_are_written_once_and_again_when_they_are_not_what_they_were(stored):
    before = (stored / "npz" / "samples.npz").stat().st_mtime_ns
    assert ran("files.py", "--to", stored, "--formats", "npz", "--side", 32, "--raw-mb", 1).returncode == 0
    assert (stored / "npz" / "samples.npz").stat().st_mtime_ns == before
    known = kept.about(stored / "npz")
    assert (known.samples, known.shape, known.files) == (1024, (32, 32, 1), 1)
    assert known.size_b == (stored / "npz" / "samples.npz").stat().st_size
    assert files.is_whole(stored / "npz", known.made_of)
    assert not files.is_whole(stored / "npz", known.made_of + " otherwise")
    with (stored / "npz" / "samples.npz").open("r+b") as file:
        file.seek(1000)
        file.write(b"damaged")
    assert ran("files.py", "--to", stored, "--formats", "npz", "--side", 32, "--raw-mb", 1).returncode == 0
    assert kept.about(stored / "npz") == known or kept.about(stored / "npz").sha256 == known.sha256


@on_linux
def test_cold_epochs_come_from_storage_and_warm_ones_do_not(stored):
    words = ("--input", stored / "npy", "--digests", stored / "digests.npy", "--seconds", 0)
    size_b = sum(path.stat().st_size for path in (stored / "npy").iterdir())
    if not page_cache.can_be_cold(kept.files_in(stored / "npy")):
        pytest.skip("this file system keeps its files in memory")
    warm = figures(ran("deliver.py", *words, "--access", "shuffled"))
    cold = figures(ran("deliver.py", *words, "--access", "shuffled", "--page-cache", "cold"))
    for told in (warm, cold):
        assert (told["samples"], told["later_epochs"], told["wrong_samples"]) == (1024, 2, 0)
        assert told["resident_share"] == 0
        assert size_b <= told["first_storage_b"] < 2 * size_b
        assert told["least_storage_share"] >= 1
    assert warm["later_storage_b"] == 0
    assert 2 * size_b <= cold["later_storage_b"] < 4 * size_b
    assert (warm["dropping_s"], warm["samples_sha256"]) == (0, cold["samples_sha256"])
    assert cold["dropping_s"] > 0
    assert warm["later_called_b"] < 0.1 * size_b  # a memory map is not read by calls


def test_kept_samples_are_the_same_and_not_read_again(stored):
    words = ("--input", stored / "npz", "--digests", stored / "digests.npy", "--seconds", 0)
    plain, kept = figures(ran("deliver.py", *words)), figures(ran("deliver.py", *words, "--keep"))
    assert (plain["wrong_samples"], kept["wrong_samples"]) == (0, 0)
    assert plain["samples_sha256"] == kept["samples_sha256"]
    assert kept["later_cpu_s"] < plain["later_cpu_s"]
    if "later_called_b" in kept:
        assert kept["later_called_b"] < 0.1 * plain["later_called_b"]


@pytest.mark.torch
@pytest.mark.skipif(find_spec("torch") is None or find_spec("PIL") is None, reason="needs torch and pillow")
def test_workers_deliver_the_same_samples_beside_a_training(stored):
    assert ran("files.py", "--to", stored, "--formats", "png", "--side", 32, "--raw-mb", 1).returncode == 0
    words = ("--input", stored / "png", "--digests", stored / "digests.npy", "--seconds", 0, "--access", "shuffled")
    told = figures(ran("deliver.py", *words, "--loader", "torch", "--workers", 1, "--train"))
    assert told["wrong_samples"] == 0
    if "later_called_b" in told:  # what the worker reads is counted too
        assert told["later_called_b"] >= 2 * told["size_b"]


def test_a_sample_that_is_not_what_was_stored_is_counted(stored, tmp_path):
    expected = np.load(stored / "digests.npy")
    expected[[5, 9]] = expected[[9, 5]]
    np.save(tmp_path / "other.npy", expected)
    told = figures(ran("deliver.py", "--input", stored / "npy", "--digests", tmp_path / "other.npy", "--seconds", 0))
    assert told["wrong_samples"] == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--input", "npz", "--access", "shuffled"), "npz is read as it was written"),
        (("--input", "npy", "--workers", "1"), "--workers are those of --loader torch"),
        (("--input", "npy", "--loader", "torch", "--workers", "1", "--page-cache", "cold"), "cannot be dropped"),
        (("--input", "npy", "--loader", "torch", "--keep"), "--keep goes with --loader plain"),
        (("--input", "npy", "--batch", "0"), "--batch is 1 or more"),
        (("--input", "nowhere", "--format", "npy"), "is not as files.py wrote it"),
        (("--input", "npy", "--format", "hdf5"), "there is no format 'hdf5'"),
    ],
)
def test_what_does_not_fit_is_one_clear_error(stored, capsys, words, message):
    with pytest.raises(SystemExit) as ended:
        deliver.task(["--input", str(stored / words[1]), "--digests", str(stored / "digests.npy"), *words[2:]])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_format_that_is_not_there():
    with pytest.raises(UsageError, match="there is no format 'zarr'"):
        find_format("zarr")
