"""Programs that podwire brings itself, by the name of the image that runs them in a pod."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from podwire.dns import server
from podwire.kube.client import Credentials
from podwire.lab.system_objects import CREDENTIALS_PATH, DNS_IMAGE

Program = Callable[[Sequence[str]], None]


def dns(arguments: Sequence[str]) -> None:
    """The cluster's DNS server; its options are those of the container's `args`."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    asyncio.run(server.serve(dns_config(arguments)))


def dns_config(arguments: Sequence[str]) -> server.DnsConfig:
    """Read `--server`, `--domain`, `--upstream` and `--cluster-ranges`; raises SystemExit for anything else."""
    options: dict[str, str] = {}
    known = {"--server", "--domain", "--upstream", "--cluster-ranges"}
    for argument in arguments:
        name, _, value = argument.partition("=")
        if name not in known or not value:
            raise SystemExit(f"args: {argument!r}: is none of {', '.join(sorted(known))} with a value")
        options[name] = value
    folder = CREDENTIALS_PATH
    return server.DnsConfig(
        credentials=Credentials(
            options.get("--server", "https://kubernetes.default"),
            f"{folder}/ca.crt",
            f"{folder}/tls.crt",
            f"{folder}/tls.key",
        ),
        domain=options.get("--domain", "cluster.local"),
        cluster_ranges=tuple(filter(None, options.get("--cluster-ranges", "").split(","))),
        upstreams=tuple(filter(None, options.get("--upstream", "").split(","))),
    )


PROGRAMS: Mapping[str, Program] = MappingProxyType({DNS_IMAGE: dns})
