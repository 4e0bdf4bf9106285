"""Whose token is it: TokenReview. Source: k8s.io/api `authentication/v1`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.kube.kinds import Kind
from podwire.kube.meta import Object, Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podwire.kube.client import Client

EXTRA = "authentication.kubernetes.io/"
"""Prefix of the keys of `extra` that name what a token is bound to."""


class UserInfo(Struct, frozen=True):
    """Who a token proves to be."""

    username: str = ""
    extra: dict[str, tuple[str, ...]] = {}


class TokenReviewStatus(Struct, frozen=True):
    """The result: `audiences` are those of the review that the token is for."""

    authenticated: bool = False
    user: UserInfo = UserInfo()
    audiences: tuple[str, ...] = ()
    error: str = ""


class TokenReview(Object, frozen=True):
    """A review; it is never stored."""

    status: TokenReviewStatus = TokenReviewStatus()


TOKEN_REVIEWS = Kind("authentication.k8s.io/v1", "TokenReview", "tokenreviews", TokenReview, namespaced=False)


async def review(client: Client, token: str, audiences: Sequence[str]) -> TokenReviewStatus:
    """Return what the API server knows of a token. Raises ApiError."""
    made = await client.create(TOKEN_REVIEWS, {"spec": {"token": token, "audiences": [*audiences]}})
    return made.status
