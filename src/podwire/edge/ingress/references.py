"""What an Ingress refers to: Services as clusters, users in Secrets, headers in ConfigMaps, or why there is none. Pure.

Source: Kubernetes "Ingress", backends; kubernetes/ingress-nginx annotations `backend-protocol`, `auth-secret` and
`custom-headers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from podwire.edge.gateway.certificates import secret_text
from podwire.edge.gateway.objects import Objects
from podwire.edge.ingress.annotations import grammar
from podwire.edge.ingress.annotations.grammar import InvalidValueError
from podwire.edge.ingress.annotations.settings import Settings
from podwire.edge.ingress.kinds import IngressBackend
from podwire.edge.model.backends import CONNECT_SECONDS, Cluster, ServicePort, Transport
from podwire.edge.model.filters import BasicAuth, Header
from podwire.edge.model.tls import BackendTls
from podwire.kube import services
from podwire.kube.meta import NamespacedName

_TRANSPORTS = {
    "HTTP": (Transport.HTTP1, False),
    "HTTPS": (Transport.HTTP1, True),
    "GRPC": (Transport.H2C, False),
    "GRPCS": (Transport.H2C, True),
}
AUTH_FILE, AUTH_MAP = "auth-file", "auth-map"
AUTH_KEY = "auth"
_USER = re.compile(r"[^:\s\x00-\x1f]{1,255}:\{SHA\}[A-Za-z0-9+/]{27}=")
_MANY_USERS = 10_000
REMEDY = "make its lines by htpasswd -s"


class Missing(msgspec.Struct, frozen=True):
    """Why a reference leads to nothing: requests that need it are answered by 503."""

    reason: str
    message: str


class References:
    """Look-ups of what Ingresses refer to."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def cluster(self, backend: IngressBackend, namespace: str, settings: Settings) -> Cluster | Missing:
        """Return the cluster of a backend of an Ingress in this namespace, or why there is none."""
        if backend.service is None:
            kind = backend.resource.kind if backend.resource else "nothing"
            return Missing("UnsupportedBackend", f"a backend of kind {kind} is not served: name a Service")
        key = NamespacedName(namespace, backend.service.name)
        service = self._objects.services.get(key)
        if service is None:
            return Missing("ServiceNotFound", f"Service {key} does not exist: create it, or correct the name")
        if service.spec.type == "ExternalName":
            return Missing("UnsupportedBackend", f"Service {key} is of type ExternalName, which could lead anywhere")
        port = _port(service, backend)
        if port is None:
            names = ", ".join(f"{one.name} ({one.port})" if one.name else str(one.port) for one in service.spec.ports)
            message = f"Service {key} has no TCP port {backend.service.port}: its ports are {names or 'none'}"
            return Missing("PortNotFound", message)
        transport, encrypted = _TRANSPORTS[settings.backend_protocol]
        return Cluster(
            port=ServicePort(namespace, key.name, port),
            transport=transport,
            tls=BackendTls("", version="unverified", is_verified=False) if encrypted else None,
            is_sticky=settings.affinity == "cookie",
            has_own_retries=settings.has_own_retries,
            connect_timeout=settings.proxy_connect_timeout or CONNECT_SECONDS,
        )

    def users(self, namespace: str, settings: Settings) -> BasicAuth | Missing | None:
        """Return the users of an Ingress in this namespace; None: it wants none."""
        if not settings.auth_type:
            return None
        if settings.auth_secret is None:
            return Missing("InvalidAuthSecret", "auth-type needs auth-secret, the name of a Secret: add it")
        key = _own(settings.auth_secret, namespace)
        if key is None:
            message = f"Secret {settings.auth_secret} is in another namespace: copy it to {namespace}"
            return Missing("InvalidAuthSecret", message)
        secret = self._objects.secrets.get(key)
        if secret is None:
            return Missing("InvalidAuthSecret", f"Secret {key} does not exist: create it")
        if settings.auth_secret_type == AUTH_MAP:
            lines = [f"{user}:{secret_text(value)}" for user, value in sorted(secret.data.items())]
        else:
            lines = secret_text(secret.data.get(AUTH_KEY, "")).splitlines()
        return _users(key, [one.strip() for one in lines if one.strip() and not one.startswith("#")])

    def response_headers(self, namespace: str, settings: Settings) -> tuple[Header, ...] | Missing:
        """Return the headers that responses get from a ConfigMap."""
        if settings.custom_headers is None:
            return ()
        key = _own(settings.custom_headers, namespace)
        found = self._objects.config_maps.get(key) if key is not None else None
        if found is None:
            message = f"ConfigMap {key or settings.custom_headers} does not exist in {namespace}: create it"
            return Missing("InvalidHeaders", message)
        try:
            return tuple(
                Header(grammar.token(name), grammar.text_value(value)) for name, value in sorted(found.data.items())
            )
        except InvalidValueError as error:
            return Missing("InvalidHeaders", f"ConfigMap {key}: {error}: correct its data")


def _own(key: NamespacedName, namespace: str) -> NamespacedName | None:
    """Return the name of an object of the Ingress's own namespace; None for one of another."""
    return NamespacedName(namespace, key.name) if key.namespace in {"", namespace} else None


def _users(key: NamespacedName, lines: Iterable[str]) -> BasicAuth | Missing:
    lines = tuple(lines)
    bad = next((one for one in lines if not _USER.fullmatch(one)), None)
    if bad is not None:
        user = bad.partition(":")[0]
        message = f"Secret {key}: the password of user {user[:64]!r} is no digest of SHA-1: {REMEDY}"
        return Missing("InvalidAuthSecret", message)
    if not lines or len(lines) > _MANY_USERS:
        return Missing("InvalidAuthSecret", f"Secret {key} has no users, or more than {_MANY_USERS}: {REMEDY}")
    return BasicAuth(lines)


def _port(service: services.Service, backend: IngressBackend) -> int | None:
    assert backend.service is not None
    wanted = backend.service.port
    for one in service.spec.ports:
        if one.protocol == "TCP" and (one.name == wanted.name if wanted.name else one.port == wanted.number):
            return one.port
    return None
