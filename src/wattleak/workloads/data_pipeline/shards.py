"""Which samples lie in which shard."""

from __future__ import annotations

from itertools import pairwise

_SHARDS = 4


def shards_of(count: int) -> list[range]:
    """The rows of each shard; none is empty."""
    edges = [count * shard // _SHARDS for shard in range(_SHARDS + 1)]
    return [range(start, end) for start, end in pairwise(edges) if end > start]
