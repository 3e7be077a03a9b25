"""Numbers that were typed, where argparse's own message would not say what fits."""

from __future__ import annotations

from wattleak.errors import UsageError


def whole_number(text: str, option: str, least: int) -> int:
    """Read a whole number of at least `least`. Raises UsageError, which names the option."""
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise UsageError(f"{option} {text!r} does not fit", f"give a whole number of at least {least}")
    return number
