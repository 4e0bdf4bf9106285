"""podwire up"""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from podwire.cli.options import new_name_option
from podwire.cli.termination import cleanup_on_signal


@click.command()
@new_name_option
@click.option("--nodes", default=1, show_default=True, type=int, help="How many nodes.")
@click.option(
    "-f", "--filename", "files", multiple=True, help="Manifests to apply: a file, a folder or a URL; repeatable."
)
@click.option(
    "--overlay",
    type=click.Choice(["direct", "vxlan"]),
    default="direct",
    show_default=True,
    help="How packets travel between nodes.",
)
@click.option(
    "--zones", default="", metavar="ZONE,...", help="Zones of the nodes, in turn: label topology.kubernetes.io/zone."
)
@click.option(
    "--cluster-domain", default="cluster.local", show_default=True, metavar="NAME", help="The domain of DNS names."
)
@click.option(
    "--lb-pool",
    default="",
    metavar="CIDR,...",
    help="Addresses of load balancers: a part of 172.18.254.0/24, or subnets of their own.",
)
@click.option(
    "--service-node-port-range",
    default="30000-32767",
    show_default=True,
    metavar="FIRST-LAST",
    help="The node ports of Services.",
)
@click.option(
    "--allow-external-ips",
    is_flag=True,
    help="Let Services have externalIPs: a user who may write one can take the traffic of any address (CVE-2020-8554).",
)
@click.option(
    "--publish",
    multiple=True,
    metavar="HOSTPORT=SERVICE:PORT",
    help="Fix the port of 127.0.0.1 for the port of a Service: 8080=shop/web:80, 8053=dns:53/udp; repeatable.",
)
@click.option(
    "--bgp",
    is_flag=True,
    help="Announce load balancers by BGP too, to a router on the outside host; needs bird (apt-get install bird2).",
)
@click.option(
    "--gateway-api",
    type=click.Choice(["standard", "experimental", "none"]),
    default="standard",
    show_default=True,
    help="The release channel of Gateway API whose kinds the API server serves.",
)
@click.option(
    "--policy-on-established",
    type=click.Choice(["keep", "cut"]),
    default="cut",
    show_default=True,
    help="Connections that a policy forbids while they exist end within a second, or are kept.",
)
@click.option(
    "--flow-records",
    type=click.Choice(["dropped", "all"]),
    default="dropped",
    show_default=True,
    help="Connections that 'podwire flows' shows: those that policies drop, or admitted ones too.",
)
@click.option(
    "--default-deny",
    is_flag=True,
    help="Isolate every pod in both directions unless a policy allows; DNS to kube-dns is allowed.",
)
@click.option("--api-port", default=0, type=int, help="Loopback port of the API server; 0 takes a free one.")
@click.option("--timeout", default=60.0, show_default=True, type=float, help="Seconds to wait until usable.")
@click.option(
    "--lifeline",
    type=int,
    metavar="FD",
    help="End the world when the program that started podwire ends: FD is the read end of a pipe that it holds open.",
)
@click.option("-q", "--quiet", is_flag=True, help="Show nothing but warnings and errors.")
def command(*, files: tuple[str, ...], quiet: bool, **options: Any) -> None:
    """Start a cluster network on this machine: nodes and pods are network namespaces, kubectl talks to it.

    Returns when the network is usable; it stays in the background until 'podwire down'. kubectl's current context
    is set to it.

    \b
    podwire up
    podwire up --name shop --nodes 3 --zones a,b,c -f examples/shop
    """
    from podwire.lab.host.manifests import apply_and_wait, check_files
    from podwire.lab.host.start import UpOptions, start
    from podwire.lab.relay.published import parse_all

    name = options["name"]
    check_files(files)
    began = time.monotonic()

    def report(step: str) -> None:
        if not quiet:
            click.echo(f"  {time.monotonic() - began:5.2f} s  {step}", err=True)

    with cleanup_on_signal(lambda: _outcome(name)):
        world = start(UpOptions(**options), report)
    report("usable: nodes are Ready, DNS answers")
    if files:
        with cleanup_on_signal(lambda: _outcome(name)):
            code = apply_and_wait(world, files, options["timeout"], report, quiet=quiet)
        if code:
            click.echo(f"podwire: world '{world.name}' is up, but not all of the manifests could be applied", err=True)
            sys.exit(code)
    if not quiet:
        click.echo(f"World '{world.name}' is up: context {world.context}, API https://127.0.0.1:{world.api_port}")
        for port in parse_all(options["publish"]):
            click.echo(f"127.0.0.1:{port.host_port} leads to port {port.port} of Service {port.namespace}/{port.name}")
        click.echo(f"Try: kubectl get pods -A -o wide    End it with: podwire down --name {world.name}")


def _outcome(name: str) -> str:
    """What exists after a signal, as text."""
    from podwire.lab.host import worlds

    if any(world.name == name for world in worlds.living()):
        return f"world '{name}' is up; 'podwire down --name {name}' ends it"
    return f"nothing of world '{name}' is left"
