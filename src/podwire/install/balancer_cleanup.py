"""Load balancers without their controller: Services keep neither an address that is not announced nor a finalizer."""

from __future__ import annotations

from podwire.controllers.balancers.local_cloud import LOCAL_CLASS
from podwire.controllers.balancers.service_controller import FINALIZER
from podwire.install.cluster_objects import Report
from podwire.kube.client import ApiError, Client
from podwire.kube.kinds import SERVICES
from podwire.kube.services import Service


async def release(client: Client, report: Report) -> None:
    """Take addresses and finalizer from the Services that podwire's controller served. Call it when none runs."""
    for service in (await client.list(SERVICES)).items:
        if not is_served(service):
            continue
        kept = [one for one in service.metadata.finalizers if one != FINALIZER]
        try:
            await client.patch(SERVICES, service.key, {"status": {"loadBalancer": None}}, "status")
            await client.patch(SERVICES, service.key, {"metadata": {"finalizers": kept or None}})
        except ApiError as error:
            if error.code != 404:
                raise
            continue
        report(f"service {service.key} has no load balancer any more")


def is_served(service: Service) -> bool:
    """Whether podwire's controller gave it a load balancer."""
    return service.spec.load_balancer_class in {None, LOCAL_CLASS} and FINALIZER in service.metadata.finalizers
