"""All objects of an installation. Pure: settings in, manifests out, in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.install.manifests import (
    agent_daemon_set,
    controller_deployment,
    dns_deployment,
    gateway_deployment,
    mesh_deployment,
)
from podwire.install.manifests.agent_admission import admission
from podwire.install.manifests.manifest import APPLIED, Manifest
from podwire.install.manifests.pod_monitors import pod_monitor
from podwire.install.manifests.rights import rights
from podwire.install.settings import Settings


def manifests(settings: Settings) -> tuple[Manifest, ...]:
    """Return every object, accounts and rights before the pods that use them."""
    order = {kind.kind: place for place, kind in enumerate(APPLIED)}
    found = [*_agent(settings), *(_dns(settings) if settings.dns else ())]
    if settings.has_controller:
        found += [*rights(settings, controller_deployment.COMPONENT), controller_deployment.deployment(settings)]
    if settings.has_gateway:
        found += _gateway(settings)
    if settings.mesh:
        found += _mesh(settings)
    once = {(one.kind.kind, one.key): one for one in reversed(found)}  # both controllers have one namespace
    found = [one for one in found if once[one.kind.kind, one.key] is one]
    return tuple(sorted(found, key=lambda one: order[one.kind.kind]))


def _agent(settings: Settings) -> Iterator[Manifest]:
    yield from rights(settings, agent_daemon_set.COMPONENT)
    yield agent_daemon_set.daemon_set(settings)
    if settings.pod_monitors:
        yield pod_monitor(settings, agent_daemon_set.NAME, agent_daemon_set.COMPONENT)


def _gateway(settings: Settings) -> Iterator[Manifest]:
    yield from rights(settings, gateway_deployment.COMPONENT)
    yield gateway_deployment.service(settings)
    yield gateway_deployment.deployment(settings)
    yield from gateway_deployment.disruption_budgets(settings)
    if settings.pod_monitors:
        yield pod_monitor(settings, gateway_deployment.NAME, gateway_deployment.COMPONENT)
        yield gateway_deployment.envoy_monitor(settings)


def _mesh(settings: Settings) -> Iterator[Manifest]:
    yield from rights(settings, mesh_deployment.COMPONENT)
    yield from rights(settings, mesh_deployment.NODE_COMPONENT)
    yield from admission(settings)
    yield mesh_deployment.service(settings)
    yield mesh_deployment.deployment(settings)
    yield mesh_deployment.disruption_budget(settings)
    if settings.pod_monitors:
        yield pod_monitor(settings, mesh_deployment.NAME, mesh_deployment.COMPONENT)
        yield mesh_deployment.node_monitor(settings)


def _dns(settings: Settings) -> Iterator[Manifest]:
    yield from rights(settings, dns_deployment.COMPONENT)
    if settings.dns_addresses:
        yield dns_deployment.service(settings)
    yield dns_deployment.deployment(settings)
    yield dns_deployment.disruption_budget(settings)
    if settings.pod_monitors:
        yield pod_monitor(settings, dns_deployment.NAME, dns_deployment.COMPONENT)
