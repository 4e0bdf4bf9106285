"""Who may do what. Everyone who is authenticated may do everything; rules by role take this place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from podwire.apiserver.authentication import User


@dataclass(frozen=True, slots=True)
class Attributes:
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


if TYPE_CHECKING:
    Authorize = Callable[[User, Attributes], str]
    """Answers why not; empty means yes."""


def allow_authenticated(user: User, attributes: Attributes) -> str:  # noqa: ARG001  (the seam's signature)
    """Everyone who has a name may do everything."""
    return "" if user.name else "no user name"
