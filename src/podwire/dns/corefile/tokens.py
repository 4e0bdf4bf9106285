r"""Words of a Corefile with the lines they are on. Pure, and linear in the size of the text.

Words are separated by white space; `"..."` is one word, in which `\"` is a quotation mark; `#` at the start of a word
begins a comment; `{$NAME}` and `{%NAME%}` are replaced by a variable of the environment.
Sources: coredns.io/manual/configuration, github.com/coredns/caddy `caddyfile/lexer.go`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

LARGEST_TEXT = 1 << 20
"""Bytes of a Corefile: the most that a ConfigMap holds."""
MOST_TOKENS = 100_000

_VARIABLE = re.compile(r"\{\$(\w+)\}|\{%(\w+)%\}")
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s"#]\S*)|(#[^\n]*)', re.DOTALL)
_SPACE = re.compile(r"\s*")


class CorefileError(ValueError):
    """A Corefile that is not valid: the line, or 0 where none is at fault, and what to do."""

    def __init__(self, line: int, problem: str, file: str = "Corefile") -> None:
        super().__init__(f"{file} line {line}: {problem}" if line else f"{file}: {problem}")
        self.line = line


class Token(msgspec.Struct, frozen=True):
    """One word, its file and line. A quoted brace is a word like others."""

    text: str
    line: int
    file: str = "Corefile"
    quoted: bool = False

    def error(self, problem: str) -> CorefileError:
        """An error about this word."""
        return CorefileError(self.line, problem, self.file)

    @property
    def opens(self) -> bool:
        """Whether it begins a block."""
        return self.text == "{" and not self.quoted

    @property
    def closes(self) -> bool:
        """Whether it ends a block."""
        return self.text == "}" and not self.quoted


def tokens(text: str, environment: Mapping[str, str], file: str = "Corefile") -> tuple[Token, ...]:
    """The words of a text. Raises CorefileError."""
    if len(text) > LARGEST_TEXT:
        raise CorefileError(0, f"must have at most {LARGEST_TEXT} bytes", file)
    found: list[Token] = []
    position, line, length = 0, 1, len(text)
    while True:
        space = _SPACE.match(text, position)
        assert space is not None
        line += text.count("\n", position, space.end())
        position = space.end()
        if position == length:
            return tuple(found)
        word = _WORD.match(text, position)
        if word is None:
            raise CorefileError(line, "a quotation mark is not closed", file)
        if word[3] is None:
            found.append(_token(word, line, environment, file))
            if len(found) > MOST_TOKENS:
                raise CorefileError(line, f"must have at most {MOST_TOKENS} words", file)
        line += text.count("\n", position, word.end())
        position = word.end()


def _token(word: re.Match[str], line: int, environment: Mapping[str, str], file: str) -> Token:
    quoted = word[1] is not None
    text = word[1].replace('\\"', '"') if quoted else word[2]
    if "{" in text:
        text = _VARIABLE.sub(lambda name: environment.get(name[1] or name[2], ""), text)
    return Token(text, line, file, quoted)
