"""Reviews of authorization and authentication: created like objects, answered at once and never stored.

Source: k8s.io/api `authorization/v1`, `authentication/v1`; k8s.io/kubernetes `pkg/registry/authorization`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.apiserver.access.rules import merged
from podwire.apiserver.base import field_errors, status
from podwire.apiserver.base.attributes import Attributes
from podwire.apiserver.base.authentication import MASTERS, User
from podwire.apiserver.base.requests import json_response
from podwire.apiserver.bodies.reader import without_nulls
from podwire.apiserver.reads import negotiation
from podwire.apiserver.writes import metadata
from podwire.apiserver.writes.decoding import check_form
from podwire.pki.jwt import TokenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from podwire.apiserver.access.rbac import Rbac
    from podwire.apiserver.access.rules import Rule
    from podwire.apiserver.access.tokens import Tokens
    from podwire.apiserver.base.attributes import Authorize
    from podwire.apiserver.base.requests import Response
    from podwire.apiserver.call import Call

    Review = Callable[[Call, "Object", User], "Object"]
    """From the spec to the status; raises StatusError."""

Object = dict[str, Any]

_RESOURCE = ("verb", "group", "version", "resource", "subresource", "namespace", "name")


class Reviews:
    """Answers a `create` of each review kind."""

    def __init__(self, index: Rbac, authorize: Authorize, tokens: Tokens) -> None:
        self._index = index
        self._authorize = authorize
        self._tokens = tokens
        self._kinds: dict[str, Review] = {
            "SelfSubjectAccessReview": self._self_access,
            "SelfSubjectRulesReview": self._self_rules,
            "SelfSubjectReview": self._self,
            "SubjectAccessReview": self._access,
            "LocalSubjectAccessReview": self._access,
            "TokenReview": self._token,
        }

    async def answer(self, call: Call) -> Response:
        """The review with its status; raises StatusError 400, 406, 415 or 422. Reviews have no columns of a table."""
        negotiation.negotiate(call.request.headers.get("accept", ""), tables=False)
        body, options = call.body(), call.write_options()
        metadata.check_type(call.resource, body)
        warnings = check_form(call.resource, body, options).warnings
        body = without_nulls(body)
        user = call.request.user
        assert user is not None, "requests are authenticated before"
        state = self._kinds[call.resource.kind](call, body.get("spec") or {}, user)
        return json_response({**body, "status": state}, 201, warnings)

    def _self(self, _call: Call, _spec: Object, user: User) -> Object:
        return {"userInfo": user.json()}

    def _self_access(self, call: Call, spec: Object, user: User) -> Object:
        return self._decide(user, _attributes(call, spec))

    def _access(self, call: Call, spec: Object, _user: User) -> Object:
        if not spec.get("user") and not spec.get("groups"):
            raise _invalid(
                call, field_errors.invalid("spec.user", "", "at least one of user or group must be specified")
            )
        extra = tuple((key, tuple(values)) for key, values in (spec.get("extra") or {}).items())
        attributes = _attributes(call, spec)
        if call.resource.namespaced and (attributes.path or attributes.namespace != call.route.namespace):
            where = "spec.resourceAttributes.namespace"
            raise _invalid(call, field_errors.invalid(where, attributes.namespace, "must match metadata.namespace"))
        subject = User(spec.get("user", ""), tuple(spec.get("groups") or ()), spec.get("uid", ""), extra)
        return self._decide(subject, attributes)

    def _decide(self, user: User, attributes: Attributes) -> Object:
        decision = self._authorize(user, attributes)
        return {"allowed": decision.allowed, **({"reason": decision.reason} if decision.reason else {})}

    def _self_rules(self, call: Call, spec: Object, user: User) -> Object:
        namespace = spec.get("namespace", "")
        if not namespace:
            raise _invalid(call, field_errors.required("spec.namespace", "no namespace on request"))
        return rules_status(self._index, user, namespace)

    def _token(self, call: Call, spec: Object, _user: User) -> Object:
        token = spec.get("token", "")
        if not token:
            raise _invalid(call, field_errors.required("spec.token", "a token must be given"))
        try:
            user, audiences = self._tokens.authenticate(token, spec.get("audiences") or ())
        except TokenError as error:
            return {"authenticated": False, "user": {}, "error": str(error)}
        return {"authenticated": True, "user": user.json(), "audiences": list(audiences)}


def rules_status(index: Rbac, user: User, namespace: str) -> Object:
    """Status of a SelfSubjectRulesReview."""
    everything = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    everywhere = [{"verbs": ["*"], "nonResourceURLs": ["*"]}]
    rules: list[Rule] = merged(index.rules(user, namespace))
    resources = [rule.json() for rule in rules if rule.resources]
    paths = [rule.json() for rule in rules if rule.paths]
    if MASTERS in user.groups:
        resources, paths = [*everything, *resources], [*everywhere, *paths]
    return {
        "resourceRules": [one for place, one in enumerate(resources) if one not in resources[:place]],
        "nonResourceRules": [one for place, one in enumerate(paths) if one not in paths[:place]],
        "incomplete": False,
    }


def _attributes(call: Call, spec: Object) -> Attributes:
    """The attributes of a review; raises StatusError 422 where it has none or several."""
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        where = "spec.nonResourceAttributes"
        text = "cannot be specified in combination with resourceAttributes"
        raise _invalid(call, field_errors.invalid(where, path, text))
    if resource is not None:
        return Attributes(**{name: resource.get(name, "") for name in _RESOURCE})
    if path is not None:
        return Attributes(path.get("verb", ""), path=path.get("path") or "/")
    text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
    raise _invalid(call, field_errors.invalid("spec.resourceAttributes", None, text))


def _invalid(call: Call, cause: field_errors.Cause) -> status.StatusError:
    return status.invalid(call.resource, "", [cause])
