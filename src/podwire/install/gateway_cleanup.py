"""Gateways without their controller: their Envoys end while agents can take their network down, and leave nothing.

Gateways, routes and the definitions of their kinds are users' and stay.
"""

from __future__ import annotations

from typing import Any, TypeVar

from podwire.edge.controller import fleet, ingress_front
from podwire.edge.controller.gateway_service import MANAGED_BY_LABEL
from podwire.edge.gateway.kinds.gateway import GATEWAYS, Gateway
from podwire.edge.gateway.kinds.gateway_class import GATEWAY_CLASSES
from podwire.edge.ingress.kinds import INGRESSES
from podwire.install import cluster_objects
from podwire.install.cluster_objects import Report
from podwire.install.condition import until
from podwire.install.manifests import gateway_deployment
from podwire.install.manifests.manifest import MANAGER_LABEL, NAME, NAME_LABEL, Manifest, manifest
from podwire.install.pod_states import POD_STATES
from podwire.install.readiness import pods_of
from podwire.install.settings import NAMESPACE
from podwire.kube.client import ApiError, Client
from podwire.kube.discovery import SERVICE_NAME_LABEL
from podwire.kube.gateway_api import CONTROLLER_NAME, GROUP, PROXIES
from podwire.kube.kinds import DEPLOYMENTS, ENDPOINT_SLICES, SERVICES, Kind
from podwire.kube.meta import Object

ObjectT = TypeVar("ObjectT", bound=Object)

ENVOYS = ",".join(f"{name}={value}" for name, value in fleet.labels("").items() if value)
"""Selects the Deployments and pods of all proxies."""
OWN_SLICES = f"{MANAGED_BY_LABEL}={CONTROLLER_NAME.replace('/', '.')}"
CLASSES = Kind(f"{GROUP}/v1", "GatewayClass", "gatewayclasses", Object, namespaced=False)
INGRESS_CLASSES = Kind("networking.k8s.io/v1", "IngressClass", "ingressclasses", Object, namespaced=False)
WAITING = [
    {
        "type": kind,
        "status": "Unknown",
        "reason": "Pending",
        "message": "Waiting for controller",
        "lastTransitionTime": "1970-01-01T00:00:00Z",
    }
    for kind in ("Accepted", "Programmed")
]
"""Conditions of a Gateway that no controller has seen: the default of its definition."""
END_SECONDS = 60.0
"""Envoys drain for half a minute."""


async def remove(client: Client, report: Report) -> None:
    """End the controller, then its Envoys; delete the Services of Gateways and of Ingresses, and the classes.

    Gateways and Ingresses that the controller served have no address any more.

    What is in the namespace of Envoys besides is deleted with it. Raises InstallError, ApiError.
    """
    controller = manifest(DEPLOYMENTS, gateway_deployment.NAME, {}, namespace=NAMESPACE)
    await cluster_objects.delete(client, (controller,), report)
    await until(lambda: _controllers_gone(client), END_SECONDS)
    fleets = await client.list(DEPLOYMENTS, PROXIES, labelSelector=ENVOYS)
    await cluster_objects.delete(client, [_named(DEPLOYMENTS, one) for one in fleets.items], report)
    if fleets.items:
        await until(lambda: _envoys_gone(client), END_SECONDS)
    await _release_gateways(client, report)
    await _release(client, report)
    await cluster_objects.delete(client, await _services(client), report)
    for kind in (CLASSES, INGRESS_CLASSES):
        await cluster_objects.delete(client, [_named(kind, one) for one in await _labelled(client, kind)], report)


async def _release_gateways(client: Client, report: Report) -> None:
    """Give Gateways of this controller's classes the status of those that no controller has seen."""
    classes = await _listed(client, GATEWAY_CLASSES)
    own = {one.metadata.name for one in classes if one.spec.controller_name == CONTROLLER_NAME}
    for gateway in await _listed(client, GATEWAYS):
        if gateway.spec.gateway_class_name in own and _is_served(gateway):
            status = {"addresses": None, "listeners": None, "attachedListenerSets": None, "conditions": WAITING}
            await client.patch(GATEWAYS, gateway.key, {"status": status}, "status")
            report(f"gateway {gateway.key} has no address any more")


def _is_served(gateway: Gateway) -> bool:
    """Whether a controller wrote its status."""
    return bool(gateway.status.addresses) or any(one.status != "Unknown" for one in gateway.status.conditions)


async def _release(client: Client, report: Report) -> None:
    """Take from Ingresses the addresses of the Service that is deleted next."""
    services = (await client.list(SERVICES, PROXIES)).items
    addresses = ingress_front.addresses_of(next((one for one in services if one.key == ingress_front.KEY), None))
    for item in (await client.list(INGRESSES)).items if addresses else ():
        if item.status.load_balancer.ingress and not ingress_front.status(item, addresses):
            await client.patch(INGRESSES, item.key, {"status": ingress_front.status(item, ())}, "status")
            report(f"ingress {item.key} has no address any more")


async def _services(client: Client) -> list[Manifest]:
    """The Services of Gateways and of Ingresses.

    Other controllers label those of Gateways in the same way, but not the slices of podwire's.
    """
    of_ingresses = (await client.list(SERVICES, PROXIES, labelSelector=f"{MANAGER_LABEL}={NAME}")).items
    slices = (await client.list(ENDPOINT_SLICES, labelSelector=OWN_SLICES)).items
    keys = {(one.metadata.namespace, one.metadata.labels.get(SERVICE_NAME_LABEL, "")) for one in slices}
    of_gateways = [(namespace, name) for namespace, name in sorted(keys) if name and namespace != PROXIES]
    return [
        *(manifest(SERVICES, name, {}, namespace=namespace) for namespace, name in of_gateways),
        *(_named(SERVICES, one) for one in of_ingresses),
    ]


def _named(kind: Kind[Any], one: Object) -> Manifest:
    return manifest(kind, one.metadata.name, {}, namespace=one.metadata.namespace)


async def _labelled(client: Client, kind: Kind[Object]) -> list[Object]:
    """The classes that the installation made."""
    return await _listed(client, kind, labelSelector=f"{NAME_LABEL}={NAME}")


async def _listed(client: Client, kind: Kind[ObjectT], **parameters: str) -> list[ObjectT]:
    """All objects of a kind; none where it is not installed."""
    try:
        return (await client.list(kind, **parameters)).items
    except ApiError as error:
        if error.code == 404:
            return []
        raise


async def _controllers_gone(client: Client) -> bool:
    return not await pods_of(client, gateway_deployment.COMPONENT)


async def _envoys_gone(client: Client) -> bool:
    return not (await client.list(POD_STATES, PROXIES, labelSelector=ENVOYS)).items
