"""The flags and environment of `podwire controller`: read once into a ControllerConfig."""

from __future__ import annotations

from typing import Any

import click

from podwire.component.flags import (
    NamespacePoolText,
    credentials,
    identity,
    identity_flag,
    probe_flag,
    program_flags,
)
from podwire.component.imports import lasting
from podwire.controllers.balancers.pools import BalancerPools, subnets
from podwire.kube.pod_pools import PoolError, namespace_pools, pool

BIND_ADDRESS = "127.0.0.1:10246"


class PoolText(click.ParamType[Any]):
    """A pool of ranges of pods."""

    name = "RANGE[:MASK],...[@LABEL=VALUE,...]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The pool."""
        try:
            return pool(value) if isinstance(value, str) else value
        except PoolError as error:
            self.fail(str(error), param, ctx)


class NetworkList(click.ParamType[Any]):
    """Networks separated by commas."""

    name = "CIDR,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:  # noqa: ARG002
        """The networks as texts."""
        return value if isinstance(value, tuple) else tuple(word.strip() for word in value.split(",") if word.strip())


@click.command()
@program_flags
@click.option(
    "--pod-pool",
    "pod_pools",
    type=PoolText(),
    multiple=True,
    help="Give Nodes podCIDRs of this pool: one range of each family, divided by MASK (24, 64), for Nodes with these "
    "labels. Repeat it for more pools.",
)
@click.option(
    "--namespace-pool",
    "namespace_pools",
    type=NamespacePoolText(),
    multiple=True,
    help="Give Nodes ranges of this pool for pods of namespaces with the label podwire.dev/pod-pool=NAME. All agents "
    "need the same flag. Repeat it for more pools.",
)
@click.option(
    "--lb-pool",
    "public",
    type=NetworkList(),
    default="",
    help="Give Services of type LoadBalancer addresses of these networks.",
)
@click.option(
    "--internal-lb-pool",
    "internal",
    type=NetworkList(),
    default="",
    help="Networks of internal load balancers.",
)
@click.option("--lease-namespace", default="kube-system", show_default=True, help="Where the Lease of the leader is.")
@identity_flag
@probe_flag(BIND_ADDRESS)
def command(**given: Any) -> None:
    """Run the controllers that a cluster's own control plane lacks: ranges of pods and load balancers.

    Run two: one leads, the other takes over when it ends. On the network of its node, as it gives nodes the ranges
    without which no pod has a network.

    \b
    podwire controller --server https://192.0.2.10:6443 \\
        --pod-pool 10.244.0.0/16,fd00:10:244::/56 --pod-pool 10.250.0.0/16:22@pool=large
    podwire controller --server https://192.0.2.10:6443 --namespace-pool red=10.60.0.0/16:26
    podwire controller --kubeconfig controller.conf --lb-pool 198.51.100.0/24
    """
    with lasting():
        from podwire.controllers.cluster_program import main

    main(configuration(given))


def configuration(given: dict[str, Any]) -> Any:
    """The ControllerConfig of these flags. Raises click.UsageError."""
    from podwire.controllers.cluster_program import ControllerConfig

    api = credentials(given)
    public, internal = given.pop("public"), given.pop("internal")
    balancers = BalancerPools(public, internal) if public or internal else None
    try:
        namespace_pools(given["namespace_pools"], given["pod_pools"])
        if balancers is not None:
            subnets(balancers)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if not given["pod_pools"] and not given["namespace_pools"] and balancers is None:
        raise click.UsageError("nothing to do: give --pod-pool, --namespace-pool, --lb-pool or --internal-lb-pool")
    name = identity(given)
    return ControllerConfig(credentials=api, identity=name, balancer_pools=balancers, **given)
