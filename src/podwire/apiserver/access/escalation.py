"""RBAC privilege-escalation check: a write of roles and bindings needs the rights that it grants.

Source: k8s.io/kubernetes `pkg/registry/rbac/escalation_check.go` and `pkg/registry/rbac/*/policybased/storage.go`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from podwire.apiserver.access import rbac
from podwire.apiserver.access.rules import ANY, Rule, merged
from podwire.apiserver.base import status
from podwire.apiserver.base.attributes import Attributes
from podwire.apiserver.base.authentication import MASTERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podwire.apiserver.access.rbac import Rbac
    from podwire.apiserver.base.attributes import Authorize
    from podwire.apiserver.base.authentication import User
    from podwire.apiserver.writes.admission import Admission, Write

Object = dict[str, Any]

_BINDINGS = frozenset({rbac.ROLE_BINDINGS, rbac.CLUSTER_ROLE_BINDINGS})
_ROLES = frozenset({rbac.ROLES, rbac.CLUSTER_ROLES})
_EVERYTHING = (Rule((ANY,), (ANY,), (ANY,)), Rule((ANY,), paths=(ANY,)))


def no_escalation(index: Rbac, authorize: Authorize) -> Admission:
    """Refuse writes that would give rights which the writer does not hold, but for the verbs `escalate` and `bind`."""

    def admit(write: Write) -> None:
        storage, user = write.resource.storage, write.user
        if user is None or storage not in _ROLES | _BINDINGS or MASTERS in user.groups or _same(write):
            return
        if storage in _ROLES:
            _check_role(index, authorize, user, write)
        else:
            _check_binding(index, authorize, user, write)

    return admit


def _same(write: Write) -> bool:
    """Whether nothing changes but metadata: garbage collectors write that."""
    parts = ("rules", "aggregationRule", "subjects", "roleRef")
    return write.old is not None and all(write.obj.get(part) == write.old.get(part) for part in parts)


def _check_role(index: Rbac, authorize: Authorize, user: User, write: Write) -> None:
    metadata = write.obj["metadata"]
    if _allowed(authorize, user, "escalate", write.resource.plural, metadata):
        return
    namespace = metadata.get("namespace", "")
    old = write.old or {}
    if "aggregationRule" in write.obj or "aggregationRule" in old:
        if any(not index.holds(user, "", rule) for rule in _EVERYTHING):
            why = "must have cluster-admin privileges to use an aggregationRule"
            raise status.forbidden(write.resource, metadata["name"], why)
        return
    _check_rules(index, user, namespace, rbac.rules_of(write.obj), write)


def _check_binding(index: Rbac, authorize: Authorize, user: User, write: Write) -> None:
    metadata = write.obj["metadata"]
    namespace = metadata.get("namespace", "")
    role = rbac.role_key(write.obj, namespace)
    plural = role.storage.partition(".")[0]
    if _allowed(authorize, user, "bind", plural, {"namespace": namespace, "name": role.name}):
        return
    stored = write.transaction.get(role)
    if stored is None:
        details = status.Details(role.name, rbac.GROUP, plural)
        raise status.StatusError(404, "NotFound", f"{role.storage} {json.dumps(role.name)} not found", details)
    _check_rules(index, user, namespace, rbac.rules_of(stored.object()), write)


def _check_rules(index: Rbac, user: User, namespace: str, rules: Iterable[Rule], write: Write) -> None:
    missing = [atom for rule in rules for atom in rule.atoms() if not index.holds(user, namespace, atom)]
    if missing:
        groups = " ".join(json.dumps(group) for group in user.groups)
        listed = "\n".join(map(str, merged(missing)))
        why = (
            f"user {json.dumps(user.name)} (groups=[{groups}]) is attempting to grant RBAC permissions "
            f"not currently held:\n{listed}"
        )
        raise status.forbidden(write.resource, write.obj["metadata"]["name"], why)


def _allowed(authorize: Authorize, user: User, verb: str, plural: str, metadata: Object) -> bool:
    namespace = metadata.get("namespace", "")
    attributes = Attributes(verb, rbac.GROUP, "v1", plural, namespace=namespace, name=metadata.get("name", ""))
    return authorize(user, attributes).allowed
