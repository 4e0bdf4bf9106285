"""Server blocks of a Corefile: keys, and directives with their arguments and lines. Pure.

    ZONE[:PORT] ... {
        PLUGIN ARGUMENT ... {
            OPTION ARGUMENT ...
        }
    }
    (SNIPPET) { ... }       used by `import SNIPPET`

`import` takes a snippet, or files by a pattern: here the other keys of the ConfigMap, or the files beside the Corefile.
Sources: coredns.io/manual/configuration, github.com/coredns/caddy `caddyfile/parse.go`.
"""

from __future__ import annotations

import fnmatch
import itertools
import posixpath
from collections.abc import Iterator, Mapping

import msgspec

from podwire.dns.corefile.tokens import MOST_TOKENS, CorefileError, Token, tokens

MOST_NESTED_IMPORTS = 8
FOLDER = "/etc/coredns"
"""Where a Corefile is by custom: a file below it is the key of the ConfigMap with that name."""


class Line(msgspec.Struct, frozen=True):
    """An option inside a plugin's block."""

    name: Token
    arguments: tuple[Token, ...]


class Directive(msgspec.Struct, frozen=True):
    """A plugin as it is used: its name, what follows it in the line, and the lines of its block."""

    name: Token
    arguments: tuple[Token, ...]
    lines: tuple[Line, ...] = ()

    def error(self, problem: str) -> CorefileError:
        """An error about this use of the plugin."""
        return self.name.error(f"{self.name.text}: {problem}")


class ServerBlock(msgspec.Struct, frozen=True):
    """The keys of a block, and its directives in the order of the file."""

    keys: tuple[Token, ...]
    directives: tuple[Directive, ...]


def parse(text: str, files: Mapping[str, str] = {}, environment: Mapping[str, str] = {}) -> tuple[ServerBlock, ...]:
    """The server blocks of a Corefile. `files` are the texts that it may import, by name. Raises CorefileError."""
    return _Parser(tokens(text, environment), files, environment).blocks()


def imports(text: str, environment: Mapping[str, str]) -> frozenset[str]:
    """The patterns of files that a text may import; none where it cannot be read as words."""
    try:
        words = tokens(text, environment)
    except CorefileError:
        return frozenset()
    return frozenset(_pattern(word.text) for before, word in itertools.pairwise(words) if before.text == "import")


def _pattern(name: str) -> str:
    return posixpath.relpath(name, FOLDER) if name.startswith("/") else name


class _Parser:
    """One pass over the words; imports are put in the place where they are read."""

    def __init__(self, words: tuple[Token, ...], files: Mapping[str, str], environment: Mapping[str, str]) -> None:
        self._words = list(reversed(words))
        """What is left to read, the next word last."""
        self._files = files
        self._environment = environment
        self._snippets: dict[str, tuple[Token, ...]] = {}
        self._imports = 0
        self._read = 0

    def blocks(self) -> tuple[ServerBlock, ...]:
        """All blocks."""
        found: list[ServerBlock] = []
        while self._words:
            keys = tuple(self._keys())
            if len(keys) == 1 and keys[0].text.startswith("(") and keys[0].text.endswith(")"):
                self._snippets[keys[0].text[1:-1]] = tuple(self._raw_block(keys[0]))
            elif keys:
                found.append(ServerBlock(keys, tuple(self._directives(keys[0]))))
        return tuple(found)

    def _keys(self) -> Iterator[Token]:
        """The words before a block. `import` between blocks is put in place."""
        first: Token | None = None
        while self._words:
            word = self._next()
            if word.opens and first is not None:
                return
            if first is None and word.text == "import":
                self._import(word, self._rest_of_line(word))
                return
            if word.opens or word.closes:
                raise word.error(f"{word.text!r} is not expected here: a server block is ZONE {{ ... }}")
            first = first or word
            for text in word.text.split(","):
                if text:
                    yield Token(text, word.line, word.file)
        if first is not None:
            raise first.error(f"{first.text}: a server block must have a body: ZONE {{ ... }}")

    def _raw_block(self, start: Token) -> Iterator[Token]:
        """The words up to the end of the block."""
        depth = 0
        while self._words:
            word = self._next()
            depth += word.opens - word.closes
            if depth < 0:
                return
            yield word
        raise start.error(f"{start.text}: the block is not closed with a brace")

    def _directives(self, start: Token) -> Iterator[Directive]:
        while self._words:
            name = self._next()
            if name.closes:
                return
            if name.opens:
                raise name.error("a block must follow the name of a plugin in the same line")
            arguments = self._rest_of_line(name)
            if name.text == "import":
                self._import(name, arguments)
                continue
            opened = bool(arguments) and arguments[-1].opens
            lines = tuple(self._lines(name)) if opened else ()
            yield Directive(name, arguments[:-1] if opened else arguments, lines)
        raise start.error(f"{start.text}: the server block is not closed with a brace")

    def _lines(self, plugin: Token) -> Iterator[Line]:
        while self._words:
            name = self._next()
            if name.closes:
                return
            arguments = self._rest_of_line(name)
            if name.text == "import":
                self._import(name, arguments)
                continue
            if name.opens or any(word.opens or word.closes for word in arguments):
                raise name.error(
                    f"{plugin.text}: a plugin's block has no blocks inside, and a brace is a line of its own"
                )
            yield Line(name, arguments)
        raise plugin.error(f"{plugin.text}: the block is not closed with a brace")

    def _next(self) -> Token:
        self._read += 1
        word = self._words.pop()
        if self._read > MOST_TOKENS:
            raise word.error(f"with its imports it must have at most {MOST_TOKENS} words")
        return word

    def _rest_of_line(self, start: Token) -> tuple[Token, ...]:
        """The words on the line of this one; a brace that opens a block is the last."""
        found: list[Token] = []
        while self._words and self._words[-1].line == start.line and self._words[-1].file == start.file:
            if self._words[-1].closes:
                break
            found.append(self._next())
            if found[-1].opens:
                break
        return tuple(found)

    def _import(self, word: Token, arguments: tuple[Token, ...]) -> None:
        """Put a snippet, or the files that a pattern means, in the place of the line. No such file is no error."""
        if len(arguments) != 1:
            raise word.error("import: must have one snippet or one pattern of files")
        self._imports += 1
        if self._imports > MOST_NESTED_IMPORTS * MOST_NESTED_IMPORTS:
            raise word.error("import: there are too many, or they import each other")
        name = arguments[0].text
        if name in self._snippets:
            self._words += reversed(self._snippets[name])
            return
        pattern = _pattern(name)
        matching = sorted(file for file in self._files if fnmatch.fnmatchcase(file, pattern))
        if not matching and not set(pattern) & set("*?["):
            raise arguments[0].error(f"import {name}: is neither a snippet nor a key of the ConfigMap")
        for file in reversed(matching):
            self._words += reversed(tokens(self._files[file], self._environment, file))
        if len(self._words) > MOST_TOKENS:
            raise word.error(f"with its imports it must have at most {MOST_TOKENS} words")
