"""RBAC: authorization by the roles and bindings of the store.

A decision costs what the user's own bindings cost, never what all bindings do.
Source: k8s.io/kubernetes `plugin/pkg/auth/authorizer/rbac/rbac.go`, `pkg/registry/rbac/validation/rule.go`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.access.rules import Question, Rule, Ruleset
from podwire.apiserver.base.attributes import Decision
from podwire.apiserver.storage.revisions import Key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from podwire.apiserver.base.attributes import Attributes
    from podwire.apiserver.base.authentication import User
    from podwire.apiserver.storage.revisions import Event, Stored
    from podwire.apiserver.storage.store import Store

Object = dict[str, Any]

GROUP = "rbac.authorization.k8s.io"
ROLES = f"roles.{GROUP}"
CLUSTER_ROLES = f"clusterroles.{GROUP}"
ROLE_BINDINGS = f"rolebindings.{GROUP}"
CLUSTER_ROLE_BINDINGS = f"clusterrolebindings.{GROUP}"

MOST_USERS = 4096
"""Users whose grants are cached; with one more the cache is cleared."""

MOST_DECISIONS = 1024
"""Decisions that are cached until a role or a binding changes; with one more the cache is cleared."""

LONGEST_REMEMBERED = 1024
"""Characters of attributes that are cached: users without rights could fill the memory with longer ones."""


class Binding(msgspec.Struct, frozen=True):
    """A role, and the subjects that hold it: `User:name` or `Group:name`."""

    key: Key
    role: Key
    subjects: frozenset[str]


class Grant(msgspec.Struct, frozen=True):
    """One role that a user holds, in one namespace or (empty) everywhere. No rules: the role is missing."""

    namespace: str
    rules: Ruleset | None
    reason: str


class Rbac:
    """The index. Feed it with all events of the store."""

    def __init__(self) -> None:
        self._roles: dict[Key, Stored] = {}
        self._rulesets: dict[Key, Ruleset] = {}
        self._bindings: dict[Key, Binding] = {}
        self._by_subject: dict[str, set[Key]] = {}
        self._granted: dict[tuple[str, tuple[str, ...]], tuple[Grant, ...]] = {}
        self._decided: dict[tuple[str, tuple[str, ...], Attributes], Decision] = {}

    @classmethod
    def of(cls, store: Store) -> Rbac:
        """The index of a store, now and from now on."""
        index = cls()
        for storage in (ROLES, CLUSTER_ROLES, ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS):
            for stored in store.objects(storage):
                index._put(stored)
        store.subscribe(index.follow)
        return index

    def follow(self, events: Sequence[Event]) -> None:
        """Take in what changed; other kinds are passed over.

        What was known is removed first: a fault on the way leaves less allowed, never more.
        """
        latest = {event.key: event for event in events if event.key.storage in _STORAGES}
        for key in latest:
            self._forget(key)
        for event in latest.values():
            if not event.removed:
                self._put(event.new)

    def decide(self, user: User, attributes: Attributes) -> Decision:
        """Whether some role of the user allows it, and by which binding. Decisions are cached."""
        if attributes.length > LONGEST_REMEMBERED:
            return self._decide(user, attributes)
        key = user.name, user.groups, attributes
        known = self._decided.get(key)
        if known is None:
            if len(self._decided) >= MOST_DECISIONS:
                self._decided.clear()
            known = self._decided[key] = self._decide(user, attributes)
        return known

    def _decide(self, user: User, attributes: Attributes) -> Decision:
        question, missing = Question.of(attributes), []
        for grant in self._grants(user):
            if grant.namespace and grant.namespace != attributes.namespace:
                continue
            if grant.rules is None:
                missing.append(grant.reason)
            elif grant.rules.allows(question):
                return Decision(allowed=True, reason=f"RBAC: allowed by {grant.reason}")
        return Decision(allowed=False, reason=f"RBAC: {_listed(missing)}" if missing else "")

    def rules(self, user: User, namespace: str) -> Iterator[Rule]:
        """All rules that hold for the user in a namespace; everywhere where it is empty."""
        for grant in self._grants(user):
            if grant.namespace in {"", namespace} and grant.rules is not None:
                yield from grant.rules.rules

    def holds(self, user: User, namespace: str, atom: Rule) -> bool:
        """Whether the user may everything that a rule of one verb on one thing allows."""
        question = Question.of_atom(atom)
        return any(
            grant.namespace in {"", namespace} and grant.rules is not None and grant.rules.allows(question)
            for grant in self._grants(user)
        )

    def _grants(self, user: User) -> tuple[Grant, ...]:
        known = self._granted.get((user.name, user.groups))
        if known is None:
            if len(self._granted) >= MOST_USERS:
                self._granted.clear()
            known = self._granted[user.name, user.groups] = tuple(self._find(user))
        return known

    def _find(self, user: User) -> Iterator[Grant]:
        """Everything that is bound to the user or one of the groups; what holds everywhere comes first."""
        found: dict[Key, str] = {}
        for subject in (f"User:{user.name}", *(f"Group:{group}" for group in user.groups)):
            for key in self._by_subject.get(subject, ()):
                found.setdefault(key, subject)
        for key in sorted(found, key=lambda key: (key.namespace, key.name)):
            binding = self._bindings[key]
            rules = self._ruleset(binding.role)
            reason = _reason(binding, found[key]) if rules is not None else _missing(binding.role)
            yield Grant(key.namespace, rules, reason)

    def _ruleset(self, role: Key) -> Ruleset | None:
        known = self._rulesets.get(role)
        if known is None and role in self._roles:
            known = self._rulesets[role] = Ruleset(rules_of(self._roles[role].object()))
        return known

    def _put(self, stored: Stored) -> None:
        self._clear_answers()
        if stored.key.storage in {ROLES, CLUSTER_ROLES}:
            self._roles[stored.key] = stored
            return
        binding = self._bindings[stored.key] = binding_of(stored.key, stored.object())
        for subject in binding.subjects:
            self._by_subject.setdefault(subject, set()).add(stored.key)

    def _clear_answers(self) -> None:
        self._granted.clear()
        self._decided.clear()

    def _forget(self, key: Key) -> None:
        self._clear_answers()
        self._roles.pop(key, None)
        self._rulesets.pop(key, None)
        binding = self._bindings.pop(key, None)
        for subject in binding.subjects if binding else ():
            left = self._by_subject[subject]
            left.discard(key)
            if not left:
                del self._by_subject[subject]


_STORAGES = frozenset({ROLES, CLUSTER_ROLES, ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS})


def rules_of(role: Object) -> tuple[Rule, ...]:
    """The rules of a Role or ClusterRole."""
    return tuple(map(Rule.of, role.get("rules") or ()))


def binding_of(key: Key, obj: Object) -> Binding:
    """The grant of a RoleBinding or ClusterRoleBinding; one of an unknown form binds no subject."""
    subjects = (_subject(subject, key.namespace) for subject in obj.get("subjects") or ())
    return Binding(key, role_key(obj, key.namespace), frozenset(filter(None, subjects)))


def role_key(binding: Object, namespace: str) -> Key:
    """Where the role of a binding is stored."""
    reference = binding.get("roleRef") or {}
    if reference.get("kind") == "ClusterRole":
        return Key(CLUSTER_ROLES, "", reference.get("name", ""))
    return Key(ROLES, namespace, reference.get("name", ""))


def _subject(subject: Object, namespace: str) -> str:
    kind, name = subject.get("kind"), subject.get("name", "")
    if kind == "ServiceAccount":
        where = subject.get("namespace") or namespace
        return f"User:system:serviceaccount:{where}:{name}" if where and not subject.get("apiGroup") else ""
    return f"{kind}:{name}" if kind in {"User", "Group"} and subject.get("apiGroup", GROUP) == GROUP else ""


def _reason(binding: Binding, subject: str) -> str:
    key, role = binding.key, binding.role
    kind, name = subject.split(":", 1)
    bound = f"{key.name}/{key.namespace}" if key.namespace else key.name
    return (
        f"{'RoleBinding' if key.namespace else 'ClusterRoleBinding'} {json.dumps(bound)} of "
        f"{'Role' if role.storage == ROLES else 'ClusterRole'} {json.dumps(role.name)} to {kind} {json.dumps(name)}"
    )


def _missing(role: Key) -> str:
    kind = "role" if role.storage == ROLES else "clusterrole"
    return f"{kind}.{GROUP} {json.dumps(role.name)} not found"


def _listed(texts: list[str]) -> str:
    unique = list(dict.fromkeys(texts))
    return unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]"
