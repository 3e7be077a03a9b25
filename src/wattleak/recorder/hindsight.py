"""What the end of a recording teaches about the samples before it. Pure.

Until a process has ended, nobody may know what its dead children used (recorder.psutil_tree): each sample of the
portable recorder bounds what may be missing from it by what the whole machine did. Where the end then brings the exact
sum, no sample before can lack more than came to light there, and what is open even then.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import Sample


def narrow(samples: Sequence[Sample]) -> list[Sample]:
    """The samples with `unseen_s` no larger than the end of the recording allows."""
    known = next((after for before, after in pairwise(samples) if after.unseen_s < before.unseen_s), None)
    if known is None:
        return list(samples)
    most_s = known.cpu_s + known.unseen_s
    return [
        replace(sample, unseen_s=min(sample.unseen_s, max(0.0, most_s - sample.cpu_s)))
        if sample.time_s < known.time_s
        else sample
        for sample in samples
    ]
