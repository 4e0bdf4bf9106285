"""What a write says of its author: parameters `fieldManager` and `force`, else the client's name.

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
UNKNOWN = "unknown"
"""Who writes without a name of any kind. Upstream leaves the name empty, which nobody can tell from a fault."""

_OPTIONS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}


def is_apply(request: Request) -> bool:
    """Whether a request is a server-side apply."""
    return request.method == "PATCH" and media_type(request.headers.get("content-type", "")) == APPLY_PATCH


def author_name(request: Request) -> str:
    """Under which name a write is kept; raises StatusError 422 where the parameters are wrong."""
    name = request.parameter("fieldManager")
    if name or request.method == "PATCH":
        for wrong in _problems(request, name):
            raise status.invalid_options(_OPTIONS.get(request.method, "CreateOptions"), wrong)
    return name or _client(request.headers.get("user-agent", ""))


def _problems(request: Request, name: str) -> Iterator[Cause]:
    if request.method == "PATCH" and not is_apply(request) and "force" in request.query:
        yield field_errors.forbidden("force", "may not be specified for non-apply patch")
    if is_apply(request) and not name:
        yield field_errors.required("fieldManager", "is required for apply patch")
    if len(name.encode()) > LONGEST_NAME:
        yield field_errors.too_long("fieldManager", LONGEST_NAME)
    if not name.isprintable():
        yield field_errors.invalid("fieldManager", name, "should only contain printable characters")


def _client(user_agent: str) -> str:
    """The client's name: what stands before the first slash of its User-Agent."""
    name = user_agent.partition("/")[0]
    if not name.isprintable():
        name = "".join(filter(str.isprintable, name))
    name = name.strip()
    return name.encode()[:LONGEST_NAME].decode(errors="ignore") or UNKNOWN
