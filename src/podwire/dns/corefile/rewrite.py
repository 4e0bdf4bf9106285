"""`rewrite name`: questions under another name. Source: github.com/coredns/coredns `plugin/rewrite/README.md`."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from podwire.dns.corefile import values
from podwire.dns.corefile.grammar import Directive
from podwire.dns.corefile.pattern import Found, pattern
from podwire.dns.names import FormatError, to_text, to_wire

Match = Literal["exact", "prefix", "suffix", "substring", "regex"]
MATCHES = ("exact", "prefix", "suffix", "substring", "regex")
_GROUP = re.compile(r"\{(\d+)\}")


class RewriteRule(msgspec.Struct, frozen=True):
    """One rule. Texts are folded and, but for a regular expression, as they are in names: with dots.

    Attributes:
        match: how `source` is compared with the name.
        source: what is compared.
        target: what takes its place; `{1}` is the first group of a regular expression.
        goes_on: whether later rules are tried on the name that this one made.
        answers: patterns and replacements for the names in answers.

    """

    match: Match
    source: str
    target: str
    goes_on: bool = False
    answers: tuple[tuple[str, str], ...] = ()

    def apply(self, name: bytes) -> bytes | None:
        """The name that takes the place of this one, in wire form; None where the rule does not match."""
        text = to_text(name)
        folded = text.lower()
        new = self._replaced(folded)
        if new is None:
            return None
        try:
            return to_wire(new)
        except FormatError:
            return None

    def _replaced(self, text: str) -> str | None:
        match self.match:
            case "exact":
                return self.target if text == self.source else None
            case "prefix":
                return self.target + text.removeprefix(self.source) if text.startswith(self.source) else None
            case "suffix":
                return text.removesuffix(self.source) + self.target if text.endswith(self.source) else None
            case "substring":
                return text.replace(self.source, self.target) if self.source in text else None
            case "regex":
                found = pattern(self.source).search(text)
                return expand(self.target, found) if found else None


def expand(template: str, found: Found) -> str:
    """Put groups in the place of `{0}`, `{1}` ..."""
    return _GROUP.sub(lambda group: found.group(int(group[1])), template)


def rewrite(directive: Directive) -> RewriteRule:
    """Read `rewrite [continue|stop] name [MATCH] FROM TO [answer auto | answer name FROM TO ...]`."""
    words = [word.text for word in directive.arguments]
    goes_on = bool(words) and words[0] == "continue"
    if words and words[0] in {"continue", "stop"}:
        words.pop(0)
    if directive.lines or not words or words[0] != "name":
        raise directive.error("of its fields only 'name' is served: rewrite name exact|prefix|suffix|regex FROM TO")
    words.pop(0)
    match = words.pop(0) if words and words[0] in MATCHES else "exact"
    if len(words) < 2:
        raise directive.error(f"name {match}: must have FROM and TO")
    source, target = _texts(directive, match, words[0], words[1])
    return RewriteRule(match, source, target, goes_on, tuple(_answers(directive, words[2:])))  # type: ignore[arg-type]


def _texts(directive: Directive, match: str, source: str, target: str) -> tuple[str, str]:
    if match == "regex":
        return values.compiled(source, directive.error), target.lower()
    source, target = source.lower(), target.lower()
    if match in {"exact", "suffix"}:
        source = source.removesuffix(".") + "."
        target = target.removesuffix(".") + "."
    return source, target


def _answers(directive: Directive, words: list[str]) -> list[tuple[str, str]]:
    """The rules of answers. `answer auto` needs none: owners get the name of the question back in any case."""
    found: list[tuple[str, str]] = []
    while words:
        if words[:2] == ["answer", "auto"]:
            del words[:2]
        elif words[:2] == ["answer", "name"] and len(words) >= 4:
            found.append((values.compiled(words[2], directive.error), words[3].lower()))
            del words[:4]
        else:
            raise directive.error(f"{' '.join(words)}: must be 'answer auto' or 'answer name PATTERN TO'")
    return found
