"""The entries of a world's processes: each reads its arguments, makes its configuration and runs without end.

The zygote imports this module, and with it everything that any process needs.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any

import podwire.agent.node_agent  # noqa: F401 - an agent that is not forked imports it while it lists
from podwire.agent import main as node_agent
from podwire.agent.config import AgentConfig
from podwire.announcement.bgp_settings import BgpSettings
from podwire.apiserver import main as api_server
from podwire.apiserver.storage.journal import JournalError
from podwire.component import logs, permissions
from podwire.component.program import trimmed
from podwire.controllers import main as controllers_main
from podwire.controllers.balancers.pools import BalancerPools
from podwire.controllers.nodes.health import NodeHealth
from podwire.kube import ingress
from podwire.kube.credentials import Credentials
from podwire.kube.kinds import GATEWAY_CLASSES, INGRESSES, NAMESPACES, PODS, SERVICES, Kind
from podwire.kube.watch import Change
from podwire.lab.base import paths
from podwire.lab.base.zygote_client import ZygoteSpawner
from podwire.lab.host import credentials
from podwire.lab.host.policy_options import PolicyOptions
from podwire.lab.host.role_specs import GATEWAY_CONTROLLER, LOW_PORTS, MESH_CONTROLLER, RELAY
from podwire.lab.host.service_options import ServiceOptions
from podwire.lab.kubelet import kubelet as node_runtime
from podwire.lab.kubelet.node_dialer import UnixSocketDialer
from podwire.lab.network import external_network, upstream_dns
from podwire.lab.network import underlay as world_underlay
from podwire.lab.network.topology import Topology
from podwire.lab.relay.demand import Demand
from podwire.lab.relay.trigger import RelayTrigger
from podwire.lab.roles import bootstrap as world_bootstrap
from podwire.lab.roles.builtin_images import ENVOY_IMAGE, MESH_IMAGE, programs
from podwire.lab.roles.manifests import CREDENTIALS_FILES
from podwire.pods.mode import Mode
from podwire.pods.model import Cluster
from podwire.pods.runtime.installation import PLUGIN_TYPE, install, install_configuration
from podwire.redirection import enrolment

log = logging.getLogger(__name__)

Arguments = Mapping[str, str]
Descriptors = Mapping[str, int]

NODE_HEALTH = NodeHealth(
    grace_seconds=10.0,
    unready_seconds=60.0,
    force_seconds=3.0,
    silence="podwire runtime stopped posting node status",
)
"""Shorter than upstream's: a world's nodes are processes of one machine."""


def underlay(arguments: Arguments, _: Descriptors) -> None:
    """Build the network between the nodes, and see that the keys are there before anyone needs them."""
    world_underlay.build(Topology.read(arguments))
    credentials.wait(Path(arguments["pki"]))


def apiserver(arguments: Arguments, descriptors: Descriptors) -> None:
    """The API server: on the underlay, and on the loopback listener that `up` opened on the host."""
    topology, keys = Topology.read(arguments), Path(arguments["pki"])
    services = ServiceOptions.read(arguments)
    addresses = (str(topology.control4.ip), str(topology.control6.ip))
    config = api_server.ApiServerConfig(
        store=str(paths.DATABASE),
        authority_file=str(keys / "ca.crt"),
        certificate_file=str(keys / f"{credentials.SERVER}.crt"),
        key_file=str(keys / f"{credentials.SERVER}.key"),
        listen=tuple((address, 6443) for address in addresses),
        sockets=(socket.socket(fileno=descriptors["api"]),),
        token_key_file=str(keys / credentials.TOKENS),
        issuer=f"https://kubernetes.default.svc.{topology.domain}",
        audit_file=str(paths.AUDIT_LOG),
        dial_nodes=lambda _: UnixSocketDialer(paths.NODES),
        roles=tuple(permissions.objects(permissions.CERTIFICATE_SUBJECTS)),
        service_ranges=(str(topology.services4), str(topology.services6)),
        cluster_addresses=topology.api_service,
        endpoint_addresses=addresses,
        node_port_range=services.node_ports,
        allow_external_ips=services.external_ips,
        gateway_api=services.gateway_api,
        ingress_classes=ingress.CLASSES,
    )
    try:
        run(api_server.serve(config))
    except JournalError as refusal:  # pid 1 tries again every few seconds: each time one line, not a traceback
        log.critical("the API server does not start: %s", refusal)
        sys.exit(1)


def controllers(arguments: Arguments, _: Descriptors) -> None:
    """All controllers."""
    topology = Topology.read(arguments)
    pools = BalancerPools(tuple(map(str, topology.public)), tuple(map(str, topology.internal)))
    listeners = tuple(listened(ServiceOptions.read(arguments)))
    config = controllers_main.ControllersConfig(
        _credentials(arguments, credentials.CONTROLLERS), NODE_HEALTH, pools, listeners
    )
    run(controllers_main.run(config))


def listened(options: ServiceOptions) -> Iterator[tuple[Kind[Any], Callable[[Change[Any]], None]]]:
    """Yield the kinds that are served, and what starts a process on demand when an object of one changes."""
    yield SERVICES, RelayTrigger(RELAY)
    edge = _first_use(Demand(GATEWAY_CONTROLLER))
    yield INGRESSES, edge
    if options.gateway_api:
        yield GATEWAY_CLASSES, edge
    mesh = _first_enrolled(Demand(MESH_CONTROLLER))
    yield from ((kind, mesh) for kind in (NAMESPACES, SERVICES, PODS))


def _first_use(demand: Demand) -> Callable[[Change[Any]], None]:
    """The first Ingress, or a GatewayClass: the first request of a user for a kind of the Gateway API creates those."""

    def changed(change: Change[Any]) -> None:
        if change.old is None:
            demand.require()

    return changed


def _first_enrolled(demand: Demand) -> Callable[[Change[Any]], None]:
    """The first namespace, Service or pod whose labels enrol it into the mesh."""

    def changed(change: Change[Any]) -> None:
        if change.new is not None and enrolment.enrolled(change.new.metadata.labels):
            demand.require()

    return changed


def mesh_controller(arguments: Arguments, _: Descriptors) -> None:
    """The controller of the mesh, with its signer on the underlay."""
    from podwire.edge.controller import missing_packages

    if lacking := missing_packages.missing_here():
        log.critical("the mesh does not start: %s", missing_packages.remedy(lacking))
        return
    from podwire.mesh.controller import main as mesh  # late: with cryptography and gRPC, which few worlds need
    from podwire.mesh.controller.daemon_set import NodeSettings
    from podwire.mesh.controller.signer_endpoint import SERVER_NAME
    from podwire.mesh.identity.exchange import PORT

    topology = Topology.read(arguments)
    address = str(topology.control4.ip)
    nodes = NodeSettings(
        MESH_IMAGE,
        f"{address}:{PORT}",
        SERVER_NAME,
        envoy_image=ENVOY_IMAGE,
        server=topology.api_server,
        trust_domain=topology.domain,
    )
    config = mesh.MeshConfig(
        credentials=_credentials(arguments, credentials.MESH),
        identity=MESH_CONTROLLER,
        nodes=nodes,
        trust_domain=topology.domain,
        bind=address,
    )
    run(mesh.run(config))


def gateway_controller(arguments: Arguments, _: Descriptors) -> None:
    """The controller of Gateways and Ingresses, with its xDS server on the underlay."""
    from podwire.edge.controller import missing_packages

    if lacking := missing_packages.missing_here():
        run(missing_packages.run(_credentials(arguments, credentials.GATEWAY), lacking))
        return
    from podwire.edge.controller import main as gateway  # late: with gRPC, which few worlds need
    from podwire.edge.controller.ingress_loop import IngressSettings
    from podwire.lab.network import outside_names

    topology = Topology.read(arguments)
    config = gateway.GatewayConfig(
        credentials=_credentials(arguments, credentials.GATEWAY),
        identity=GATEWAY_CONTROLLER,
        server=str(topology.control4.ip),
        bind=str(topology.control4.ip),
        image=ENVOY_IMAGE,
        ingress=IngressSettings(tuple(controller for _, controller in ingress.CLASSES), without_class=True),
    )
    names = outside_names.Publisher(paths.OUTSIDE_NAMES)

    async def work() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(names.run())
            tasks.create_task(gateway.run(config, names.publish))

    run(work())


def relay(arguments: Arguments, descriptors: Descriptors) -> None:
    """The ports of the host that forward to Services. It starts in the host's network namespace."""
    from podwire.lab.relay import relay as host_relay  # late: a world without such Services never needs it
    from podwire.lab.relay.sockets import HostSockets, WorldSockets

    topology, services = Topology.read(arguments), ServiceOptions.read(arguments)
    low = socket.socket(fileno=descriptors[LOW_PORTS]) if LOW_PORTS in descriptors else None
    published = {port: socket.socket(fileno=descriptors[port.descriptor]) for port in services.published}
    keys = _credentials(arguments, credentials.RELAY)
    config = host_relay.RelayConfig(keys, Path(arguments["folder"]), topology.internal)
    run(host_relay.run(config, (HostSockets(low), WorldSockets()), published))


def upstream(arguments: Arguments, _: Descriptors) -> None:
    """The DNS of the world outside the cluster."""
    topology = Topology.read(arguments)
    run(upstream_dns.serve_upstream(str(topology.outside4.ip), external_network.records(topology), paths.OUTSIDE_NAMES))


def router(arguments: Arguments, _: Descriptors) -> None:
    """The BGP router on the outside host."""
    from podwire.lab.network import bgp_router  # few worlds have one

    run(bgp_router.serve(Topology.read(arguments), paths.ROUTER))


def agent(arguments: Arguments, _: Descriptors) -> None:
    """The agent of one node."""
    topology, services = Topology.read(arguments), ServiceOptions.read(arguments)
    policies = PolicyOptions.read(arguments)
    node = topology.node(int(arguments["node"]))
    config = AgentConfig(
        node=node.name,
        credentials=_credentials(arguments, credentials.agent_of(node.name)),
        cluster=Cluster((topology.pods4, topology.pods6), Mode(topology.overlay)),
        service_ranges=(str(topology.services4), str(topology.services6)),
        folder=paths.node(node.name),
        allow_external_ips=services.external_ips,
        default_deny=services.default_deny,
        announce_ranges=tuple(map(str, topology.public)),
        bgp=_bgp(topology) if services.bgp else None,
        policy_on_established=policies.on_established,
        flow_records=policies.flow_records,
    )
    node_agent.main(config)


def _bgp(topology: Topology) -> BgpSettings:
    from podwire.lab.network import bgp_router

    return bgp_router.settings(topology)


def runtime(arguments: Arguments, _: Descriptors) -> None:
    """The runtime of one node."""
    topology = Topology.read(arguments)
    node = topology.node(int(arguments["node"]))
    folder = paths.node(node.name)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    install(paths.CNI_PLUGINS / PLUGIN_TYPE)
    configuration = folder / "net.d" / "10-podwire.conflist"
    install_configuration(configuration, folder / "cni.sock")
    config = node_runtime.KubeletConfig(
        node=node,
        credentials=_credentials(arguments, credentials.runtime_of(node.name)),
        folder=folder,
        ephemeral=paths.ephemeral(node.name),
        network=paths.network(node.name),
        pins=paths.NETWORKS / "pods",
        cni_configuration=configuration,
        cni_plugins=paths.CNI_PLUGINS,
        api_service=topology.api_service[0],
        dns_service=topology.dns_service[:1],
        upstream=(str(topology.outside4.ip),),
        domain=topology.domain,
        in_house=programs(),
        images=Path(arguments["images"]),
    )
    run(node_runtime.run(config, ZygoteSpawner(paths.ZYGOTE_SOCKET)))


def bootstrap(arguments: Arguments, descriptors: Descriptors) -> None:
    """Create the bootstrap objects and report to `up` when the world is usable."""
    keys = Path(arguments["pki"])
    files = {key: keys / name for key, name in CREDENTIALS_FILES.items()}
    work = world_bootstrap.Bootstrap(
        Topology.read(arguments), _credentials(arguments, credentials.ADMIN), files, descriptors["progress"]
    )
    run(work.run())


def run(work: Coroutine[Any, Any, None]) -> None:
    """Log to standard error, which is the role's log, and run until done."""
    logs.configure()
    asyncio.run(trimmed(work))


def _credentials(arguments: Arguments, name: str) -> Credentials:
    return credentials.of_folder(Path(arguments["pki"]), name, Topology.read(arguments).api_server)
