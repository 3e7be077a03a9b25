"""Keeping secrets out of stores and reports: what is written down of a command line and of an environment.

A secret is recognised by the name in front of it (`--api-key X`, `TOKEN=X`, `"password": "X"`, `?api_key=X`), by a form
that only secrets have (AWS, GitHub, OpenAI, Hugging Face, Slack tokens, private keys, JSON web tokens), by standing
before the `@` of an address, or behind the colon of what curl logs in with (`-u me:X`). The name stays, the value
becomes `***`: the reader still sees which option was given.
What is hidden stays as it is when it is read again: plans are compared by what is stored of them.
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
    r"|apikey|(?:amz|goog)[-_]signature)(?:$|[-_.])|[-_.]key$"
    r"|(?-i:[a-z0-9](?:Token|Secret|Password|(?:Api|Access|Account|Private|Secret)Key)$)"
)
_OF_A_VOCABULARY = r"^-*(?:pad|bos|eos|unk|mask|cls|sep)[-_]token(?:[-_]id)?$"  # as every tokenizer calls them
_SIGNATURES = ("sig", "signature")  # parameters of an address; elsewhere these are words like any other
_SENSITIVE_FORM = (
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}\b|\bgithub_pat_[A-Za-z0-9_]{20,}\b"
    r"|\bsk-[A-Za-z0-9_-]{16,}\b|\bhf_[A-Za-z0-9]{16,}\b|\bxox[abprs]-[A-Za-z0-9-]{10,}\b"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    r"|\bwandb_[A-Za-z0-9_]{16,}\b|\b[0-9a-f]{40}\b"
)
_PRIVATE_KEY = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[\s\S]*?-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|[\s\S]*)"
)
_INSIDE_ADDRESS = r"(://[^/\s:@]*:)[^/\s]+@"
_ALONE_IN_ADDRESS = r"(?i)(https?://)(?!git@)[^/\s:@?#'\"]+@"  # of ssh and databases it is only who one is
_ASSIGNMENT = r"(?s)^(-{0,2}[A-Za-z_][\w.-]*)([=:])(.*)$"
_INNER_NAME = r"(?<![\w.-])([\w.-]+)(\\*[\"']?\]?\s*(?:=>|==|:=|[=:])\s*)"
_VALUE = (
    r"(?is)\*\*\*"
    r"|(?:(?:bearer|basic|token|digest|negotiate|apikey)[ \t]+)?"
    r"(?:[a-z]{0,2}(\"\"\"|'''|[\"'])(?:\\.|(?!\1)[^\\])*\1"  # a string
    r"|(\\+[\"'])(?:(?!\2).)*\2"  # one inside another
    r"|[a-z]{0,2}\\*[\"'][^\n]*"  # one that does not end here
    r"|[\[({][^\])}\n]*[\])}]?"  # several
    r"|[^\s,;&'\"]+)"
)
_LOGIN = r"^(?:-[uU]|--user|--proxy-user)$"  # of curl: NAME:PASSWORD
_LOGIN_IN_TEXT = (
    r"(\bcurl\b[^|;&\n]*?\s(?:-[uU]|--user|--proxy-user)[\s=]*(?:\\*[\"'])?[^\s:\"'\\]+:)(?!\*\*\*)[^\s\"'\\]+"
)
_BLOCK_OF_YAML = r"^(\s*(?:- +)*)[\"']?([\w.-]+)[\"']?\s*:\s*[|>][-+\d]*\s*(?:#.*)?$"
_HEADER = r"(?i)(?:authorization|cookie)$"
_VALUE_OF_HEADER = r"[^\n'\"]+"
_MOST_NESTED = 4  # options in the value of an option


def redact_command(words: Iterable[str]) -> tuple[str, ...]:
    """The command as it may be stored. Lengths of secrets are not kept."""
    shown: list[str] = []
    hide_next = curl = False
    for word in words:
        if hide_next and not word.startswith("-"):
            shown.append(HIDDEN)
            hide_next = False
            continue
        if curl and (login := _without_password(shown[-1], word)):
            shown.append(login)
            continue
        curl = curl or word.rpartition("/")[2] == "curl"
        hide_next = word.startswith("-") and "=" not in word and _is_secret_name(word.lstrip("-"))
        shown.append(redact_text(word))
    return tuple(shown)


def _without_password(option: str, word: str) -> str | None:
    """`me:***` for what curl logs in with: `me:X` behind `option`, or joined to it. None: it is no such word."""
    if re.match(_LOGIN, option):
        name, colon, password = word.partition(":")
        return f"{name}:{HIDDEN}" if colon and password else None
    joined = re.match(r"(?s)(-[uU]|--(?:proxy-)?user=)([^:]+:).+$", word)
    return f"{joined[1]}{joined[2]}{HIDDEN}" if joined else None


def redact_text(text: str) -> str:
    """Any text with its secrets hidden."""
    text = _without_private_keys(text)
    assigns = "=" in text or ":" in text
    start = 0
    for _ in range(_MOST_NESTED if assigns else 0):
        whole = re.match(_ASSIGNMENT, text[start:])
        if whole and _is_secret_name(whole[1].lstrip("-")) and whole[3]:
            return f"{text[:start]}{whole[1]}{whole[2]}{HIDDEN}"
        if not whole or not whole[1].startswith("-") or whole[2] != "=":
            break
        start += whole.end(2)  # `--env=API_KEY=X`: the value of an option is an assignment, too
    text = re.sub(_SENSITIVE_FORM, HIDDEN, text)
    if not assigns:
        return text
    if "://" in text:
        text = re.sub(_INSIDE_ADDRESS, rf"\1{HIDDEN}@", text)
        text = re.sub(_ALONE_IN_ADDRESS, rf"\1{HIDDEN}@", text)
    if "curl" in text:
        text = re.sub(_LOGIN_IN_TEXT, rf"\1{HIDDEN}", text)
    return _without_inner(text)


def redact_lines(text: str) -> str:
    """The text of a file, its secrets hidden line by line; a private key becomes one line, and so does a secret that
    YAML has as a block of lines.
    """
    shown: list[str] = []
    block: int | None = None  # how far in the name stands, whose block of lines is left out
    for line in _without_private_keys(text).splitlines():
        if block is not None and (not line.strip() or len(line) - len(line.lstrip()) > block):
            continue
        opens = re.match(_BLOCK_OF_YAML, line)
        block = len(opens[1]) if opens and _is_secret_name(opens[2]) else None
        shown.append(redact_text(line))
    return "\n".join(shown) + "\n" if text else ""


def redact_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Variables as they may be stored."""
    return {
        name: HIDDEN if _is_secret_name(name) and value else redact_text(value) for name, value in variables.items()
    }


def is_redacted(words: Iterable[str]) -> bool:
    """Whether something was hidden, so that the stored words cannot be run again."""
    return any(HIDDEN in word for word in words)


def _without_private_keys(text: str) -> str:
    return re.sub(_PRIVATE_KEY, HIDDEN, text) if "-----BEGIN " in text else text


def _without_inner(text: str) -> str:
    """Hide the value behind every secret name, wherever the two stand in a text."""
    shown: list[str] = []
    kept = at = 0  # how far the text has been written down, and looked at
    while name := re.compile(_INNER_NAME).search(text, at):
        at = name.end()
        in_address = name.start() > 0 and text[name.start() - 1] in "?&;"
        if not _is_secret_name(name[1]) and not (in_address and name[1].lower() in _SIGNATURES):
            continue
        header = name[2].strip() == ":" and re.search(_HEADER, name[1])
        value = re.compile(_VALUE_OF_HEADER if header else _VALUE).match(text, at)
        if value:
            shown += [text[kept:at], HIDDEN]
            kept = at = value.end()
    return "".join(shown) + text[kept:]


def _is_secret_name(name: str) -> bool:
    if re.search(_SENSITIVE_NAME, name, re.IGNORECASE) is None:
        return False
    return re.search(_OF_A_VOCABULARY, name, re.IGNORECASE) is None
