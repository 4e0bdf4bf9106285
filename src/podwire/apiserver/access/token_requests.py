"""TokenRequest: a token for a ServiceAccount (`kubectl create token`, and every pod's own).

Source: k8s.io/kubernetes `pkg/registry/core/serviceaccount/storage/token.go`, `pkg/apis/authentication/validation`.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from podwire.apiserver.access import node_restriction
from podwire.apiserver.access.tokens import Reference, Subject
from podwire.apiserver.base import field_errors, status
from podwire.apiserver.base.requests import json_response
from podwire.apiserver.storage.revisions import Key
from podwire.kube.meta import timestamp

if TYPE_CHECKING:
    from podwire.apiserver.access.tokens import Tokens
    from podwire.apiserver.base.authentication import User
    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.requests import Response
    from podwire.apiserver.call import Call
    from podwire.apiserver.storage.revisions import Stored
    from podwire.apiserver.storage.store import Store

Object = dict[str, Any]

GROUP_VERSION = "authentication.k8s.io/v1"
KIND = "TokenRequest"
DEFAULT_SECONDS = 3600
SHORTEST_SECONDS = 600
LONGEST_SECONDS = 1 << 32
_BINDABLE = {"Pod": "pods", "Secret": "secrets", "Node": "nodes"}


class TokenRequests:
    """Answers `serviceaccounts/<name>/token`."""

    def __init__(self, store: Store, tokens: Tokens) -> None:
        self._store = store
        self._tokens = tokens

    async def answer(self, call: Call) -> Response:
        """A TokenRequest with its status; raises StatusError 400, 403, 404, 409 or 422."""
        account = self._store.get(call.key)
        if account is None:
            raise status.not_found(call.resource, call.key.name)
        desired = _desired(call.key.name, call.body(), self._tokens.issuer)
        bound = self._bound(call, desired.get("boundObjectRef"))
        if call.request.user is not None:
            self._check_node(call.request.user, call, bound)
        subject = Subject(account.key.namespace, Reference(account.key.name, account.uid), self._references(bound))
        lifetime = timedelta(seconds=desired["expirationSeconds"])
        issued = self._tokens.issue(subject, desired["audiences"], lifetime)
        metadata = {
            "name": account.key.name,
            "namespace": account.key.namespace,
            "creationTimestamp": timestamp(issued.expires - lifetime),
        }
        state = {"token": issued.token, "expirationTimestamp": timestamp(issued.expires)}
        answer = {"kind": KIND, "apiVersion": GROUP_VERSION, "metadata": metadata, "spec": desired, "status": state}
        return json_response(answer, 201)

    def _bound(self, call: Call, reference: Any) -> Stored | None:
        """The object that the token shall be bound to; raises StatusError where it is not the one that is meant."""
        if not reference:
            return None
        kind, name, uid = (str(reference.get(part) or "") for part in ("kind", "name", "uid"))
        storage = _BINDABLE.get(kind, "")
        if not storage or reference.get("apiVersion", "v1") != "v1":
            text = f"cannot bind token for serviceaccount {json.dumps(call.key.name)} to object of kind {kind}"
            raise status.bad_request(f"{text}: use Pod, Secret or Node of v1")
        if not name:
            raise _invalid(call.key.name, [field_errors.required("spec.boundObjectRef.name")])
        namespace = "" if storage == "nodes" else call.key.namespace
        found = self._store.get(Key(storage, namespace, name))
        if found is None:
            details = status.Details(name, "", storage)
            raise status.StatusError(404, "NotFound", f"{storage} {json.dumps(name)} not found", details)
        if uid and uid != found.uid:
            why = f"the UID in the bound object reference ({uid}) does not match the UID in record ({found.uid})"
            raise status.conflict(call.resource, call.key.name, why)
        if storage == "pods" and found.fields.get("spec.serviceAccountName") != call.key.name:
            why = f"cannot bind token for serviceaccount {json.dumps(call.key.name)} to pod running with different"
            raise status.bad_request(f"{why} serviceaccount name.")
        return found

    def _references(self, bound: Stored | None) -> tuple[tuple[str, Reference], ...]:
        if bound is None:
            return ()
        claim = {"pods": "pod", "secrets": "secret", "nodes": "node"}[bound.key.storage]
        found = [(claim, Reference(bound.key.name, bound.uid))]
        node = self._store.get(Key("nodes", "", bound.fields.get("spec.nodeName", ""))) if claim == "pod" else None
        if node is not None:
            found.append(("node", Reference(node.key.name, node.uid)))
        return tuple(found)

    def _check_node(self, user: User, call: Call, bound: Stored | None) -> None:
        """A node gets tokens for the pods that run on it, and for no others."""
        node = node_restriction.name_of(user)
        if not node:
            return
        if bound is None or bound.key.storage != "pods":
            raise status.forbidden(call.resource, call.key.name, "node requested token not bound to a pod")
        if bound.fields.get("spec.nodeName") != node:
            why = "node requested token bound to a pod scheduled on a different node"
            raise status.forbidden(call.resource, call.key.name, why)


def _desired(name: str, body: Object, issuer: str) -> Object:
    """The spec of a request, completed; raises StatusError 400 or 422."""
    if (body.get("apiVersion", GROUP_VERSION), body.get("kind", KIND)) != (GROUP_VERSION, KIND):
        raise status.bad_request(f"the body must be a {KIND} of {GROUP_VERSION}")
    spec = body.get("spec") or {}
    if not isinstance(spec, dict) or not isinstance(spec.get("boundObjectRef") or {}, dict):
        raise status.bad_request("spec and spec.boundObjectRef must be objects")
    seconds = spec.get("expirationSeconds") or DEFAULT_SECONDS
    audiences = spec.get("audiences") or [issuer]
    if wrong := [*_wrong_seconds(seconds), *_wrong_audiences(audiences)]:
        raise _invalid(name, wrong)
    return {**spec, "audiences": audiences, "expirationSeconds": seconds}


def _wrong_seconds(seconds: Any) -> list[Cause]:
    path = "spec.expirationSeconds"
    if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < SHORTEST_SECONDS:
        return [field_errors.invalid(path, seconds, "may not specify a duration less than 10 minutes")]
    if seconds > LONGEST_SECONDS:
        return [field_errors.invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")]
    return []


def _wrong_audiences(audiences: Any) -> list[Cause]:
    if isinstance(audiences, list) and all(isinstance(one, str) for one in audiences):
        return []
    return [field_errors.invalid("spec.audiences", audiences, "must be a list of texts")]


def _invalid(name: str, wrong: list[Cause]) -> status.StatusError:
    details = status.Details(name, "authentication.k8s.io", KIND, causes=tuple(wrong))
    return status.StatusError(
        422, "Invalid", field_errors.summary(f"{KIND}.authentication.k8s.io", name, wrong), details
    )
