"""DeleteOptions of a request, from its body and its query.

Source: k8s.io/apiserver `pkg/endpoints/handlers/delete.go`; k8s.io/apimachinery `meta/v1/validation`
ValidateDeleteOptions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from podwire.apiserver.apply.options import dry_run_problems
from podwire.apiserver.base import field_errors, status
from podwire.apiserver.writes.deletion import LONGEST_GRACE_SECONDS, DeleteOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.requests import Request

Object = dict[str, Any]

KIND = "DeleteOptions"
POLICIES = ("Foreground", "Background", "Orphan")

_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class _Preconditions(msgspec.Struct, frozen=True, rename="camel"):
    uid: str | None = None
    resource_version: str | None = None


class _Sent(msgspec.Struct, frozen=True, rename="camel"):
    """The fields of a body that have an effect here; Go decodes null as an absent field."""

    kind: str | None = None
    grace_period_seconds: _Int64 | None = None
    preconditions: _Preconditions | None = None
    orphan_dependents: bool | None = None
    propagation_policy: str | None = None
    dry_run: tuple[str, ...] | None = None


def read(body: Any, request: Request) -> DeleteOptions:
    """The options of `body`, what it leaves out taken from the query; raises StatusError 400 or 422."""
    try:
        sent = msgspec.convert(body, _Sent)
        grace = sent.grace_period_seconds
        if grace is None and (text := request.parameter("gracePeriodSeconds")):
            grace = msgspec.convert(text, _Int64, strict=False)
    except msgspec.ValidationError as error:
        raise status.bad_request(f"{KIND} cannot be decoded: {error}") from error
    if sent.kind not in {None, "", KIND}:
        raise status.bad_request(f"the body of a DELETE is of kind {KIND}, not {sent.kind!r}")
    orphan = sent.orphan_dependents
    if orphan is None and "orphanDependents" in request.query:
        orphan = request.flag("orphanDependents")
    policy = sent.propagation_policy or request.parameter("propagationPolicy")
    dry_run = (*(sent.dry_run or ()), *request.query.get("dryRun", ()))
    if wrong := tuple(_problems(policy, orphan, dry_run)):
        raise status.invalid_options(KIND, *wrong)
    preconditions = sent.preconditions or _Preconditions()
    return DeleteOptions(
        grace_seconds=None if grace is None else min(grace, LONGEST_GRACE_SECONDS),
        propagation="Orphan" if orphan else policy,
        uid=preconditions.uid or "",
        resource_version=preconditions.resource_version or "",
        dry_run=bool(dry_run),
        user=request.user,
    )


def _problems(policy: str, orphan: bool | None, dry_run: tuple[str, ...]) -> Iterator[Cause]:
    if policy and orphan is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        yield field_errors.invalid("propagationPolicy", policy, why)
    if policy and policy not in POLICIES:
        yield field_errors.unsupported("propagationPolicy", policy, [*POLICIES, "nil"])
    yield from dry_run_problems(dry_run)
