"""Policy rules of roles, and whether a set of them allows a request. Pure.

Source: k8s.io/api `rbac/v1` PolicyRule; k8s.io/kubernetes `pkg/apis/rbac/v1/evaluation_helpers.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from podwire.apiserver.base.attributes import Attributes

Object = dict[str, Any]

ANY = "*"
_FIELDS = (
    ("verbs", "verbs"),
    ("apiGroups", "groups"),
    ("resources", "resources"),
    ("resourceNames", "names"),
    ("nonResourceURLs", "paths"),
)


class Rule(msgspec.Struct, frozen=True):
    """Verbs on resources (`pods`, `pods/log`, `*/scale`), or on paths that are none. No `names`: all of them."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    @classmethod
    def of(cls, obj: Object) -> Rule:
        """The rule of its JSON object."""
        return cls(**{name: tuple(obj.get(key) or ()) for key, name in _FIELDS})

    def json(self) -> Object:
        """The rule as JSON, empty parts left out."""
        parts = ((key, list(getattr(self, name))) for key, name in _FIELDS)
        return {key: values for key, values in parts if values}

    def __str__(self) -> str:
        """As upstream's messages show it: `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`."""
        named = (
            ("APIGroups", self.groups),
            ("Resources", self.resources),
            ("ResourceNames", self.names),
            ("NonResourceURLs", self.paths),
            ("Verbs", self.verbs),
        )
        parts = (f"{name}:[{' '.join(map(_quoted, values))}]" for name, values in named if values)
        return f"{{{', '.join(parts)}}}"

    def atoms(self) -> Iterator[Rule]:
        """The same as rules of one verb on one thing each."""
        for verb in self.verbs:
            for path in self.paths:
                yield Rule((verb,), paths=(path,))
            for group in self.groups:
                for resource in self.resources:
                    for name in self.names or ("",):
                        yield Rule((verb,), (group,), (resource,), (name,) if name else ())


class Question(msgspec.Struct, frozen=True):
    """Attributes as the keys to look up, made once for many rulesets."""

    verbs: tuple[str, str]
    targets: tuple[tuple[str, str], ...]
    name: str
    path: str

    @classmethod
    def of(cls, attributes: Attributes) -> Question:
        """The question whether these attributes are allowed."""
        return cls._make(
            attributes.verb, attributes.group, attributes.qualified_resource, attributes.name, attributes.path
        )

    @classmethod
    def of_atom(cls, atom: Rule) -> Question:
        """The question whether everything is allowed that a rule of one verb on one thing allows."""
        group, resource, name, path = (
            part[0] if part else "" for part in (atom.groups, atom.resources, atom.names, atom.paths)
        )
        return cls._make(atom.verbs[0], group, resource, name, path)

    @classmethod
    def _make(cls, verb: str, group: str, resource: str, name: str, path: str) -> Question:
        targets = [(group, resource), (group, ANY), (ANY, resource), (ANY, ANY)]
        if "/" in resource:
            part = f"*/{resource.partition('/')[2]}"
            targets += [(group, part), (ANY, part)]
        return cls((verb, ANY), tuple(targets), name, path)


class Ruleset:
    """Rules, indexed: a question costs a few look-ups however many rules there are."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self.rules = tuple(rules)
        self._targets: dict[str, dict[tuple[str, str], frozenset[str] | None]] = {}
        self._paths: dict[str, list[str]] = {}
        for rule in self.rules:
            self._add(rule)

    def allows(self, question: Question) -> bool:
        """Whether some rule allows it."""
        if question.path:
            return any(_covers(pattern, question.path) for v in question.verbs for pattern in self._paths.get(v, ()))
        for verb in question.verbs:
            targets = self._targets.get(verb)
            if targets is None:
                continue
            for target in question.targets:
                names = targets.get(target, _NOBODY)
                if names is None or question.name in names:
                    return True
        return False

    def _add(self, rule: Rule) -> None:
        names = frozenset(rule.names) or None
        for verb in rule.verbs:
            self._paths.setdefault(verb, []).extend(rule.paths)
            targets = self._targets.setdefault(verb, {})
            for group in rule.groups:
                for resource in rule.resources:
                    before = targets.get((group, resource), _NOBODY)
                    targets[group, resource] = None if names is None or before is None else before | names


_NOBODY: frozenset[str] = frozenset()


def merged(rules: Iterable[Rule]) -> list[Rule]:
    """The same rules with the verbs of one thing joined, in the order of the things."""
    verbs: dict[Rule, dict[str, None]] = {}
    for rule in rules:
        thing = Rule((), rule.groups, rule.resources, rule.names, rule.paths)
        verbs.setdefault(thing, {}).update(dict.fromkeys(rule.verbs))
    return [Rule(tuple(found), t.groups, t.resources, t.names, t.paths) for t, found in verbs.items()]


def _covers(pattern: str, path: str) -> bool:
    """A pattern is a path, or a prefix before a last `*`."""
    return path == pattern or (pattern.endswith(ANY) and path.startswith(pattern.rstrip(ANY)))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
