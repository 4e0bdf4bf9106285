"""Tokens that requests may have, as values: who issues them, and where they are in a request. Pure."""

from __future__ import annotations

import hashlib

import msgspec

from podwire.kube.meta import LabelSelector, NamespacedName


class TokenHeader(msgspec.Struct, frozen=True):
    """A header with a token, after a prefix such as `Bearer `."""

    name: str
    prefix: str = ""


class Issuer(msgspec.Struct, frozen=True):
    """An issuer of tokens (JWT, RFC 7519) and its keys (JWKS, RFC 7517).

    Attributes:
        audiences: one of them must be in the token; none: any token of the issuer.
        keys: the key set itself; empty: it is at `keys_url`; both empty: there are none, and tokens are refused.
        headers, parameters, cookies: where the token is; none: `Authorization: Bearer` and `access_token` in the query.
        forward: whether the workload receives the token.
        payload_header: a header in which the workload receives the verified claims, as base64url.
        claim_headers: headers in which the workload receives single claims: (header, claim).

    """

    issuer: str
    audiences: tuple[str, ...] = ()
    keys: str = ""
    keys_url: str = ""
    headers: tuple[TokenHeader, ...] = ()
    parameters: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    forward: bool = False
    payload_header: str = ""
    claim_headers: tuple[tuple[str, str], ...] = ()

    @property
    def keys_name(self) -> str:
        """The name under which a node serves the keys to its Envoy."""
        return hashlib.blake2b((self.keys or self.keys_url).encode(), digest_size=12).hexdigest()


class TokenPolicy(msgspec.Struct, frozen=True):
    """The issuers for selected workloads of a namespace.

    A request with a token that none of them issued, that is expired or whose keys are not known is answered by 401. One
    without a token passes; rules about tokens and claims do not allow it.
    """

    key: NamespacedName
    issuers: tuple[Issuer, ...] = ()
    selector: LabelSelector = LabelSelector()
