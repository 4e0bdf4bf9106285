"""Istio's RequestAuthentication as one of this mesh. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podwire.mesh.istio.surroundings import Surroundings
from podwire.mesh.istio.targets import pods_of, references
from podwire.mesh.istio.written import Converted, Object, made, selector

_SAME = (
    "issuer", "audiences", "jwks", "jwksUri", "fromHeaders", "fromParams", "fromCookies", "forwardOriginalToken",
    "outputPayloadToHeader",
)  # fmt: skip


def converted(source: Mapping[str, Any], around: Surroundings) -> Converted:
    """Return the objects of this mesh: for the pods of each target; none for one that has no rules."""
    spec = source.get("spec") or {}
    lost: list[tuple[str, str]] = []
    issuers = []
    for number, rule in enumerate(spec.get("jwtRules") or ()):
        if not any(rule.get(name) for name in ("jwks", "jwksUri", "jwks_uri")):
            path = f"spec.jwtRules[{number}].issuer"
            lost.append((path, "its keys are not looked for: add jwksUri, that of its OpenID configuration"))
        issuers.append(_issuer(rule))
    if not issuers:
        return Converted((), tuple(lost))
    named = references(spec)
    selections = [selector(spec)] if not named else []
    namespace = str((source.get("metadata") or {}).get("namespace") or "default")
    for number, target in enumerate(named):
        pods = pods_of(target, namespace, around)
        selections.append({"selector": {"matchLabels": dict(pods)}} if pods else {})
        where = "for the pods of the Service" if pods else "for all pods of its namespace: add the Service to the files"
        field = f"spec.targetRefs[{number}]" if spec.get("targetRefs") else "spec.targetRef"
        lost.append((field, f"Closed: wrong tokens are refused {where}"))
    objects = [
        made(
            "RequestAuthentication",
            source,
            {**one, "issuers": issuers},
            suffix=f"-{number}" if len(selections) > 1 else "",
        )
        for number, one in enumerate(selections)
    ]
    return Converted(tuple(objects), tuple(lost))


def _issuer(rule: Mapping[str, Any]) -> Object:
    found: Object = {name: rule[name] for name in _SAME if name in rule}
    if "jwks_uri" in rule:
        found["jwksUri"] = rule["jwks_uri"]
    if claims := rule.get("outputClaimToHeaders"):
        found["outputClaimToHeaders"] = [{"header": one.get("header"), "claim": one.get("claim")} for one in claims]
    return found
