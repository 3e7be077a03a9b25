"""Keeping secrets out of stores and reports: what is written down of a command line and of an environment.

A secret is recognised by the name in front of it (`--api-key X`, `TOKEN=X`, `password: X`), by a form that only
secrets have (AWS, GitHub, OpenAI, Hugging Face, Slack tokens, private keys, JSON web tokens), or by standing between
`:` and `@` of an address. The name stays, the value becomes `***`: the reader still sees which option was given.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HIDDEN = "***"

# Strings, which `re` compiles when they are first needed and keeps: a block that is measured starts sooner by it.
_SENSITIVE_NAME = (
    r"(?:^|[-_.])(?:api[-_]?key|access[-_]?key|secret|secrets|token|password|passwd|passphrase|pwd|pass|auth"
    r"|authorization|bearer|credential|credentials|private[-_]?key|client[-_]?secret|session[-_]?key|cookie|dsn"
    r"|apikey)(?:$|[-_.])|[-_.]key$"
)
_SENSITIVE_FORM = (
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}\b|\bgithub_pat_[A-Za-z0-9_]{20,}\b"
    r"|\bsk-[A-Za-z0-9_-]{16,}\b|\bhf_[A-Za-z0-9]{16,}\b|\bxox[abprs]-[A-Za-z0-9-]{10,}\b"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    r"|\bwandb_[A-Za-z0-9_]{16,}\b|\b[0-9a-f]{40}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*"
)
_INSIDE_ADDRESS = r"(://[^/\s:@]*:)[^/\s@]+@"
_ASSIGNMENT = r"(?s)^(-{0,2}[A-Za-z_][\w.-]*)([=:])(.*)$"
_INNER_ASSIGNMENT = r"([A-Za-z_][\w.-]*)(\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&'\"]+)"


def redact_command(words: Iterable[str]) -> tuple[str, ...]:
    """The command as it may be stored. Lengths of secrets are not kept."""
    shown: list[str] = []
    hide_next = False
    for word in words:
        if hide_next and not word.startswith("-"):
            shown.append(HIDDEN)
            hide_next = False
            continue
        hide_next = word.startswith("-") and "=" not in word and _is_secret_name(word.lstrip("-"))
        shown.append(redact_text(word))
    return tuple(shown)


def redact_text(text: str) -> str:
    """Any text with its secrets hidden."""
    assigns = "=" in text or ":" in text
    whole = re.match(_ASSIGNMENT, text) if assigns else None
    if whole and _is_secret_name(whole[1].lstrip("-")) and whole[3]:
        return f"{whole[1]}{whole[2]}{HIDDEN}"
    text = re.sub(_SENSITIVE_FORM, HIDDEN, text)
    if not assigns:
        return text
    text = re.sub(_INSIDE_ADDRESS, rf"\1{HIDDEN}@", text)
    return re.sub(
        _INNER_ASSIGNMENT,
        lambda match: f"{match[1]}{match[2]}{HIDDEN}" if _is_secret_name(match[1]) else match[0],
        text,
    )


def redact_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Variables as they may be stored."""
    return {
        name: HIDDEN if _is_secret_name(name) and value else redact_text(value) for name, value in variables.items()
    }


def is_redacted(words: Iterable[str]) -> bool:
    """Whether something was hidden, so that the stored words cannot be run again."""
    return any(HIDDEN in word for word in words)


def _is_secret_name(name: str) -> bool:
    return re.search(_SENSITIVE_NAME, name, re.IGNORECASE) is not None
