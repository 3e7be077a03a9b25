"""Frames of the user's code at one moment, and which of them stands in a loop."""

from __future__ import annotations

import dis

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType

    from .agent import Agent

    Stack = tuple[tuple[CodeType, int, int], ...]  # code, line, offset of the instruction; innermost first

_ranges: dict[CodeType, tuple[tuple[int, int], ...]] = {}
_OF_CLASSES = ("__init__", "__new__", "__post_init__", "__init_subclass__", "<listcomp>", "<genexpr>", "<dictcomp>")


def stack(agent: Agent, frame: FrameType | None, most: int = 6) -> Stack:
    """The frames of the user's own from `frame` outwards, without what they hold."""
    found: list[tuple[CodeType, int, int]] = []
    frame = agent._places.next_own(frame)
    while frame is not None and len(found) < most:
        found.append((frame.f_code, frame.f_lineno, frame.f_lasti))
        frame = agent._places.next_own(frame.f_back)
    return tuple(found)


def is_looping(code: CodeType, offset: int) -> bool:
    """Whether the instruction at `offset` lies between a jump backwards and its target."""
    ranges = _ranges.get(code)
    if ranges is None:
        if len(_ranges) > 2000:
            _ranges.clear()
        ranges = _ranges[code] = tuple(
            (int(instruction.argval), instruction.offset)
            for instruction in dis.get_instructions(code)
            if "JUMP" in instruction.opname
            and isinstance(instruction.argval, int)
            and instruction.argval <= instruction.offset
        )
    return any(start <= offset <= end for start, end in ranges)


def repeated_site(agent: Agent, frames: Stack) -> tuple[str, int, str] | None:
    """(file, line, function) of the innermost frame that stands in a loop; without one, of the innermost that is no
    constructor. That is where the same is done again and again, whoever helps to do it.
    """
    if not frames:
        return None
    outside = [frame for frame in frames if frame[0].co_name not in _OF_CLASSES] or list(frames)
    code, line, _ = next((frame for frame in outside if is_looping(frame[0], frame[2])), outside[0])
    return agent._places.named(code, line)
