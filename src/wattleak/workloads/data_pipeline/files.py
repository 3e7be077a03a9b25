"""Write the same samples in several formats, once, and say what is where.

    python files.py --to folder --formats npy,png --data jets --side 96 --raw-mb 16

    folder/digests.npy          SHA-256 of each sample
    folder/FORMAT/...           the files of one format
    folder/FORMAT.json          shape, number of samples, bytes, CPU time of writing, SHA-256 over all its files

What is there already, and is what its JSON file says, is left as it is.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wattleak.errors import WattleakError
from wattleak.workloads.data import load
from wattleak.workloads.data_pipeline.digests import digests
from wattleak.workloads.data_pipeline.enlarged import SEED, VERSION, enlarge, samples_for
from wattleak.workloads.data_pipeline.formats import find_format
from wattleak.workloads.data_pipeline.stored import DIGESTS, MIB, Stored, about, beside, files_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.workloads.data_pipeline.enlarged import Samples
    from wattleak.workloads.data_pipeline.formats import Format


def is_whole(folder: Path, made_of: str) -> bool:
    """Whether the files of a format are there, made of the same, and are what was written."""
    try:
        known = about(folder)
        return known.made_of == made_of and known.sha256 == _sha256(files_in(folder))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write(target: Path, formats: Sequence[Format], samples: Samples, made_of: str) -> None:
    """Store the samples in each of these formats, whole or not at all, and have them on the disk when it returns."""
    target.mkdir(parents=True, exist_ok=True)
    np.save(target / DIGESTS, digests(samples.images, samples.labels))
    height, width, channels = samples.images.shape[1:]
    for one in formats:
        folder = target / one.name
        part = folder.with_suffix(".part")
        for old in (folder, part):
            shutil.rmtree(old, ignore_errors=True)
        part.mkdir()
        began_s = time.process_time()
        one.write(part, samples)
        files = files_in(part)
        stored = Stored(
            made_of=made_of,
            samples=len(samples),
            shape=(height, width, channels),
            classes=int(samples.labels.max()) + 1,
            files=len(files),
            size_b=sum(path.stat().st_size for path in files),
            on_disk_b=sum(_on_disk_b(path) for path in files),
            write_cpu_s=time.process_time() - began_s,
            sha256=_sha256(files),
        )
        part.replace(folder)
        beside(folder).write_text(json.dumps(asdict(stored)) + "\n", encoding="utf-8")
    if hasattr(os, "sync"):
        os.sync()  # a page that is still to be written cannot be dropped from the page cache


def _on_disk_b(path: Path) -> int:
    """Blocks of 512 bytes (stat(2)); where the system does not count them, the size."""
    found = path.stat()
    return found.st_blocks * 512 if hasattr(found, "st_blocks") else found.st_size


def _sha256(files: Sequence[Path]) -> str:
    whole = hashlib.sha256()
    for path in files:
        whole.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", required=True, metavar="FOLDER")
    parser.add_argument("--formats", required=True, metavar="NAME,NAME")
    parser.add_argument("--data", help="a data set (fashion-mnist, cifar10, pneumoniamnist, jets) or an npz file")
    parser.add_argument("--side", type=int, default=96, help="pixels of a side (default: 96)")
    parser.add_argument("--raw-mb", type=int, default=16, help="MiB of pixels (default: 16)")
    arguments = parser.parse_args()
    try:
        formats = [find_format(name) for name in arguments.formats.split(",")]
        data = load(arguments.data)
        count = samples_for(data, arguments.side, arguments.raw_mb * MIB)
        made_of = f"{data.sha256} version {VERSION} seed {SEED} side {arguments.side} samples {count}"
        wanted = [one for one in formats if not is_whole(Path(arguments.to) / one.name, made_of)]
        if wanted:
            write(Path(arguments.to), wanted, enlarge(data, arguments.side, count), made_of)
    except WattleakError as error:
        sys.exit(f"{error.message}; {error.remedy}")
    except OSError as error:
        sys.exit(f"cannot write to {arguments.to}: {error.strerror or error}")


if __name__ == "__main__":
    main()
