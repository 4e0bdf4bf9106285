"""Options of a write that concern its author: parameters `fieldManager` and `force`, else the client's name.

Source: k8s.io/apimachinery `meta/v1/validation` ValidatePatchOptions; k8s.io/apiserver `handlers/create.go`
managerOrUserAgent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.base import field_errors, status
from podwire.apiserver.bodies.media_types import APPLY_PATCH
from podwire.apiserver.bodies.reader import media_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.requests import Request

LONGEST_NAME = 128
DRY_RUNS = ("All",)
FIELD_VALIDATIONS = ("", "Ignore", "Strict", "Warn")
UNKNOWN = "unknown"
"""The manager of writes without any name. Upstream leaves the name empty, which looks like a fault."""

_OPTIONS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}


def is_apply(request: Request) -> bool:
    """Whether a request is a server-side apply."""
    return request.method == "PATCH" and media_type(request.headers.get("content-type", "")) == APPLY_PATCH


def check_options(request: Request) -> None:
    """Raise StatusError 422 where parameters of a POST, PUT or PATCH are wrong or contradict each other."""
    if not request.query and request.method != "PATCH":
        return
    if wrong := tuple(_problems(request)):
        raise status.invalid_options(_OPTIONS.get(request.method, "CreateOptions"), *wrong)


def author_name(request: Request) -> str:
    """The field manager of a write: the parameter `fieldManager`, else the client's name."""
    return request.parameter("fieldManager") or _client(request.headers.get("user-agent", ""))


def dry_run_problems(values: tuple[str, ...]) -> Iterator[Cause]:
    """What is wrong with the values of `dryRun`."""
    if not set(values) <= set(DRY_RUNS):
        yield field_errors.unsupported("dryRun", list(values), DRY_RUNS)


def _problems(request: Request) -> Iterator[Cause]:
    name = request.parameter("fieldManager")
    if request.method == "PATCH" and not is_apply(request) and "force" in request.query:
        yield field_errors.forbidden("force", "may not be specified for non-apply patch")
    if is_apply(request) and not name:
        yield field_errors.required("fieldManager", "is required for apply patch")
    if len(name.encode()) > LONGEST_NAME:
        yield field_errors.too_long("fieldManager", LONGEST_NAME)
    if not name.isprintable():
        yield field_errors.invalid("fieldManager", name, "should only contain printable characters")
    yield from dry_run_problems(request.query.get("dryRun", ()))
    if (validation := request.parameter("fieldValidation")) not in FIELD_VALIDATIONS:
        yield field_errors.unsupported("fieldValidation", validation, FIELD_VALIDATIONS)


def _client(user_agent: str) -> str:
    """The client's name: the part of its User-Agent before the first slash."""
    name = user_agent.partition("/")[0]
    if not name.isprintable():
        name = "".join(filter(str.isprintable, name))
    name = name.strip()
    return name.encode()[:LONGEST_NAME].decode(errors="ignore") or UNKNOWN
