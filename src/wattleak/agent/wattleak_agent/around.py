"""Wrapping a function that has no public hook, so that nothing but the time of its calls changes."""

from __future__ import annotations

import functools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .agent import Agent


def surround(
    agent: Agent,
    owner: Any,
    name: str,
    before: Callable[..., Any] | None,
    after: Callable[..., Any] | None,
    failed: Callable[..., Any] | None = None,
) -> None:
    """See `Agent.around`. Static and class methods stay what they are; a name that is not there is left alone."""
    if isinstance(owner, type):
        # Where it is defined: a class that has it from another one would look as if it had overridden it.
        owner = next((each for each in owner.__mro__[:-1] if name in vars(each)), owner)
    held = vars(owner).get(name) if isinstance(owner, type) else None
    original = held if held is not None else getattr(owner, name, None)
    if original is None:
        return
    kind = type(original) if isinstance(original, (staticmethod, classmethod)) else None
    function = original.__func__ if kind is not None else original
    broken = agent.guard(failed) if failed is not None else None
    if before is not None and after is None and broken is None:
        watched = _announced(function, agent.guard(before))
    else:
        first = agent.guard(before) if before is not None else None
        last = agent.guard(after) if after is not None else None
        watched = _watched(function, first, last, broken)
    setattr(owner, name, watched if kind is None else kind(watched))


def _announced(function: Callable[..., Any], first: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def announced(*args: Any, **kwargs: Any) -> Any:
        first(args, kwargs)
        return function(*args, **kwargs)

    return announced


def _watched(
    function: Callable[..., Any],
    first: Callable[..., Any] | None,
    last: Callable[..., Any] | None,
    broken: Callable[..., Any] | None,
) -> Callable[..., Any]:
    @functools.wraps(function)
    def watched(*args: Any, **kwargs: Any) -> Any:
        token = first(args, kwargs) if first is not None else None
        if broken is None:
            result = function(*args, **kwargs)
        else:
            try:
                result = function(*args, **kwargs)
            except BaseException:
                broken(token)
                raise
        if last is not None:
            last(token, args, kwargs, result)
        return result

    return watched
