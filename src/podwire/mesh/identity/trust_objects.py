"""The ConfigMap by which nodes know whom they trust: certificates and public keys, nothing secret. Pure."""

from __future__ import annotations

from podwire.kube.core import ConfigMap
from podwire.kube.gateway_api import PROXIES
from podwire.kube.meta import NamespacedName
from podwire.mesh.identity.certificate import TrustBundle

TRUST = NamespacedName(PROXIES, "podwire-mesh-trust")
ROOTS, LISTS, ISSUER, DOMAIN, BASIS = "roots.pem", "revocations.pem", "issuer", "trust-domain", "basis"
KEY_SET = "jwt-keys.json"
"""Its keys. The basis is a digest of what the lists were made from: signatures differ each time."""


def trust_bundle(item: ConfigMap) -> TrustBundle:
    """Return the bundle of the ConfigMap; one without roots trusts no one."""
    return TrustBundle(*(item.data.get(key, "") for key in (ROOTS, LISTS, ISSUER, KEY_SET)))


def trust_data(bundle: TrustBundle, trust_domain: str, basis: str) -> dict[str, str]:
    """Return the data of the ConfigMap."""
    return {
        ROOTS: bundle.roots,
        LISTS: bundle.revocations,
        ISSUER: bundle.issuer,
        KEY_SET: bundle.token_keys,
        DOMAIN: trust_domain,
        BASIS: basis,
    }
