"""Shell text cut into words and operators, each with its place. Nothing is run, and nothing is expanded but quotes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPERATOR = re.compile(r"&&|\|\||;;|[;&|(){}\n]")
_REDIRECTION = re.compile(r"\d*(?:<<<|>>|>&|<&|&>>|&>|>\||<>|>|<)")
_HEREDOC = re.compile(r"<<(?P<dash>-?)[ \t]*(?P<quote>['\"]?)(?P<word>[\w.-]+)(?P=quote)")
_NAME = re.compile(r"\$(?P<name>[A-Za-z_]\w*)|\$\{(?P<braced>[A-Za-z_]\w*)\}")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a word: text as it is, the name of a variable, or (both None) what only a shell knows."""

    text: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """A word or an operator. `start` and `end` are indices in the text."""

    raw: str
    start: int
    end: int
    pieces: tuple[Piece, ...] = ()
    is_operator: bool = False
    quoted_from: int = 1 << 60  # index in `raw` of the first quote or expansion

    @property
    def literal(self) -> str | None:
        """The text, where no expansion is in it."""
        return None if any(piece.text is None for piece in self.pieces) else "".join(p.text or "" for p in self.pieces)


def words(text: str) -> Iterator[Word]:
    """Yield the words and operators of a shell text; line ends are operators, comments and here-documents nothing."""
    position, heredocs = 0, []
    while position < len(text):
        character = text[position]
        if character in " \t\r" or text.startswith(("\\\n", "\\\r\n"), position):
            position += 1 if character != "\\" else text.index("\n", position) - position + 1
            continue
        if character == "#":
            position = _line_end(text, position)
            continue
        heredoc = _HEREDOC.match(text, position)
        if heredoc and not text.startswith("<<<", position):
            heredocs.append((heredoc["word"], bool(heredoc["dash"])))
            position = heredoc.end()
            continue
        redirection = _REDIRECTION.match(text, position)
        if redirection:
            position = _past_target(text, redirection.end())
            continue
        operator = _OPERATOR.match(text, position)
        if operator and not _is_word_brace(text, position):
            yield Word(operator.group(), position, operator.end(), is_operator=True)
            position = operator.end()
            if operator.group() == "\n":
                for word, dashed in heredocs:
                    position = _past_heredoc(text, position, word, dashed=dashed)
                heredocs = []
            continue
        word = _word(text, position)
        yield word
        position = max(word.end, position + 1)


def value_word(word: Word, skip: int, text: str) -> Word:
    """Return the rest of a word behind its first `skip` characters: the value of NAME=value."""
    return _word(text, word.start + skip, word.end)


def _is_word_brace(text: str, position: int) -> bool:
    """`{a,b}` is a word, `{ a; }` is a group."""
    following = text[position + 1 : position + 2]
    return (text[position] == "{" and following not in {" ", "\t", "\n", "\r", ""}) or (
        text[position] == "}" and position > 0 and text[position - 1] not in " \t\n;"
    )


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def _past_target(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t":
        position += 1
    return _word(text, position).end if position < len(text) and text[position] not in "\n;&|" else position


def _past_heredoc(text: str, position: int, word: str, *, dashed: bool) -> int:
    while position < len(text):
        end = _line_end(text, position)
        line = text[position:end].rstrip("\r")
        position = min(end + 1, len(text))
        if (line.lstrip("\t") if dashed else line) == word:
            break
    return position


def _word(text: str, start: int, stop: int | None = None) -> Word:
    last = len(text) if stop is None else stop
    pieces: list[Piece] = []
    position, first_quote = start, None
    while position < last and text[position] not in " \t\r\n;&|()<>":
        character = text[position]
        if character in "'\"\\$`" and first_quote is None:
            first_quote = position - start
        if character == "'":
            end = text.find("'", position + 1)
            end = last if end < 0 else end
            pieces.append(Piece(text[position + 1 : end]))
            position = end + 1
        elif character == '"':
            position = _double_quoted(text, position + 1, last, pieces)
        elif character == "\\":
            pieces.append(Piece("" if text[position + 1 : position + 2] == "\n" else text[position + 1 : position + 2]))
            position += 2
        elif character in "$`":
            position = _expansion(text, position, last, pieces)
        else:
            pieces.append(Piece(character))
            position += 1
    position = min(position, last)
    return Word(
        text[start:position],
        start,
        position,
        tuple(pieces),
        quoted_from=1 << 60 if first_quote is None else first_quote,
    )


def _double_quoted(text: str, position: int, last: int, pieces: list[Piece]) -> int:
    pieces.append(Piece(""))
    while position < last and text[position] != '"':
        if text[position] == "\\" and text[position + 1 : position + 2] in {'"', "\\", "$", "`", "\n"}:
            pieces.append(Piece(text[position + 1].replace("\n", "")))
            position += 2
        elif text[position] in "$`":
            position = _expansion(text, position, last, pieces)
        else:
            pieces.append(Piece(text[position]))
            position += 1
    return position + 1


def _expansion(text: str, position: int, last: int, pieces: list[Piece]) -> int:
    """Read what starts with `$` or a backtick; only the plain value of a variable is known by its name."""
    named = _NAME.match(text, position, last)
    if named:
        pieces.append(Piece(name=named["name"] or named["braced"]))
        return named.end()
    if text[position] == "`":
        end = text.find("`", position + 1, last)
        pieces.append(Piece())
        return last if end < 0 else end + 1
    following = text[position + 1 : position + 2]
    if following in {"(", "{"}:
        pieces.append(Piece())
        return _past_bracket(text, position + 1, last)
    if following in {"'", '"'}:
        pieces.append(Piece())  # $'...' and $"..." have escapes of their own
        return position + 1
    pieces.append(Piece() if following and following in "@*#?-$!0123456789" else Piece("$"))
    return position + (2 if pieces[-1].text is None else 1)


def _past_bracket(text: str, position: int, last: int) -> int:
    """Return the index behind the bracket that opens at `position`, or `last` where it never closes."""
    pair = {"(": ")", "{": "}"}
    closing = [pair[text[position]]]
    position += 1
    while position < last and closing:
        character = text[position]
        if character == "\\":
            position += 1
        elif character == "'" and closing[-1] == ")":
            end = text.find("'", position + 1, last)
            position = last if end < 0 else end
        elif character in pair:
            closing.append(pair[character])
        elif character == closing[-1]:
            closing.pop()
        position += 1
    return min(position, last)
