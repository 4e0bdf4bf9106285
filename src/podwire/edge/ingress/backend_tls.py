"""How connections to the backends of an Ingress are encrypted and verified (annotations proxy-ssl-*). Pure.

Source: kubernetes/ingress-nginx v1.15.1 `annotations/proxyssl`; nginx `ngx_http_proxy_module`.
"""

from __future__ import annotations

import hashlib

import msgspec

from podwire.edge.gateway import certificates
from podwire.edge.gateway.certificates import Unresolved
from podwire.edge.gateway.objects import Objects
from podwire.edge.ingress.annotations.settings import Settings
from podwire.edge.ingress.missing import Missing
from podwire.edge.model.tls import Authorities, BackendTls, Certificate, SubjectName
from podwire.kube.meta import NamespacedName

UNVERIFIED = BackendTls("", version="unverified", is_verified=False)


class Encryption(msgspec.Struct, frozen=True):
    """The settings, and the secrets that they name."""

    tls: BackendTls
    secrets: tuple[Authorities | Certificate, ...] = ()


def encryption(service: NamespacedName, settings: Settings, objects: Objects) -> Encryption | Missing:
    """Return how a Service of an Ingress is connected to by TLS, or what is wrong with the Secret."""
    secrets: list[Authorities | Certificate] = []
    authorities = certificate = ""
    if settings.proxy_ssl_secret is not None:
        key = own_key(settings.proxy_ssl_secret, service.namespace)
        if key is None:
            message = f"Secret {settings.proxy_ssl_secret} is in another namespace: copy it to {service.namespace}"
            return Missing("InvalidProxySecret", message)
        found = _secrets(key, objects, is_verified=settings.proxy_ssl_verify)
        if isinstance(found, Missing):
            return found
        secrets += found
        authorities = next((one.name for one in found if isinstance(one, Authorities)), "")
        certificate = next((one.name for one in found if isinstance(one, Certificate)), "")
    name = settings.proxy_ssl_name or f"{service.name}.{service.namespace}.svc"
    versions = settings.proxy_ssl_protocols
    made = BackendTls(
        hostname=name if settings.proxy_ssl_server_name else "",
        authorities=authorities,
        subject_names=(SubjectName("DNS", name),) if settings.proxy_ssl_verify else (),
        certificate=certificate,
        is_verified=settings.proxy_ssl_verify,
        minimum=versions[0] if versions else "",
        maximum=versions[-1] if versions else "",
        cipher_suites=settings.proxy_ssl_ciphers,
    )
    if made == msgspec.structs.replace(UNVERIFIED, version=""):
        return Encryption(UNVERIFIED)
    version = hashlib.blake2b(msgspec.json.encode(made), digest_size=6).hexdigest()
    return Encryption(msgspec.structs.replace(made, version=version), tuple(secrets))


def own_key(key: NamespacedName, namespace: str) -> NamespacedName | None:
    """Return the name of an object of the Ingress's own namespace; None for one of another."""
    return NamespacedName(namespace, key.name) if key.namespace in {"", namespace} else None


def authorities_of(key: NamespacedName, objects: Objects, purpose: str) -> Authorities | Missing:
    """Return the authorities in a Secret; `purpose` is a part of their name, of which each may have other readers."""
    found = certificates.secret_authorities(key, objects)
    if isinstance(found, Unresolved):
        return Missing("InvalidAuthorities", found.message)
    return msgspec.structs.replace(found, name=f"{purpose}/{found.name}")


def _secrets(
    key: NamespacedName, objects: Objects, *, is_verified: bool
) -> tuple[Authorities | Certificate, ...] | Missing:
    secret = objects.secrets.get(key)
    if secret is None:
        return Missing("InvalidProxySecret", f"Secret {key} does not exist: create it with tls.crt, tls.key and ca.crt")
    found: list[Authorities | Certificate] = []
    if certificates.CERTIFICATE in secret.data or certificates.KEY in secret.data:
        texts = [
            certificates.secret_text(secret.data.get(one, "")) for one in (certificates.CERTIFICATE, certificates.KEY)
        ]
        if fault := certificates.pair_fault(*texts):
            return Missing("InvalidProxySecret", f"Secret {key}: {fault}")
        found.append(Certificate(f"backend/Secret/{key}", *texts))
    if is_verified:
        authorities = authorities_of(key, objects, "backend-authorities")
        if isinstance(authorities, Missing):
            return authorities
        found.append(authorities)
    return tuple(found)
