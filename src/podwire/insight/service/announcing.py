"""Which node announces each load balancer address of a Service, by the model that the agents use. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from podwire.announcement import model
from podwire.announcement.view import AnnouncementView
from podwire.insight.service.objects import ServiceObjects
from podwire.kube.addresses import canonical
from podwire.kube.local_endpoints import needs_local_endpoints
from podwire.kube.services import Service
from podwire.kube.watch import Change


def announcers(objects: ServiceObjects, ranges: Sequence[str]) -> Mapping[str, str]:
    """Return the node by address, for addresses in these ranges; empty where no node may announce it."""
    view = AnnouncementView(tuple(map(ipaddress.ip_network, ranges)), lambda: objects.slices)
    for node in objects.nodes:
        view.node_changed(Change(None, node))
    for service in _sharing(objects):
        view.service_changed(Change(None, service))
    return {str(address): model.elected(address, view.electorate(address)) for address in view.addresses}


def _sharing(objects: ServiceObjects) -> list[Service]:
    """The Service, and those that share one of its addresses with the policy Cluster.

    What others with the policy Local need is not known, as their slices are not read.
    """
    own = _addresses(objects.service)
    others = [one for one in objects.services if one.key != objects.service.key and own & _addresses(one)]
    return [objects.service, *(one for one in others if not needs_local_endpoints(one))]


def _addresses(service: Service) -> frozenset[str]:
    return frozenset(canonical(one.ip) for one in service.status.load_balancer.ingress)
