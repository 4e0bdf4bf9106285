"""What an Ingress refers to: Services as clusters, users in Secrets, headers in ConfigMaps, or why there is none. Pure.

Source: Kubernetes "Ingress", backends; kubernetes/ingress-nginx annotations `backend-protocol`, `auth-secret` and
`custom-headers`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import msgspec

from podwire.edge.gateway.certificates import secret_text
from podwire.edge.gateway.objects import Objects
from podwire.edge.ingress.annotations import grammar
from podwire.edge.ingress.annotations.grammar import InvalidValueError
from podwire.edge.ingress.annotations.settings import DEFAULTS, Settings
from podwire.edge.ingress.backend_tls import UNVERIFIED, Encryption, authorities_of, encryption, own_key
from podwire.edge.ingress.kinds import IngressBackend, IngressServiceBackend, ServiceBackendPort
from podwire.edge.ingress.missing import Missing
from podwire.edge.ingress.options.options import Options
from podwire.edge.model.backends import CONNECT_SECONDS, Balancing, Cluster, ServicePort, Transport
from podwire.edge.model.filters import BasicAuth, Header
from podwire.edge.model.script import Passwords
from podwire.edge.model.tls import Authorities, Certificate
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
_SHA = re.compile(r"[^:\s\x00-\x1f]{1,255}:\{SHA\}[A-Za-z0-9+/]{27}=")
_USER = re.compile(
    r"[^:\s\x00-\x1f]{1,255}:"
    r"([./A-Za-z0-9]{13}|\{SHA\}[A-Za-z0-9+/]{27}=|\{SSHA\}[A-Za-z0-9+/=]{28,512}|\{PLAIN\}[\x20-\x7e]{1,256}"
    r"|\$apr1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}|\$1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}"
    r"|\$2[aby]\$(0[4-9]|1[0-4])\$[./A-Za-z0-9]{53}|\$[56]\$(rounds=[0-9]{4,6}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{43,86})"
)
"""Forms of hashes. What one verification costs has a bound: 2^14 rounds of bcrypt take some seconds."""
_MANY_USERS = 10_000
REMEDY = "make its lines by htpasswd -B"


class References:
    """Look-ups of what Ingresses refer to."""

    def __init__(self, objects: Objects, options: Callable[[], Options] = Options) -> None:
        self._objects = objects
        self._options = options

    @property
    def options(self) -> Options:
        """What holds for all Ingresses."""
        return self._options()

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
        found = encryption(key, settings, self._objects) if encrypted else None
        if isinstance(found, Missing):
            return found
        by_address = settings.service_upstream and not service.headless
        return Cluster(
            port=ServicePort(namespace, key.name, port, by_address=by_address),
            transport=transport,
            tls=found.tls if found else None,
            is_sticky=settings.affinity == "cookie" and not by_address,
            balancing=_balancing(settings),
            has_own_retries=settings.has_own_retries,
            connect_timeout=settings.proxy_connect_timeout or CONNECT_SECONDS,
        )

    def secrets(self, cluster: Cluster, settings: Settings) -> tuple[Authorities | Certificate, ...]:
        """Return the secrets that the connections of a cluster of these settings need."""
        key = NamespacedName(cluster.port.namespace, cluster.port.service)
        found = encryption(key, settings, self._objects) if cluster.tls else None
        return found.secrets if isinstance(found, Encryption) else ()

    def service(self, key: NamespacedName, port: int, *, is_encrypted: bool = False) -> Cluster | Missing:
        """Return the cluster of a port of a Service, which may be of any namespace."""
        found = self.cluster(
            IngressBackend(IngressServiceBackend(key.name, ServiceBackendPort(number=port))), key.namespace, DEFAULTS
        )
        if isinstance(found, Missing) or not is_encrypted:
            return found
        return msgspec.structs.replace(found, tls=UNVERIFIED)

    def first_port(self, key: NamespacedName) -> Cluster | Missing:
        """Return the cluster of the first port of a Service."""
        service = self._objects.services.get(key)
        ports = [one.port for one in service.spec.ports if one.protocol == "TCP"] if service else []
        if not ports:
            return Missing("ServiceNotFound", f"Service {key} does not exist, or has no TCP port: create it")
        return self.service(key, ports[0])

    def authorities(self, named: NamespacedName, namespace: str) -> Authorities | Missing:
        """Return the authorities of clients' certificates of an Ingress in this namespace."""
        key = own_key(named, namespace)
        if key is None:
            return Missing("InvalidAuthorities", f"Secret {named} is in another namespace: copy it to {namespace}")
        return authorities_of(key, self._objects, "clients")

    def users(self, namespace: str, settings: Settings) -> BasicAuth | Passwords | Missing | None:
        """Return the users of an Ingress in this namespace; None: it wants none."""
        if not settings.auth_type:
            return None
        if settings.auth_secret is None:
            return Missing("InvalidAuthSecret", "auth-type needs auth-secret, the name of a Secret: add it")
        key = own_key(settings.auth_secret, namespace)
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
        return _users(key, [one.strip() for one in lines if one.strip() and not one.startswith("#")], settings)

    def response_headers(self, namespace: str, settings: Settings) -> tuple[Header, ...] | Missing:
        """Return the headers that responses get from a ConfigMap."""
        return self.headers(settings.custom_headers, namespace)

    def headers(self, named: NamespacedName | None, namespace: str) -> tuple[Header, ...] | Missing:
        """Return the headers in a ConfigMap of an Ingress in this namespace."""
        return self.headers_of(own_key(named, namespace), named, namespace) if named is not None else ()

    def headers_of(
        self, key: NamespacedName | None, named: NamespacedName, namespace: str
    ) -> tuple[Header, ...] | Missing:
        """Return the headers in a ConfigMap; `key` is None for one that may not be read."""
        found = self._objects.config_maps.get(key) if key is not None else None
        if found is None:
            message = f"ConfigMap {key or named} does not exist in {namespace}: create it"
            return Missing("InvalidHeaders", message)
        try:
            return tuple(
                Header(grammar.token(name), grammar.text_value(value)) for name, value in sorted(found.data.items())
            )
        except InvalidValueError as error:
            return Missing("InvalidHeaders", f"ConfigMap {key}: {error}: correct its data")


def _balancing(settings: Settings) -> Balancing:
    """Affinity is preferred to a hash, that to the rest."""
    if settings.upstream_hash_by and settings.affinity != "cookie":
        return Balancing.RING_HASH
    return Balancing.LEAST_REQUEST if settings.load_balance == "ewma" else Balancing.ROUND_ROBIN


def _users(key: NamespacedName, lines: Iterable[str], settings: Settings) -> BasicAuth | Passwords | Missing:
    """Envoy itself verifies digests of SHA-1 alone, where nothing but them is enough, and without a realm."""
    lines = tuple(lines)
    bad = next((one for one in lines if not _USER.fullmatch(one)), None)
    if bad is not None:
        user = bad.partition(":")[0]
        message = f"Secret {key}: the hash of the password of user {user[:64]!r} has no known form: {REMEDY}"
        return Missing("InvalidAuthSecret", message)
    if not lines or len(lines) > _MANY_USERS:
        return Missing("InvalidAuthSecret", f"Secret {key} has no users, or more than {_MANY_USERS}: {REMEDY}")
    if settings.satisfy == "all" and not settings.auth_realm and all(_SHA.fullmatch(one) for one in lines):
        return BasicAuth(lines)
    return Passwords(dict(one.split(":", 1) for one in lines), settings.auth_realm)


def _port(service: services.Service, backend: IngressBackend) -> int | None:
    assert backend.service is not None
    desired = backend.service.port
    for one in service.spec.ports:
        if one.protocol == "TCP" and (one.name == desired.name if desired.name else one.port == desired.number):
            return one.port
    return None
