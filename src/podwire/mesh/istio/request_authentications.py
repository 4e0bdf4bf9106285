"""Istio's RequestAuthentication as one of this mesh. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podwire.mesh.istio.written import Converted, Object, made, selector

_SAME = (
    "issuer", "audiences", "jwks", "jwksUri", "fromHeaders", "fromParams", "fromCookies", "forwardOriginalToken",
    "outputPayloadToHeader",
)  # fmt: skip


def converted(source: Mapping[str, Any]) -> Converted:
    """Return the object of this mesh; none for one whose targets are refused or that has no rules."""
    spec = source.get("spec") or {}
    if spec.get("targetRef") or spec.get("targetRefs"):
        return Converted((), (("spec.targetRefs", "the policy is left out: select pods by spec.selector"),))
    lost: list[tuple[str, str]] = []
    issuers = []
    for number, rule in enumerate(spec.get("jwtRules") or ()):
        if not any(rule.get(name) for name in ("jwks", "jwksUri", "jwks_uri")):
            path = f"spec.jwtRules[{number}].issuer"
            lost.append((path, "its keys are not looked for: add jwksUri, that of its OpenID configuration"))
        issuers.append(_issuer(rule))
    if not issuers:
        return Converted((), tuple(lost))
    return Converted((made("RequestAuthentication", source, {**selector(spec), "issuers": issuers}),), tuple(lost))


def _issuer(rule: Mapping[str, Any]) -> Object:
    found: Object = {name: rule[name] for name in _SAME if name in rule}
    if "jwks_uri" in rule:
        found["jwksUri"] = rule["jwks_uri"]
    if claims := rule.get("outputClaimToHeaders"):
        found["outputClaimToHeaders"] = [{"header": one.get("header"), "claim": one.get("claim")} for one in claims]
    return found
