"""Errors of the API: a Status object with reason, code and details.

Source: k8s.io/apimachinery `pkg/api/errors/errors.go` (reasons, codes, texts), `meta/v1` Status.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.base import field_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.resource_names import ResourceNames

Object = dict[str, Any]


class Details(msgspec.Struct, frozen=True):
    """`details` of a Status: what the refusal is about."""

    name: str = ""
    group: str = ""
    kind: str = ""
    uid: str = ""
    causes: tuple[Cause, ...] = ()
    retry_after_seconds: int = 0

    def json(self) -> Object:
        """The details as JSON, empty parts left out."""
        parts: Object = {"name": self.name, "group": self.group, "kind": self.kind, "uid": self.uid}
        if self.causes:
            parts["causes"] = [{"reason": c.reason, "message": c.message, "field": c.field} for c in self.causes]
        parts["retryAfterSeconds"] = self.retry_after_seconds
        return {key: value for key, value in parts.items() if value}


class StatusError(Exception):
    """A request is refused. Carries all that the answer needs."""

    def __init__(self, code: int, reason: str, message: str, details: Details | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details or Details()

    def json(self, *, continue_token: str = "") -> Object:
        """The Status object."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {"continue": continue_token} if continue_token else {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details.json(),
            "code": self.code,
        }


class ExpiredError(StatusError):
    """The requested version is no longer in the history (410). `continue_token` lets a paged list go on from now."""

    def __init__(self, message: str, continue_token: str = "") -> None:
        super().__init__(410, "Expired", message)
        self.continue_token = continue_token

    def json(self, *, continue_token: str = "") -> Object:
        """The Status object, with the token for an inconsistent continuation where there is one."""
        return super().json(continue_token=continue_token or self.continue_token)


class Success(msgspec.Struct, frozen=True):
    """The Status of something done that leaves no object to show."""

    details: Details = msgspec.field(default_factory=Details)
    code: int = 200

    def json(self) -> Object:
        """The Status object."""
        answer: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        if details := self.details.json():
            answer["details"] = details
        if self.code != 200:
            answer["code"] = self.code
        return answer


def about(resource: ResourceNames, name: str = "", uid: str = "", causes: Sequence[Cause] = ()) -> Details:
    """Details that name one object by its resource, as most refusals do."""
    return Details(name, resource.group, resource.plural, uid, tuple(causes))


def bad_request(message: str) -> StatusError:
    """The request cannot be understood."""
    return StatusError(400, "BadRequest", message)


def unauthorized(why: str = "present a client certificate of this cluster's authority, or a token") -> StatusError:
    """The request has no valid credentials."""
    return StatusError(401, "Unauthorized", f"Unauthorized: {why}")


def forbidden(resource: ResourceNames, name: str, why: str, causes: Sequence[Cause] = ()) -> StatusError:
    """The user is authenticated and not allowed."""
    what = f"{resource.qualified_plural} {json.dumps(name)}" if name else resource.qualified_plural
    message = f"{what} is forbidden: {why}"
    return StatusError(403, "Forbidden", message, about(resource, name, causes=causes))


def not_found(resource: ResourceNames, name: str) -> StatusError:
    """There is no such object."""
    message = f"{resource.qualified_plural} {json.dumps(name)} not found"
    return StatusError(404, "NotFound", message, about(resource, name))


def no_such_path() -> StatusError:
    """Nothing is served there."""
    return StatusError(404, "NotFound", "the server could not find the requested resource")


def method_not_allowed(resource: ResourceNames | None = None) -> StatusError:
    """The path is served, the verb is not."""
    details = about(resource) if resource else Details()
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", message, details)


def not_acceptable(served: str) -> StatusError:
    """No media type of the Accept header can be answered."""
    return StatusError(406, "NotAcceptable", f"only the following media types are accepted: {served}")


def already_exists(resource: ResourceNames, name: str) -> StatusError:
    """The name is taken."""
    message = f"{resource.qualified_plural} {json.dumps(name)} already exists"
    return StatusError(409, "AlreadyExists", message, about(resource, name))


def conflict(resource: ResourceNames, name: str, why: str = "") -> StatusError:
    """The object is not at the version or uid that the client named."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f"Operation cannot be fulfilled on {resource.qualified_plural} {json.dumps(name)}: {why}"
    return StatusError(409, "Conflict", message, about(resource, name))


def too_large(message: str) -> StatusError:
    """The body, or its expansion, is over a limit."""
    return StatusError(413, "RequestEntityTooLarge", message)


def unsupported_media_type(given: str, served: Sequence[str]) -> StatusError:
    """The body is in a form that is not read here."""
    known = ", ".join(served)
    message = f"the body of the request was in an unknown format {json.dumps(given)} - accepted media types: {known}"
    return StatusError(415, "UnsupportedMediaType", message)


def invalid(resource: ResourceNames, name: str, causes: Sequence[Cause]) -> StatusError:
    """The object breaks rules of its kind."""
    details = Details(name, resource.group, resource.kind, causes=tuple(causes))
    return StatusError(422, "Invalid", field_errors.summary(resource.qualified_kind, name, causes), details)


def invalid_options(kind: str, *causes: Cause) -> StatusError:
    """Options of a request, from its query or body, are wrong or contradict each other."""
    details = Details(group="meta.k8s.io", kind=kind, causes=causes)
    return StatusError(422, "Invalid", field_errors.summary(f"{kind}.meta.k8s.io", "", causes), details)


def internal(message: str) -> StatusError:
    """The server's own fault."""
    return StatusError(500, "InternalError", f"Internal error occurred: {message}")


def too_slow(message: str) -> StatusError:
    """The client took too long to send its request."""
    return StatusError(504, "Timeout", f"Timeout: {message}")


def unavailable(message: str) -> StatusError:
    """Something behind the server does not answer now."""
    return StatusError(503, "ServiceUnavailable", message, Details(retry_after_seconds=1))


def version_too_large(requested: int, current: int) -> StatusError:
    """A resourceVersion that this server has not reached."""
    cause = field_errors.Cause("", "ResourceVersionTooLarge", "Too large resource version")
    message = f"Timeout: Too large resource version: {requested}, current: {current}"
    return StatusError(504, "Timeout", message, Details(causes=(cause,), retry_after_seconds=1))
