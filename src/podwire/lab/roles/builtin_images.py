"""Programs that podwire brings itself, by the name of the image that runs them in a pod."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from podwire.dns import server
from podwire.kube.credentials import Credentials
from podwire.lab.roles.manifests import CREDENTIALS_PATH, DNS_IMAGE

PROGRAMS: Mapping[str, str] = MappingProxyType({DNS_IMAGE: "podwire.lab.roles.builtin_images:dns"})
"""For each image the function behind it; its arguments are the container's `args`, `--name=value` each."""

DNS_OPTIONS = frozenset({"server", "domain", "upstream", "cluster-ranges"})


def dns(arguments: Mapping[str, str]) -> None:
    """The cluster's DNS server."""
    server.main(dns_config(arguments))


def dns_config(arguments: Mapping[str, str]) -> server.DnsConfig:
    """Read the options; raises SystemExit for one that is not known."""
    for name in arguments.keys() - DNS_OPTIONS:
        raise SystemExit(f"args: --{name}: is none of {', '.join(sorted(DNS_OPTIONS))}")
    folder = CREDENTIALS_PATH
    return server.DnsConfig(
        credentials=Credentials(
            arguments.get("server", "https://kubernetes.default"),
            f"{folder}/ca.crt",
            f"{folder}/tls.crt",
            f"{folder}/tls.key",
        ),
        domain=arguments.get("domain", "cluster.local"),
        cluster_ranges=_words(arguments.get("cluster-ranges", "")),
        upstreams=_words(arguments.get("upstream", "")),
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))
