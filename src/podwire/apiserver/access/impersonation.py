"""Impersonation: the headers Impersonate-User, -Group, -Uid and -Extra-*, each with the verb `impersonate`.

Source: k8s.io/apiserver `pkg/endpoints/filters/impersonation`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from podwire.apiserver.access.tokens import PREFIX, account_groups
from podwire.apiserver.base import status
from podwire.apiserver.base.attributes import Attributes, refusal
from podwire.apiserver.base.authentication import ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, User

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from podwire.apiserver.base.attributes import Authorize

HEADERS = "impersonate-"
"""How the names of all these headers begin, in lower case."""

_EXTRA = "impersonate-extra-"
_GROUP = "authentication.k8s.io"
_KNOWN = ("impersonate-user", "impersonate-group", "impersonate-uid")


def impersonate(user: User, headers: Iterable[tuple[str, str]], authorize: Authorize) -> User:
    """The user that the headers name, the authenticated one where there are none; raises StatusError 400 or 403."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(value)
    if not found:
        return user
    extra = _extra(found)
    if unknown := [name for name in found if name not in _KNOWN and not name.startswith(_EXTRA)]:
        raise status.bad_request(f"unknown impersonation header {unknown[0]!r}")
    name = "".join(found.get("impersonate-user", ())[:1])
    if not name:
        raise status.bad_request("requested impersonation of groups, a uid or extra without impersonating a user")
    desired = User(
        name,
        tuple(found.get("impersonate-group", ())),
        "".join(found.get("impersonate-uid", ())[:1]),
        tuple(extra.items()),
    )
    for attributes in _needed(desired):
        decision = authorize(user, attributes)
        if not decision.allowed:
            raise refusal(user, attributes, decision.reason)
    return User(desired.name, _groups(desired), desired.uid, desired.extra)


def _extra(found: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {
        unquote(name.removeprefix(_EXTRA)).lower(): tuple(values)
        for name, values in found.items()
        if name.startswith(_EXTRA) and name != _EXTRA
    }


def _needed(desired: User) -> Iterator[Attributes]:
    """What the user must be allowed to do."""
    if account := _account(desired.name):
        yield Attributes("impersonate", "", "v1", "serviceaccounts", namespace=account[0], name=account[1])
    else:
        yield Attributes("impersonate", "", "v1", "users", name=desired.name)
    for group in desired.groups:
        yield Attributes("impersonate", "", "v1", "groups", name=group)
    if desired.uid:
        yield Attributes("impersonate", _GROUP, "v1", "uids", name=desired.uid)
    for key, values in desired.extra:
        for value in values:
            yield Attributes("impersonate", _GROUP, "v1", "userextras", key, name=value)


def _groups(desired: User) -> tuple[str, ...]:
    """The requested groups, and those of every user of the kind."""
    account = _account(desired.name)
    groups = desired.groups or (account_groups(account[0]) if account else ())
    if AUTHENTICATED in groups or UNAUTHENTICATED in groups:
        return groups
    return (*groups, UNAUTHENTICATED if desired.name == ANONYMOUS.name else AUTHENTICATED)


def _account(name: str) -> tuple[str, str] | None:
    """Namespace and name of a ServiceAccount's user; None for other users."""
    parts = name.removeprefix(PREFIX).split(":")
    return (parts[0], parts[1]) if name.startswith(PREFIX) and len(parts) == 2 and all(parts) else None
