"""Decode a request body into its kind; errors use the API server's wording.

A new object or a PUT is 400. A patch is 422, and the answer shows what was sent: a strategic merge patch as Go prints
its map, of other patches the object that came out. Source: k8s.io/apiserver `pkg/endpoints/handlers/patch.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from podwire.apiserver import validation
from podwire.apiserver.base import field_errors, status
from podwire.apiserver.bodies.duplicates import with_unknown

if TYPE_CHECKING:
    from podwire.apiserver.kinds.resources import Resource
    from podwire.apiserver.writes.options import SentPatch, WriteOptions


class Form(NamedTuple):
    """The result of decoding a body.

    `warnings` are for the client; `complete`: it has all that the schema requires.
    """

    warnings: tuple[str, ...] = ()
    complete: bool = False


def check_form(resource: Resource, body: dict[str, Any], options: WriteOptions) -> Form:
    """Check names and types of a body's fields; raises StatusError 400 or 422.

    Unknown fields of built-in kinds are removed from the body.
    """
    if validation.in_order(resource, body) and not options.duplicates:
        return Form(complete=True)
    if problem := validation.mistyped(resource, body):
        raise decode_error(resource, body, problem, options.patch)
    if options.field_validation == "Ignore":
        validation.drop_unknown_fields(resource, body)
        return Form()
    unknown = with_unknown(options.duplicates, validation.unknown_fields(resource, body), body)
    if unknown and options.field_validation == "Strict":
        raise decode_error(resource, body, f"strict decoding error: {', '.join(unknown)}", options.patch)
    if unknown:
        validation.drop_unknown_fields(resource, body)
    return Form(tuple(unknown))


def decode_error(resource: Resource, body: dict[str, Any], why: str, patch: SentPatch | None) -> status.StatusError:
    """The refusal of a body of a kind; `why` is the message of Go's decoder."""
    if patch is None:
        text = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {why}'
        return status.bad_request(text)
    cause = field_errors.invalid("patch", patch.shown(body), why)
    return status.StatusError(422, "Invalid", f' "" is invalid: {cause}', status.Details(causes=(cause,)))
