"""Request filters: authentication, impersonation, authorization."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from podwire.apiserver.access import node_restriction
from podwire.apiserver.access.impersonation import impersonate
from podwire.apiserver.base import status
from podwire.apiserver.base.attributes import Attributes, Decision, refusal
from podwire.apiserver.base.authentication import ANONYMOUS, MASTERS
from podwire.pki.jwt import TokenError

if TYPE_CHECKING:
    from podwire.apiserver.access.rbac import Rbac
    from podwire.apiserver.access.tokens import Tokens
    from podwire.apiserver.base.authentication import User
    from podwire.apiserver.base.requests import Request
    from podwire.apiserver.storage.store import Store

PUBLIC_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/version", "/version/"})
"""Paths that are served without credentials, as far as role system:public-info-viewer allows; all others are 401."""


class Authorizer:
    """Authorizes: system:masters everything, nodes by their restriction, all others by RBAC."""

    def __init__(self, index: Rbac, store: Store) -> None:
        self._index = index
        self._store = store

    def __call__(self, user: User, attributes: Attributes) -> Decision:
        """Whether the user may."""
        if MASTERS in user.groups:
            return Decision(allowed=True)
        if why := node_restriction.denial_reason(user, attributes, self._store):
            return Decision(allowed=False, reason=why)
        return self._index.decide(user, attributes)


class AuthFilter:
    """Every request passes here once."""

    def __init__(self, authorize: Authorizer, tokens: Tokens) -> None:
        self.authorize = authorize
        self._tokens = tokens

    def authenticate(self, request: Request) -> User:
        """The user of a request by certificate, else token, else anonymous on public paths; raises StatusError 401."""
        if request.user is not None:
            return request.user
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and token.strip():
            try:
                return self._tokens.authenticate(token.strip())[0]
            except TokenError as error:
                raise status.unauthorized(str(error)) from None
        if request.path in PUBLIC_PATHS:
            return ANONYMOUS
        raise status.unauthorized()

    def admit(self, request: Request, user: User, attributes: Attributes) -> Request:
        """The request as the user that it acts as, after impersonation; raises StatusError 400 or 403."""
        acting = impersonate(user, request.impersonation, self.authorize)
        self.check(acting, attributes)
        return request if acting is request.user else replace(request, user=acting)

    def check(self, user: User, attributes: Attributes) -> None:
        """Raise StatusError 403 where a user may not."""
        decision = self.authorize(user, attributes)
        if not decision.allowed:
            raise refusal(user, attributes, decision.reason)
