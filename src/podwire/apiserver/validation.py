"""Whether an object may be stored.

Order of a write: `mistyped` (400) and `unknown_fields` on the body as it came, then `defaults.apply`, then `strategy`,
then `allocation`, then `validate` (422), then the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podwire.apiserver.causes import Cause
    from podwire.apiserver.resources import Resource

Object = dict[str, Any]


def mistyped(resource: Resource, obj: Object) -> str:
    """Upstream's 400 message when a value has the wrong JSON type, such as a text for a port; empty when all fit.

    `defaults.apply` and `validate` expect an object that passed.
    """
    return ""


def unknown_fields(resource: Resource, obj: Object) -> list[str]:
    """The messages `unknown field "spec.foo"` of fields that the schema does not have, in the order of the body."""
    return []


def validate(resource: Resource, obj: Object, old: Object | None = None) -> list[Cause]:
    """Everything that is wrong with an object after defaulting; with `old`, also what may not change."""
    return []
