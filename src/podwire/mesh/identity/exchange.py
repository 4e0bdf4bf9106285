"""What nodes and the signer send each other: JSON over HTTPS, many requests at once. Values."""

from __future__ import annotations

from datetime import datetime

import msgspec

from podwire.kube.gateway_api import PROXIES
from podwire.kube.meta import NamespacedName

AUDIENCE = "mesh.podwire.dev"
"""Of the tokens by which nodes prove themselves to the signer: useless at the API server."""
NODE_ACCOUNT = NamespacedName(PROXIES, "podwire-mesh")
"""The ServiceAccount of the mesh's pods on nodes."""
PATH, TOKENS_PATH = "/v1/certificates", "/v1/tokens"
MOST_REQUESTS = 256
"""Of one message."""
MOST_REFUSALS, LONGEST_REASON = 64, 500
LARGEST_MESSAGE = 512 << 10
PORT = 18001
"""Of the signer."""


class CertificateRequest(msgspec.Struct, frozen=True):
    """A node requests a certificate: an id, and a request (PKCS #10, PEM) whose public key is used and nothing else."""

    id: str
    request: str


class Refusal(msgspec.Struct, frozen=True):
    """The node's Envoy refuses what an object comes to, and serves what was before."""

    kind: str
    namespace: str
    name: str
    reason: str


class Requests(msgspec.Struct, frozen=True):
    """A message of a node.

    Attributes:
        bundle: version of the trust bundle that its Envoy uses.
        issuers: fingerprints of the signers of the leaves that it has.
        requests: may be none: then it only reports.
        refusals: all of the node's Envoy, at most MOST_REFUSALS.

    """

    bundle: str = ""
    issuers: tuple[str, ...] = ()
    requests: tuple[CertificateRequest, ...] = ()
    refusals: tuple[Refusal, ...] = ()


class Issued(msgspec.Struct, frozen=True, omit_defaults=True):
    """The response to one request: a chain (PEM), or why there is none."""

    id: str
    chain: str = ""
    error: str = ""


class Responses(msgspec.Struct, frozen=True):
    """The response to a message: the time of the signer's clock and its fingerprint."""

    now: datetime
    issuer: str
    certificates: tuple[Issued, ...] = ()


class TokenRequest(msgspec.Struct, frozen=True):
    """A node requests a token (JWT-SVID) of one of its identities for these audiences."""

    id: str
    audiences: tuple[str, ...]


class IssuedToken(msgspec.Struct, frozen=True):
    """The response: a token, and the seconds that it is valid for."""

    token: str
    seconds: float

    def __repr__(self) -> str:
        """Without the token: a log may have this text."""
        return f"IssuedToken(seconds={self.seconds:g})"
