"""Whether a request is one that a policy or a binding is about. Pure.

Source: k8s.io/apiserver `admission/plugin/policy/matching`, `admission/plugin/webhook/predicates`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from podwire.apiserver.kinds.resources import Resource
from podwire.apiserver.writes.admission_policies.kinds import MatchResources, Rule
from podwire.kube.meta import LabelSelector
from podwire.kube.selectors import matches

Object = dict[str, Any]
ANY = "*"


class Subject(msgspec.Struct, frozen=True, gc=False):
    """A request on an object.

    Attributes:
        versions: all versions in which the resource is served, its own first.
        operation: CREATE, UPDATE, DELETE or CONNECT.
        obj: the object as it will be stored; None for DELETE; of a CONNECT its options.
        old: the one before; None for CREATE and CONNECT.
        namespace_labels: those of the object's namespace, of a Namespace its own; None for other cluster-scoped ones.
        connected: of a CONNECT the object's namespace and name.

    """

    resource: Resource
    versions: tuple[str, ...]
    subresource: str
    operation: str
    obj: Object | None
    old: Object | None
    namespace_labels: Mapping[str, str] | None
    connected: tuple[str, str] | None = None

    @property
    def metadata(self) -> Object:
        """The metadata of the object, of a CONNECT its namespace and name alone."""
        if self.connected is not None:
            return dict(zip(("namespace", "name"), self.connected, strict=True))
        found: Object = (self.obj or self.old or {}).get("metadata") or {}
        return found


def is_subject(match: MatchResources, subject: Subject) -> bool:
    """Whether a request matches: its namespace, its object, one of the rules, and none of the excluded ones."""
    labels = subject.namespace_labels
    if labels is not None and not matches(match.namespace_selector, labels):
        return False
    if not _has_labels(match.object_selector, subject):
        return False
    versions = subject.versions if match.match_policy == "Equivalent" else subject.versions[:1]
    if any(_is_of(rule, subject, versions) for rule in match.exclude_resource_rules):
        return False
    return not match.resource_rules or any(_is_of(rule, subject, versions) for rule in match.resource_rules)


def _has_labels(selector: LabelSelector, subject: Subject) -> bool:
    """Whether the object or the one before has the labels. Options have none, which no selector but an empty fits."""
    if subject.connected is not None:
        return selector == LabelSelector()
    known = [one for one in (subject.obj, subject.old) if one is not None]
    return any(matches(selector, (one.get("metadata") or {}).get("labels") or {}) for one in known)


def _is_of(rule: Rule, subject: Subject, versions: tuple[str, ...]) -> bool:
    resource = subject.resource
    return (
        _has(rule.operations, subject.operation)
        and _has(rule.api_groups, resource.group)
        and any(_has(rule.api_versions, one) for one in versions)
        and any(_covers(one, resource.plural, subject.subresource) for one in rule.resources)
        and (rule.scope in ("", ANY) or (rule.scope == "Namespaced") == resource.namespaced)
        and (not rule.resource_names or subject.metadata.get("name", "") in rule.resource_names)
    )


def _has(allowed: tuple[str, ...], value: str) -> bool:
    return ANY in allowed or value in allowed


def _covers(pattern: str, plural: str, subresource: str) -> bool:
    name, _, part = pattern.partition("/")
    return name in (ANY, plural) and (part == subresource or (part == ANY and "/" in pattern))
