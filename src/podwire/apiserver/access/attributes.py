"""Who may do what: the question, the answer, and how a refusal is told.

Source: k8s.io/apiserver `pkg/authorization/authorizer/interfaces.go`,
`pkg/endpoints/handlers/responsewriters/errors.go`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from podwire.apiserver.base.status import Details, StatusError

if TYPE_CHECKING:
    from collections.abc import Callable

    from podwire.apiserver.base.authentication import User


class Attributes(msgspec.Struct, frozen=True, gc=False):
    """What is asked for: a verb on a resource, or on a path that is none (`path` set).

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


@dataclass(frozen=True, slots=True)
class Decision:
    """Yes or no, and who said so; a no without a reason means that nobody said yes."""

    allowed: bool
    reason: str = ""


if TYPE_CHECKING:
    Authorize = Callable[[User, Attributes], Decision]


def refusal(user: User, asked: Attributes, reason: str = "") -> StatusError:
    """The 403 answer, in upstream's words."""
    why = f"User {json.dumps(user.name)} cannot {asked.verb} "
    tail = f": {reason}" if reason else ""
    if asked.path:
        return StatusError(403, "Forbidden", f"forbidden: {why}path {json.dumps(asked.path)}{tail}")
    scope = f"in the namespace {json.dumps(asked.namespace)}" if asked.namespace else "at the cluster scope"
    why += f"resource {json.dumps(asked.qualified_resource)} in API group {json.dumps(asked.group)} {scope}{tail}"
    qualified = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    what = f"{qualified} {json.dumps(asked.name)}" if asked.name else qualified
    details = Details(asked.name, asked.group, asked.resource)
    return StatusError(403, "Forbidden", f"{what} is forbidden: {why}", details)
