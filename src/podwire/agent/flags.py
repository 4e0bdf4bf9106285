"""The flags and environment of `podwire agent`: read once into an AgentConfig."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import click

from podwire.agent import bgp_flags
from podwire.agent.bgp_flags import bgp_options
from podwire.agent.config import EVERYWHERE, METRICS_PORT, AgentConfig
from podwire.agent.pod_network_flags import cluster, pod_network_options
from podwire.component.flags import AddressList, RangeList, credentials, program_flags
from podwire.component.imports import lasting
from podwire.services.node_view import PRIMARY

EVERY_ADDRESS = ("0.0.0.0/0", "::/0")


class NodePortAddresses(click.ParamType[Any]):
    """Ranges of the node's addresses, or one of kube-proxy's words for them."""

    name = "primary|all|CIDR,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """The ranges as texts in canonical form; PRIMARY as it is."""
        if isinstance(value, tuple):
            return value
        found: list[str] = []
        for word in (word.strip() for word in value.split(",") if word.strip()):
            found += [word] if word == PRIMARY else EVERY_ADDRESS if word == "all" else [self._range(word, param, ctx)]
        return tuple(dict.fromkeys(found)) or (PRIMARY,)

    def _range(self, word: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            block = ipaddress.ip_network("127.0.0.0/8" if word == "localhost" else word)
        except ValueError as error:
            self.fail(f"{error}; write primary, all, or ranges such as 192.0.2.0/24", param, ctx)
        if block.is_loopback:
            self.fail(f"{word}: node ports do not answer on loopback addresses (CVE-2020-8558)", param, ctx)
        return str(block)


@click.command()
@program_flags
@click.option(
    "--node-name",
    envvar="NODE_NAME",
    required=True,
    metavar="NAME",
    show_envvar=True,
    help="The Node whose network namespace this is.",
)
@pod_network_options
@click.option(
    "--service-cidrs",
    type=RangeList(),
    envvar="PODWIRE_SERVICE_CIDRS",
    required=True,
    show_envvar=True,
    help="The ranges of Services.",
)
@click.option(
    "--nodeport-addresses",
    type=NodePortAddresses(),
    envvar="PODWIRE_NODEPORT_ADDRESSES",
    show_envvar=True,
    default=PRIMARY,
    show_default=True,
    help="Which of the node's addresses have node ports: primary (its InternalIPs), all, or ranges; never loopback.",
)
@click.option(
    "--allow-external-ips",
    is_flag=True,
    envvar="PODWIRE_ALLOW_EXTERNAL_IPS",
    show_envvar=True,
    help="Serve externalIPs of Services. Who may write Services can then take any address's traffic (CVE-2020-8554).",
)
@click.option(
    "--default-deny",
    is_flag=True,
    envvar="PODWIRE_DEFAULT_DENY",
    show_envvar=True,
    help="Isolate every pod in both directions unless a policy allows; DNS to kube-dns is allowed.",
)
@click.option(
    "--announce-cidrs",
    "announce_ranges",
    type=RangeList(any_number=True),
    envvar="PODWIRE_ANNOUNCE_CIDRS",
    default=(),
    show_envvar=True,
    help="Announce LoadBalancer addresses in these ranges by ARP and neighbour discovery, each from one node.",
)
@click.option(
    "--replace-kube-proxy",
    is_flag=True,
    envvar="PODWIRE_REPLACE_KUBE_PROXY",
    show_envvar=True,
    help="Remove what kube-proxy left on this node, once podwire's own rules are complete; not while it runs.",
)
@click.option(
    "--policy-on-established",
    type=click.Choice(["keep", "cut"]),
    default="cut",
    show_default=True,
    envvar="PODWIRE_POLICY_ON_ESTABLISHED",
    show_envvar=True,
    help="What becomes of connections that policies forbid while they exist: cut ends them within a second.",
)
@click.option(
    "--flow-records",
    type=click.Choice(["dropped", "all"]),
    default="dropped",
    show_default=True,
    envvar="PODWIRE_FLOW_RECORDS",
    show_envvar=True,
    help="Record connections that policies drop, or admitted ones too; of a namespace's pods: annotation"
    " podwire.dev/flow-records=all.",
)
@bgp_options
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("/var/lib/podwire"),
    show_default=True,
    help="State that outlives the process, and its sockets.",
)
@click.option(
    "--healthz-bind-address",
    "healthz",
    type=AddressList(),
    default=EVERYWHERE,
    show_default="0.0.0.0:10256,[::]:10256",
    help="/healthz and /livez as kube-proxy has them, and /readyz. Empty: nowhere.",
)
@click.option(
    "--metrics-bind-address",
    "metrics",
    type=AddressList(),
    default=f"127.0.0.1:{METRICS_PORT}",
    show_default=True,
    help="/metrics, /proxyMode, /healthz, /livez and /readyz. Empty: nowhere.",
)
def command(**given: Any) -> None:
    """Run the agent of a node: its pods' network, its Services and its NetworkPolicies.

    Run it as root in the network namespace of the node. It ends at SIGTERM; what it wrote to the kernel remains, so
    traffic goes on until the next one takes over.

    \b
    podwire agent --kubeconfig node.conf --node-name node-1 \\
        --pod-cidrs 10.244.0.0/16 --service-cidrs 10.96.0.0/16
    NODE_NAME=node-1 podwire agent --server https://192.0.2.10:6443 --overlay vxlan \\
        --pod-cidrs 10.244.0.0/16,fd00:10:244::/56 --service-cidrs 10.96.0.0/16,fd00:10:96::/112
    curl http://127.0.0.1:10256/healthz; curl http://127.0.0.1:10249/metrics
    """
    with lasting():
        from podwire.agent.main import main

    main(configuration(given))


def configuration(given: dict[str, Any]) -> AgentConfig:
    """The configuration of these flags. Raises click.UsageError."""
    api = credentials(given)
    bgp = bgp_flags.settings(given)
    return AgentConfig(
        node=given.pop("node_name"),
        credentials=api,
        cluster=cluster(given, router_knows_pods=bgp is not None and bgp.announce_pod_ranges),
        service_ranges=given.pop("service_cidrs"),
        folder=given.pop("state_dir"),
        bgp=bgp,
        expect_kube_proxy=True,
        check_kernel=True,
        **given,
    )
