"""The plugin `rewrite`: a question is answered as one about another name, under the name that the client sent."""

from __future__ import annotations

from collections.abc import Sequence

from podwire.dns.corefile.pattern import pattern
from podwire.dns.corefile.rewrite import RewriteRule, expand
from podwire.dns.message import Query
from podwire.dns.names import FormatError, to_text, to_wire
from podwire.dns.outcome import Outcome, as_asked


class Rewriter:
    """Applies rules in order: the first that matches is the last, unless it has `continue`."""

    def __init__(self, rules: Sequence[RewriteRule]) -> None:
        self._rules = tuple(rules)
        self._answers = {rule: tuple((pattern(text), to) for text, to in rule.answers) for rule in rules}

    def apply(self, query: Query) -> tuple[Query, tuple[RewriteRule, ...]] | None:
        """The question that takes the place of this one, and the rules that made it; None where none matches."""
        name, applied = query.name, []
        for rule in self._rules:
            new = rule.apply(name)
            if new is None:
                continue
            name = new
            applied.append(rule)
            if not rule.goes_on:
                break
        return (query.renamed(name), tuple(applied)) if applied else None

    def restored(self, query: Query, other: Query, rules: Sequence[RewriteRule], outcome: Outcome) -> Outcome:
        """The outcome for the other name as that of the query."""

        def rename(owner: bytes) -> bytes:
            if owner.lower() == other.key:
                return query.name
            text = to_text(owner).lower()
            for rule in reversed(rules):
                for one, template in self._answers[rule]:
                    found = one.search(text)
                    if found is not None:
                        text = expand(template, found).removesuffix(".") + "."
            try:
                return to_wire(text) if text != to_text(owner).lower() else owner
            except FormatError:
                return owner

        return as_asked(query, other, outcome, rename)
