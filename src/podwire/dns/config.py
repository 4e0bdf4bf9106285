"""The configuration of the DNS server's process, from its flags. What it serves is in the Corefile."""

from __future__ import annotations

import msgspec

from podwire.component.logs import LogFormat
from podwire.dns.rows import DNS_SERVICE
from podwire.kube.credentials import Credentials
from podwire.kube.meta import NamespacedName

CONFIG_MAP = NamespacedName("kube-system", "coredns")
"""Where clusters keep the Corefile."""


class DnsConfig(msgspec.Struct, frozen=True):
    """The configuration of a DNS server.

    Attributes:
        credentials: the API server, and how to authenticate there.
        domain: the cluster domain.
        cluster_ranges: pod and Service ranges; their unknown reverse names are NXDOMAIN here and never forwarded.
        upstreams: servers for all other names where no Corefile names them, `address` or `address:port`, or files like
            resolv.conf; none: such names are refused.
        addresses: where to listen; by default everywhere, both families.
        port: of DNS over UDP and TCP.
        health_port: of `/health`, also under the name `/healthz`.
        ready_port: of `/ready`, also under the name `/readyz`.
        metrics_port: of `/metrics`.
        service: the Service that clients reach this server by; its name is in the SOA and NS records.
        ttl: seconds that clients may keep the cluster's records, where no Corefile sets it.
        corefile: a file to read in place of the ConfigMap; empty for none.
        workers: processes that answer by UDP, the first one included.
        config_map: the ConfigMap with the Corefile; None for none.
        linger: seconds of service after SIGTERM, while clients still send queries here.
        log_format: text or json.
        verbosity: 0 to 2.

    """

    credentials: Credentials
    domain: str = "cluster.local"
    cluster_ranges: tuple[str, ...] = ()
    upstreams: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ("0.0.0.0", "::")  # noqa: S104 a DNS server has clients everywhere
    port: int = 53
    health_port: int = 8080
    ready_port: int = 8181
    metrics_port: int = 9153
    service: NamespacedName = DNS_SERVICE
    ttl: int = 5
    corefile: str = ""
    workers: int = 1
    config_map: NamespacedName | None = CONFIG_MAP
    linger: float = 0.5
    log_format: LogFormat = "text"
    verbosity: int = 0
