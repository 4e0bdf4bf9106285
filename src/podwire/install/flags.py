"""The flags of an installation, which `install` and `upgrade` share."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, TypeVar

import click

from podwire.component.flags import RangeList
from podwire.kube.pod_pools import PoolError, namespace_pool, pool
from podwire.pods.mode import Mode

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

FIXED = frozenset(
    {
        "certificate-authority", "client-certificate", "client-key", "context", "healthz-bind-address", "kubeconfig",
        "metrics-bind-address", "mtu", "namespace-pool", "node-name", "overlay", "overlay-accept", "pod-access-cidrs",
        "pod-cidrs", "replace-kube-proxy", "server", "service-cidrs", "state-dir", "token-file",
    }
)  # fmt: skip
"""Flags of the agent that its manifest sets by itself."""


class ServerUrl(click.ParamType[Any]):
    """The URL of an API server."""

    name = "URL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The URL without a slash at its end."""
        if not str(value).startswith("https://"):
            self.fail(f"{value}: write https://ADDRESS:PORT", param, ctx)
        return str(value).rstrip("/")


class Upstreams(click.ParamType[Any]):
    """DNS servers and files that name them."""

    name = "ADDRESS|FILE,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:  # noqa: ARG002
        """The texts; `podwire dns` checks them."""
        return value if isinstance(value, tuple) else tuple(filter(None, value.split(",")))


class PoolText(click.ParamType[Any]):
    """A pool of ranges of nodes."""

    name = "POOL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text, if `podwire controller` takes it."""
        try:
            pool(str(value))
        except PoolError as error:
            self.fail(str(error), param, ctx)
        return str(value)


class NamespacePoolFlag(click.ParamType[Any]):
    """A pool of ranges for the pods of some namespaces."""

    name = "NAME=POOL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text, if agents and `podwire controller` take it."""
        try:
            namespace_pool(str(value))
        except PoolError as error:
            self.fail(str(error), param, ctx)
        return str(value)


class AgentFlag(click.ParamType[Any]):
    """A flag of `podwire agent` in the form --NAME=VALUE or --NAME."""

    name = "FLAG"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The flag. One that the manifest sets, or that the agent does not have, is refused."""
        from podwire.agent.flags import command

        name, _, given = str(value).partition("=")
        known = {text: one for one in command.params if isinstance(one, click.Option) for text in one.opts}
        option = known.get(name)
        if option is None:
            self.fail(f"{value}: 'podwire agent' has no flag {name}; write --NAME=VALUE", param, ctx)
        if name.removeprefix("--") in FIXED:
            self.fail(f"{name}: 'podwire install' has the flag itself, or needs it as it is", param, ctx)
        if bool(given) == bool(option.is_flag or option.count):
            self.fail(f"{value}: write {name}{'' if option.is_flag or option.count else '=VALUE'}", param, ctx)
        if given:
            option.type.convert(given, option, ctx)
        return str(value)


GATEWAY_CHOICES = ("none", "standard", "experimental")
MODES = click.Choice([mode.value for mode in Mode])

SETTINGS_FLAGS = (
    click.option("--image", metavar="IMAGE", help="The image of all programs.  [default: podwire:VERSION]"),
    click.option(
        "--server",
        type=ServerUrl(),
        help="The API server as nodes reach it, not the Service 'kubernetes'.  [default: read from the cluster]",
    ),
    click.option(
        "--pod-cidrs", type=RangeList(any_number=True), help="The ranges of all pods.  [default: read from the cluster]"
    ),
    click.option(
        "--service-cidrs",
        type=RangeList(any_number=True),
        help="The ranges of Services.  [default: read from the cluster]",
    ),
    click.option("--overlay", type=MODES, help="How packets travel between nodes.  [default: direct]"),
    click.option("--overlay-accept", type=MODES, help="Receive this way too, while nodes change to the other."),
    click.option(
        "--mtu", type=click.IntRange(1350, 65535), help="The largest packet between nodes.  [default: the link's]"
    ),
    click.option(
        "--pod-access-cidrs",
        type=RangeList(any_number=True),
        help="Hosts that reach pods directly, as nodes do, such as a control plane behind address translation.",
    ),
    click.option(
        "--replace-kube-proxy/--keep-kube-proxy",
        default=None,
        help="End kube-proxy's pods and remove its rules. podwire is not installed beside a kube-proxy that is kept.",
    ),
    click.option(
        "--agent-flag",
        "agent_flags",
        type=AgentFlag(),
        multiple=True,
        help="One more flag of 'podwire agent', such as --announce-cidrs=192.0.2.0/24; may be repeated.",
    ),
    click.option("--dns/--no-dns", default=None, help="Serve the cluster's DNS.  [default: dns]"),
    click.option("--dns-replicas", type=click.IntRange(1), help="How many pods serve DNS.  [default: 2]"),
    click.option("--domain", metavar="NAME", help="The cluster domain.  [default: kubeadm's, else cluster.local]"),
    click.option(
        "--upstreams",
        type=Upstreams(),
        help="DNS servers of other names, or files that have them.  [default: the node's /etc/resolv.conf]",
    ),
    click.option(
        "--pod-pool",
        "pod_pools",
        type=PoolText(),
        multiple=True,
        help="Give nodes ranges of this pool, RANGE[:MASK],...[@LABEL=VALUE,...], where nothing else does.",
    ),
    click.option(
        "--namespace-pool",
        "namespace_pools",
        type=NamespacePoolFlag(),
        multiple=True,
        help="Give nodes ranges of this pool for pods of namespaces with the label podwire.dev/pod-pool=NAME: "
        "NAME=RANGE[:MASK],...[@LABEL=VALUE,...].",
    ),
    click.option(
        "--lb-pool", type=RangeList(any_number=True), help="Give Services of type LoadBalancer addresses of these."
    ),
    click.option("--internal-lb-pool", type=RangeList(any_number=True), help="Networks of internal load balancers."),
    click.option(
        "--gateway-api",
        type=click.Choice(GATEWAY_CHOICES),
        help="Serve Gateways, with the kinds of this channel of the Gateway API where the cluster has none.  "
        "[default: none]",
    ),
    click.option(
        "--gateway-image",
        metavar="IMAGE",
        help="The image of the gateway controller and of Envoys.  [default: podwire-gateway, beside --image]",
    ),
    click.option("--envoys", type=click.IntRange(1), help="Envoys of each GatewayClass.  [default: 2]"),
    click.option(
        "--mesh/--no-mesh",
        default=None,
        help="Identities, mutual TLS and routes for namespaces and Services that are enrolled. Its image is that of "
        "--gateway-image.  [default: no]",
    ),
    click.option(
        "--pod-monitors/--no-pod-monitors",
        default=None,
        help="PodMonitors of the Prometheus operator; agents' metrics then listen on all addresses of their nodes.",
    ),
)
SETTINGS = (
    "image", "server", "pod_cidrs", "service_cidrs", "overlay", "overlay_accept", "mtu", "pod_access_cidrs",
    "replace_kube_proxy", "agent_flags",
    "dns", "dns_replicas", "domain", "upstreams", "pod_pools", "namespace_pools", "lb_pool", "internal_lb_pool",
    "gateway_api", "gateway_image", "envoys", "mesh", "pod_monitors",
)  # fmt: skip


NOTHING: dict[str, Any] = {
    "agent-flag": (), "gateway-image": "", "internal-lb-pool": (), "lb-pool": (), "mtu": 0, "pod-access-cidrs": (),
    "namespace-pool": (), "pod-pool": (),
}  # fmt: skip
"""What `--unset` makes of a setting."""


def unset(names: tuple[str, ...]) -> dict[str, Any]:
    """The settings of these flags as they are where none is given."""
    fields = {"agent-flag": "agent_flags", "namespace-pool": "namespace_pools", "pod-pool": "pod_pools"}
    return {fields.get(name, name.replace("-", "_")): NOTHING[name] for name in names}


def settings_flags(command: CommandT) -> CommandT:
    """The flags of all settings. One that is not given is None, or an empty tuple."""
    for option in reversed(SETTINGS_FLAGS):
        command = option(command)
    return command


def take_settings(given: dict[str, Any]) -> dict[str, Any]:
    """Take the settings that were given out of all flags. Raises click.UsageError."""
    taken = {name: given.pop(name) for name in SETTINGS}
    found = {name: value for name, value in taken.items() if value not in (None, ())}
    for name in ("pod_cidrs", "service_cidrs"):
        for text in found.get(name, ()):
            if ipaddress.ip_network(text).num_addresses < 2:
                raise click.UsageError(f"--{name.replace('_', '-')} {text}: is one address; give a range")
    return found
