"""The fields of Istio's `security.istio.io` kinds. Source: istio.io/api v1.32 `security/v1`."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.mesh.istio.field import Field, differs, exact, refused

AUTHORIZATION, REQUEST, PEER = "AuthorizationPolicy", "RequestAuthentication", "PeerAuthentication"
_FROM, _TO, _WHEN = "spec.rules[].from[].source", "spec.rules[].to[].operation", "spec.rules[].when[]"
_TARGETS = (
    "the pods of the Service where it is in the files, for all their connections. Otherwise closed: one that denies is "
    "for all pods of the namespace; one that allows becomes one that denies everything, as it does where another that "
    "allows can be for the same pods"
)


def rows() -> Iterator[Field]:
    """Yield them all."""
    yield from _authorization()
    yield from _request()
    yield from _peer()


def _authorization() -> Iterator[Field]:
    kind = AUTHORIZATION
    yield from exact(kind, "spec.selector.matchLabels")
    yield from differs(kind, _TARGETS, "spec.targetRef", "spec.targetRefs")
    note = (
        "ALLOW and DENY are exact; AUDIT is noted in the access log; CUSTOM is refused and closed (what its rules "
        "match is denied): use an ExternalAuth filter of an HTTPRoute"
    )
    yield from differs(kind, note, "spec.action")
    yield from refused(kind, "name a provider in an ExternalAuth filter of an HTTPRoute", "spec.provider")
    yield from exact(
        kind, f"{_FROM}.principals", f"{_FROM}.notPrincipals", f"{_FROM}.namespaces", f"{_FROM}.notNamespaces",
        f"{_FROM}.serviceAccounts", f"{_FROM}.notServiceAccounts", f"{_FROM}.ipBlocks", f"{_FROM}.notIpBlocks",
    )  # fmt: skip
    note = "ISSUER/SUBJECT, ISSUER/* , */SUBJECT and *; another place of the star is refused"
    yield from differs(kind, note, f"{_FROM}.requestPrincipals", f"{_FROM}.notRequestPrincipals")
    note = "X-Forwarded-For is not trusted inside the mesh: check addresses at the Gateway"
    yield from refused(kind, note, f"{_FROM}.remoteIpBlocks", f"{_FROM}.notRemoteIpBlocks")
    yield from exact(kind, f"{_TO}.ports", f"{_TO}.notPorts", f"{_TO}.hosts", f"{_TO}.notHosts")
    note = "a rule that denies compares without regard to case"
    yield from differs(kind, note, f"{_TO}.methods", f"{_TO}.notMethods")
    note = (
        "compared after normalisation with MERGE_SLASHES and decoded slashes; a rule that denies compares without "
        "regard to case and to parameters of segments (`;x=1`)"
    )
    yield from differs(kind, note, f"{_TO}.paths", f"{_TO}.notPaths")
    note = (
        "request.headers, request.auth.claims, .audiences, .presenter and .principal, source.ip, .namespace and "
        ".principal, destination.port; of a header with several values a rule that allows needs all to match"
    )
    yield from differs(kind, note, f"{_WHEN}.key", f"{_WHEN}.values", f"{_WHEN}.notValues")


def _request() -> Iterator[Field]:
    kind, rule = REQUEST, "spec.jwtRules[]"
    yield from exact(kind, "spec.selector.matchLabels")
    note = "the pods of the Service where it is in the files; otherwise all pods of the namespace"
    yield from differs(kind, note, "spec.targetRef", "spec.targetRefs")
    yield from exact(
        kind, f"{rule}.issuer", f"{rule}.audiences", f"{rule}.jwks", f"{rule}.fromHeaders", f"{rule}.fromParams",
        f"{rule}.fromCookies", f"{rule}.forwardOriginalToken", f"{rule}.outputPayloadToHeader",
        f"{rule}.outputClaimToHeaders",
    )  # fmt: skip
    note = "fetched by each node as Cache-Control says, from addresses outside of the node, without redirects"
    yield from differs(kind, note, f"{rule}.jwksUri", f"{rule}.jwks_uri")
    yield from refused(kind, "a key set is fetched within 10 s, apart from requests", f"{rule}.timeout")
    yield from refused(
        kind, "the words of scope are claims of their own; others are not", f"{rule}.spaceDelimitedClaims"
    )


def _peer() -> Iterator[Field]:
    kind = PEER
    yield from exact(kind, "spec.selector.matchLabels")
    note = (
        "STRICT is a policy that denies who has no identity; PERMISSIVE and UNSET are the default; DISABLE is refused: "
        "label the pods podwire.dev/mesh: disabled. A less strict mode of pods or ports does not undo a stricter one"
    )
    yield from differs(kind, note, "spec.mtls.mode", "spec.portLevelMtls")
