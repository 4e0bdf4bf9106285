"""The flags and environment of `podwire dns`: read once into a DnsConfig."""

from __future__ import annotations

from typing import Any

import click

from podwire.component.flags import TextList, credentials, program_flags
from podwire.component.imports import lasting
from podwire.dns.config import DnsConfig
from podwire.kube.meta import NamespacedName

PORT = click.IntRange(1, 65535)


class ObjectName(click.ParamType[Any]):
    """NAMESPACE/NAME; nothing for none."""

    name = "NAMESPACE/NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> NamespacedName | None:
        """The name."""
        if not isinstance(value, str):
            return value if isinstance(value, NamespacedName) else None
        if not value:
            return None
        namespace, separator, name = value.partition("/")
        if not separator or not namespace or not name or "/" in name:
            self.fail(f"{value!r} must be NAMESPACE/NAME, such as kube-system/coredns", param, ctx)
        return NamespacedName(namespace, name)


@click.command()
@program_flags
@click.option("--domain", default="cluster.local", show_default=True, help="The cluster domain.")
@click.option(
    "--cluster-cidrs",
    "cluster_ranges",
    type=TextList(),
    default="",
    envvar="PODWIRE_CLUSTER_CIDRS",
    help="Ranges of pods and Services: their reverse names are never forwarded.",
)
@click.option(
    "--conf",
    "corefile",
    default="",
    metavar="FILE",
    help="The Corefile, in place of the one in the ConfigMap; it is read again when it changes.",
)
@click.option(
    "--config-map",
    type=ObjectName(),
    default="kube-system/coredns",
    show_default=True,
    help="The ConfigMap whose key Corefile is used, and used again when it changes; '' for none.",
)
@click.option(
    "--upstreams",
    type=TextList(),
    default="",
    envvar="PODWIRE_UPSTREAMS",
    help="Without a Corefile: servers of all other names, ADDRESS, ADDRESS:PORT, or a file like /etc/resolv.conf.",
)
@click.option(
    "--bind-addresses",
    "addresses",
    type=TextList(),
    default="0.0.0.0,::",
    show_default=True,
    help="Where to listen.",
)
@click.option("--port", type=PORT, default=53, show_default=True, help="DNS over UDP and TCP.")
@click.option("--health-port", type=PORT, default=8080, show_default=True, help="/health and /healthz.")
@click.option("--ready-port", type=PORT, default=8181, show_default=True, help="/ready and /readyz.")
@click.option("--metrics-port", type=PORT, default=9153, show_default=True, help="/metrics.")
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that answer by UDP."
)
@click.option("--ttl", type=click.IntRange(0, 3600), default=5, show_default=True, help="Seconds clients may cache.")
@click.option(
    "--linger", type=click.FloatRange(0), default=0.5, show_default=True, help="Seconds of service after SIGTERM."
)
def command(**given: Any) -> None:
    """Run the cluster's DNS server.

    It resolves the names of Services and pods from the API server's objects, and forwards all others, as its Corefile
    says.

    \b
    podwire dns --kubeconfig dns.conf --upstreams 192.0.2.53 --cluster-cidrs 10.244.0.0/16,10.96.0.0/16
    dig @127.0.0.1 kubernetes.default.svc.cluster.local
    """
    with lasting():
        from podwire.dns.server import main

    main(DnsConfig(credentials=credentials(given), **given))
