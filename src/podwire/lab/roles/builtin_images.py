"""Programs that podwire brings itself, by the name of the image that runs them in a pod."""

from __future__ import annotations

from collections.abc import Mapping

from podwire.dns import server
from podwire.dns.config import DnsConfig
from podwire.edge.instance.executable import envoy_file
from podwire.kube.credentials import Credentials
from podwire.lab.images.resolver import InHouse
from podwire.lab.roles.manifests import CREDENTIALS_PATH, DNS_IMAGE
from podwire.lab.roles.mesh_instance import python_folders

ENVOY_IMAGE = "podwire/envoy"
ENVOY_PROGRAM = "/opt/envoy/envoy"
"""Where the executable is in the container."""
MESH_IMAGE = "podwire/mesh"
"""Of the mesh's pod of each node."""

DNS_OPTIONS = frozenset({"server", "domain", "upstream", "cluster-ranges"})


def programs() -> dict[str, InHouse]:
    """For each image what runs; the function's arguments are the container's `args`, `--name=value` each."""
    module = "podwire.lab.roles.builtin_images"
    envoy = envoy_file()
    return {
        DNS_IMAGE: InHouse(f"{module}:dns"),
        ENVOY_IMAGE: InHouse("podwire.lab.roles.envoy_instance:envoy", {ENVOY_PROGRAM: envoy} if envoy else {}),
        MESH_IMAGE: InHouse("podwire.lab.roles.mesh_instance:mesh_node", python_folders()),
    }


def dns(arguments: Mapping[str, str]) -> None:
    """The cluster's DNS server."""
    server.main(dns_config(arguments))


def dns_config(arguments: Mapping[str, str]) -> DnsConfig:
    """Read the options; raises SystemExit for one that is not known."""
    for name in arguments.keys() - DNS_OPTIONS:
        raise SystemExit(f"args: --{name}: is none of {', '.join(sorted(DNS_OPTIONS))}")
    folder = CREDENTIALS_PATH
    return DnsConfig(
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
