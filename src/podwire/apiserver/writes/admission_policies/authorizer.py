"""The variable `authorizer` of admission policies: what users may do, by the server's own authorization.

A value is a map that each function returns a copy of, with one more part. Field and label selectors narrow a request,
which RBAC does not look at: they are passed over. Source: k8s.io/apiserver `pkg/cel/library/authz.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from podwire.apiserver.base.attributes import Attributes
from podwire.apiserver.base.authentication import AUTHENTICATED, SERVICE_ACCOUNTS, User

if TYPE_CHECKING:
    from podwire.apiserver.base.attributes import Authorize
    from podwire.apiserver.writes.admission_policies.matching import Subject

Value = dict[str, Any]
Function = Callable[..., Any]


def variable(user: User, subject: Subject) -> Value:
    """Return the value of `authorizer`; its `requestResource` is that of the request."""
    made = {"user": _user(user), "check": {}}
    metadata, resource = subject.metadata, subject.resource
    request = {
        "group": resource.group,
        "version": resource.version,
        "resource": resource.plural,
        "subresource": subject.subresource,
        "namespace": metadata.get("namespace", ""),
        "name": metadata.get("name", ""),
    }
    return {**made, "requestResource": {**made, "check": request}}


def functions(authorize: Authorize) -> Mapping[str, Function]:
    """Return the functions on it, by their names in expressions."""

    def check(value: Value, verb: str) -> Value:
        attributes = Attributes(verb, **{"version": "*", **value["check"]})
        decision = authorize(User(**_kept(value["user"])), attributes)
        return {"allowed": decision.allowed, "reason": decision.reason}

    return {
        "serviceAccount": _service_account,
        "path": _with("path"),
        "group": _with("group"),
        "resource": _with("resource"),
        "subresource": _with("subresource"),
        "namespace": _with("namespace"),
        "name": _with("name"),
        "fieldSelector": _same,
        "labelSelector": _same,
        "check": check,
        "allowed": lambda decision: decision["allowed"],
        "reason": lambda decision: decision["reason"],
        "errored": lambda _: False,
        "error": lambda _: "",
    }


def _with(part: str) -> Function:
    return lambda value, text: {**value, "check": {**value["check"], part: text}}


def _same(value: Value, _: str) -> Value:
    return value


def _service_account(value: Value, namespace: str, name: str) -> Value:
    groups = [SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}", AUTHENTICATED]
    user = {"name": f"system:serviceaccount:{namespace}:{name}", "groups": groups, "uid": ""}
    return {"user": user, "check": value["check"]}


def _user(user: User) -> Value:
    return {"name": user.name, "groups": list(user.groups), "uid": user.uid}


def _kept(user: Value) -> Value:
    return {**user, "groups": tuple(user["groups"])}
