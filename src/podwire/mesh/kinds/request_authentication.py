"""RequestAuthentication of `mesh.podwire.dev/v1alpha1`: whose tokens (JWT) requests to selected pods may have."""

from __future__ import annotations

from podwire.kube.kinds import Kind
from podwire.kube.meta import LabelSelector, Object, Struct
from podwire.mesh.kinds.authorization_policy import PolicyStatus
from podwire.mesh.kinds.backend_policy import GROUP


class TokenLocation(Struct, frozen=True):
    """A header with a token after a prefix."""

    name: str = ""
    prefix: str = ""


class ClaimHeader(Struct, frozen=True):
    """A header in which the pod receives a claim."""

    header: str = ""
    claim: str = ""


class TokenIssuer(Struct, frozen=True):
    """An issuer, its keys (`jwks`, or where they are), and where the token is in a request."""

    issuer: str = ""
    audiences: tuple[str, ...] = ()
    jwks: str = ""
    jwks_uri: str = ""
    from_headers: tuple[TokenLocation, ...] = ()
    from_params: tuple[str, ...] = ()
    from_cookies: tuple[str, ...] = ()
    forward_original_token: bool = False
    output_payload_to_header: str = ""
    output_claim_to_headers: tuple[ClaimHeader, ...] = ()


class RequestAuthenticationSpec(Struct, frozen=True):
    """The desired state."""

    selector: LabelSelector = LabelSelector()
    issuers: tuple[TokenIssuer, ...] = ()


class RequestAuthentication(Object, frozen=True):
    """The issuers of tokens for the pods of its namespace."""

    spec: RequestAuthenticationSpec = RequestAuthenticationSpec()
    status: PolicyStatus = PolicyStatus()


REQUEST_AUTHENTICATIONS = Kind(
    f"{GROUP}/v1alpha1", "RequestAuthentication", "requestauthentications", RequestAuthentication
)
