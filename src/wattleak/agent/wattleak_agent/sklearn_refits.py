"""Estimators that were fitted again with equal parameters on the same data: the first fit had the answer already.

    {"k": "fitted", "key": class and place, "file", "line", "function", "name": class, "fits", "looked_at": of these,
     "again": those that had been made before, "again_s": what these took, "first": "train.py:12" of the first}

Cross-validation, searches and seeds change the data or a parameter, so they are none. What has chance in it
(random_state=None) counts only where everything that was learnt is arrays, and these are equal as well. Equal is what
has equal checksums (CRC-32 of every byte) at equal shapes and types. Their time is bounded by a hundredth of the time
of the program; a fit that has no room in it is not looked at, and nothing is said of it.
"""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .agent import Agent

    Site = tuple[str, int, str]

_SHARE = 0.01  # of the time since the beginning that may go into looking
_BYTES_PER_S = 0.5e9  # of a checksum, to begin with; then as it was
_MOST = 4096  # fits that are remembered
_MOST_SITES = 64
_MOST_PARTS = 200  # of a value or a table
_LONGEST = 20_000  # objects of an array that are compared by their text
_LONG = 1000  # letters or bits of a value that is not told by its text
_PLAIN = (str, int, float, bool, bytes, type(None))
_monotonic = time.monotonic
_cpu_s = getattr(time, "thread_time", time.monotonic)


class _Unknown(Exception):
    """It cannot be told whether this equals another one, or not in the time there is."""


class Refits:
    """All fits by the program that could be looked at."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._began_s = _monotonic()
        self._looked_s = 0.0
        self._rate = _BYTES_PER_S
        self.clear()

    def clear(self) -> None:
        self._known: dict[bytes, Site] = {}  # a digest of what was fitted -> where first
        self._sites: dict[tuple[str, Site], dict[str, Any]] = {}

    def fitted(self, estimator: Any, args: Any, kwargs: Any, fit_s: float, site: Site | None) -> None:
        """A fit has ended that the program itself asked for."""
        if site is None:
            return
        key = type(estimator).__name__, site
        fact = self._sites.get(key)
        if fact is None:
            if len(self._sites) >= _MOST_SITES:
                return
            fact = self._sites[key] = {
                "k": "fitted",
                "key": f"{key[0]} {site[0]}:{site[1]}",
                "file": site[0],
                "line": site[1],
                "function": site[2],
                "name": key[0],
                "fits": 0,
                "looked_at": 0,
                "again": 0,
                "again_s": 0.0,
                "first": None,
            }
        fact["fits"] += 1
        left_s = _SHARE * (_monotonic() - self._began_s) - self._looked_s
        if left_s <= 0:
            return
        began_s = _cpu_s()  # what others on the machine take meanwhile is no cost of ours
        try:
            what = self._fingerprint(estimator, args, kwargs, left_s)
        except _Unknown:
            return
        finally:
            self._looked_s += _cpu_s() - began_s
        fact["looked_at"] += 1
        first = self._known.get(what)
        if first is None:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[what] = site
            return
        fact["again"] += 1
        fact["again_s"] += fit_s
        fact["first"] = f"{first[0]}:{first[1]}"

    def facts(self) -> list[dict[str, Any]]:
        return [dict(fact) for fact in self._sites.values() if fact["again"]]

    def _fingerprint(self, estimator: Any, args: Any, kwargs: Any, left_s: float) -> bytes:
        """A digest of all that decides what is learnt: 16 bytes, whatever the data are."""
        import hashlib

        parameters = estimator.get_params(deep=True)
        if parameters.get("warm_start"):
            raise _Unknown  # it goes on from where it was
        sums = _Sums(int(left_s * self._rate))
        chance = False
        parts = [f"{type(estimator).__module__}.{type(estimator).__qualname__}"]
        for name in sorted(parameters):
            value = parameters[name]
            if name.rpartition("__")[2] == "random_state" and not isinstance(value, int):
                if value is not None:
                    raise _Unknown  # a generator, which has moved on
                chance = True
            parts.append(f"{name}={sums.of(value)}")
        parts += [sums.of(value) for value in args]
        parts += [f"{name}={sums.of(kwargs[name])}" for name in sorted(kwargs)]
        if chance:
            if any(hasattr(value, "get_params") for value in parameters.values()):
                raise _Unknown  # what the estimators inside have learnt is theirs
            sums.all_told = False
            learnt = sorted(name for name in vars(estimator) if name.endswith("_"))
            parts += [f"{name}={sums.of(getattr(estimator, name))}" for name in learnt]
        self._rate = sums.rate or self._rate
        text = "\n".join(parts).encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, digest_size=16, usedforsecurity=False).digest()


class _Sums:
    """Short texts that are equal where values are, for at most so many bytes."""

    def __init__(self, most_b: int) -> None:
        self.all_told = True  # estimators in what is summed have their parameters beside them
        self._left_b = most_b
        self._read_b = 0
        self._read_s = 0.0

    @property
    def rate(self) -> float | None:
        """Bytes a second, where enough was read to know."""
        return self._read_b / self._read_s if self._read_b > 1 << 16 and self._read_s > 0 else None

    def of(self, value: Any, depth: int = 3) -> str:
        """Raises _Unknown. The text takes of the bytes, as what it was made of does."""
        text = self._of(value, depth)
        if len(text) > self._left_b:
            raise _Unknown
        self._left_b -= len(text)
        return text

    def _of(self, value: Any, depth: int) -> str:
        if isinstance(value, _PLAIN):
            if isinstance(value, int) and value.bit_length() > _LONG:  # some Pythons refuse to print it
                raise _Unknown
            long = isinstance(value, (str, bytes)) and len(value) >= _LONG
            return self._bytes(value) if long else repr(value)
        if isinstance(value, type) or callable(value):
            name = getattr(value, "__qualname__", "<")
            if "<" in name:  # made on the way: what it does may depend on what is around it
                raise _Unknown
            return f"{value.__module__}.{name}"
        if hasattr(value, "get_params") and self.all_told:
            return type(value).__qualname__  # its parameters are listed with those of the estimator around it
        if depth and isinstance(value, (list, tuple, dict)):
            if len(value) > _MOST_PARTS:
                raise _Unknown
            items = value.items() if isinstance(value, dict) else value
            return f"{type(value).__name__}({','.join(self.of(item, depth - 1) for item in items)})"
        return self._data(value, depth)

    def _data(self, value: Any, depth: int) -> str:
        numpy = sys.modules.get("numpy")
        if numpy is None or not depth:
            raise _Unknown
        if isinstance(value, numpy.generic):
            return repr(value)
        if isinstance(value, numpy.ndarray):
            return self._array(numpy, value)
        kind = type(value)
        library = kind.__module__.partition(".")[0]
        if library == "scipy" and all(hasattr(value, name) for name in ("data", "indices", "indptr")):
            parts = (value.data, value.indices, value.indptr)
            return f"{kind.__name__}{value.shape}{[self.of(part, depth - 1) for part in parts]}"
        if library == "pandas" and hasattr(value, "iloc"):
            if value.ndim > 1 and value.shape[1] > _MOST_PARTS:
                raise _Unknown
            columns = [value] if value.ndim == 1 else [value.iloc[:, place] for place in range(value.shape[1])]
            return f"{kind.__name__}{value.shape}{[self._array(numpy, column.to_numpy()) for column in columns]}"
        raise _Unknown

    def _array(self, numpy: Any, array: Any) -> str:
        head = f"{array.dtype}{array.shape}"
        if not array.size:
            return head
        if array.dtype.hasobject:
            if array.size > _LONGEST or not all(isinstance(item, _PLAIN) for item in array.flat):
                raise _Unknown
            if sum(len(item) for item in array.flat if isinstance(item, (str, bytes))) > self._left_b:
                raise _Unknown
            return f"{head}{self._bytes(repr(array.tolist()))}"
        if not (array.flags.c_contiguous or array.flags.f_contiguous):
            if array.nbytes > self._left_b:
                raise _Unknown
            array = array.copy()
        flat = numpy.ravel(array, order="K").view(numpy.uint8)
        return f"{head}{'C' if array.flags.c_contiguous else 'F'}{self._bytes(flat, flat.nbytes)}"

    def _bytes(self, data: Any, size: int | None = None) -> str:
        import zlib

        if isinstance(data, str):
            data = data.encode("utf-8", "surrogatepass")
        size = len(data) if size is None else size
        if size > self._left_b:
            raise _Unknown
        began_s = _cpu_s()
        checksum = zlib.crc32(data)
        self._read_s += _cpu_s() - began_s
        self._read_b += size
        self._left_b -= size
        return f"{size}:{checksum:08x}"
