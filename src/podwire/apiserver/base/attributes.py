"""Authorization: the attributes of a request, the decision, and the answer to a denial.

Source: k8s.io/apiserver `pkg/authorization/authorizer/interfaces.go`,
`pkg/endpoints/handlers/responsewriters/errors.go`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from podwire.apiserver.base.status import Details, StatusError

if TYPE_CHECKING:
    from collections.abc import Callable

    from podwire.apiserver.base.authentication import User


class Attributes(msgspec.Struct, frozen=True, gc=False):
    """The attributes of a request: a verb on a resource, or on a path that is none (`path` set).

    exec, attach and portforward count as verb `create` whatever the method is (kubernetes/kubernetes #78741).
    """

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def qualified_resource(self) -> str:
        """`pods` or `pods/log`, as rules name it."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource

    @property
    def length(self) -> int:
        """Characters of all parts: clients choose them freely, in paths as long as they like."""
        thing = len(self.group) + len(self.version) + len(self.resource) + len(self.subresource)
        return len(self.verb) + thing + len(self.namespace) + len(self.name) + len(self.path)


class Decision(msgspec.Struct, frozen=True):
    """Allowed or denied, with the reason; a denial without one means that no rule allows it."""

    allowed: bool
    reason: str = ""


if TYPE_CHECKING:
    Authorize = Callable[[User, Attributes], Decision]


def refusal(user: User, attributes: Attributes, reason: str = "") -> StatusError:
    """The 403 answer, in upstream's wording."""
    why = f"User {json.dumps(user.name)} cannot {attributes.verb} "
    tail = f": {reason}" if reason else ""
    if attributes.path:
        return StatusError(403, "Forbidden", f"forbidden: {why}path {json.dumps(attributes.path)}{tail}")
    scope = f"in the namespace {json.dumps(attributes.namespace)}" if attributes.namespace else "at the cluster scope"
    resource, group = json.dumps(attributes.qualified_resource), json.dumps(attributes.group)
    why += f"resource {resource} in API group {group} {scope}{tail}"
    qualified = f"{attributes.resource}.{attributes.group}" if attributes.group else attributes.resource
    what = f"{qualified} {json.dumps(attributes.name)}" if attributes.name else qualified
    details = Details(attributes.name, attributes.group, attributes.resource)
    return StatusError(403, "Forbidden", f"{what} is forbidden: {why}", details)
