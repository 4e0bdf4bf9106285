"""What a Service requests of the local cloud: the kind of load balancer, its families, addresses and sharing. Pure.

Annotations of clouds: Amazon (kubernetes-sigs/aws-load-balancer-controller, guide/service/annotations), Google (GKE,
"Internal LoadBalancer Services"), Azure (cloud-provider-azure, "LoadBalancer annotations"). Sharing: MetalLB,
"IP address sharing".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from podwire.controllers.balancers.provider import BalancerError
from podwire.kube.addresses import IPAddress, usable
from podwire.kube.meta import NamespacedName
from podwire.kube.services import BALANCER_IPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from podwire.kube.services import Service

ALLOW_SHARED_IP = "podwire.dev/allow-shared-ip"
AWS = "service.beta.kubernetes.io/aws-load-balancer-"
AWS_SCHEME = f"{AWS}scheme"
AWS_INTERNAL = f"{AWS}internal"
AWS_TYPE = f"{AWS}type"
AZURE_INTERNAL = "service.beta.kubernetes.io/azure-load-balancer-internal"
GKE_TYPES = ("networking.gke.io/load-balancer-type", "cloud.google.com/load-balancer-type")

_AWS_CONTROLLER_TYPES = frozenset({"external", "nlb-ip"})
"""Types that Amazon's own controller serves, which makes internal load balancers by default."""
_ALLOCATION_FAILED = "AllocationFailed"


class Sharing(msgspec.Struct, frozen=True):
    """What decides whether two Services may have one address.

    `key` is that of the annotation, `ports` are pairs of protocol and port, `backends` is the selector where
    externalTrafficPolicy is Local: a node without endpoints drops the traffic of both Services alike only then.
    """

    key: str = ""
    ports: frozenset[tuple[str, int]] = frozenset()
    backends: tuple[tuple[str, str], ...] = ()

    def conflict(self, other: Sharing) -> str:
        """Return why the two may not have one address; empty where they may."""
        if not self.key or not other.key:
            return f"not both Services have the annotation {ALLOW_SHARED_IP}"
        if self.key != other.key:
            return f"their annotations {ALLOW_SHARED_IP} differ"
        if common := self.ports & other.ports:
            return "both use port " + ", ".join(f"{port}/{protocol}" for protocol, port in sorted(common))
        if self.backends != other.backends:
            return "with externalTrafficPolicy Local both need it, and the same selector"
        return ""


class AddressRequest(msgspec.Struct, frozen=True):
    """What one Service requests. `uid` names its owner, `age` orders Services, the oldest first.

    With `partial` one family is enough where the subnet has no address of the other (ipFamilyPolicy PreferDualStack).
    `addresses` are those requested by name, at most one of each family.
    """

    uid: str
    service: NamespacedName
    age: tuple[str, str]
    families: tuple[str, ...]
    partial: bool = False
    internal: bool = False
    addresses: tuple[IPAddress, ...] = ()
    sharing: Sharing = Sharing()


def allocation_error(message: str) -> BalancerError:
    """Return the error of a request that no address can be given for."""
    return BalancerError(message, reason=_ALLOCATION_FAILED)


def request(service: Service) -> AddressRequest:
    """Return what the Service requests. Raises BalancerError where its fields contradict each other."""
    families = service.spec.ip_families or ("IPv4",)
    return AddressRequest(
        uid=service.metadata.uid,
        service=service.key,
        age=age(service),
        families=families,
        partial=service.spec.ip_family_policy == "PreferDualStack",
        internal=is_internal(service.metadata.annotations),
        addresses=_requested(service, families),
        sharing=_sharing(service),
    )


def age(service: Service) -> tuple[str, str]:
    """Return what orders Services by their age: the time of creation, then the uid."""
    return service.metadata.creation_timestamp or "", service.metadata.uid


def is_internal(annotations: Mapping[str, str]) -> bool:
    """Return whether the annotations of a cloud request an internal load balancer. Raises BalancerError."""
    scheme = annotations.get(AWS_SCHEME)
    if scheme not in {None, "internal", "internet-facing"}:
        raise allocation_error(f"annotation {AWS_SCHEME}: {scheme!r} is unknown; use internal or internet-facing")
    if scheme is not None:
        return scheme == "internal"
    if AWS_INTERNAL in annotations:
        return annotations[AWS_INTERNAL].lower() not in {"", "false"}
    if any(annotations.get(name, "").lower() == "internal" for name in GKE_TYPES):
        return True
    if annotations.get(AZURE_INTERNAL, "").lower() == "true":
        return True
    return annotations.get(AWS_TYPE) in _AWS_CONTROLLER_TYPES


def _sharing(service: Service) -> Sharing:
    local = service.spec.external_traffic_policy == "Local"
    return Sharing(
        key=service.metadata.annotations.get(ALLOW_SHARED_IP, ""),
        ports=frozenset((port.protocol, port.port) for port in service.spec.ports),
        backends=tuple(sorted(service.spec.selector.items())) if local else (),
    )


def _requested(service: Service, families: tuple[str, ...]) -> tuple[IPAddress, ...]:
    field, annotation = service.spec.load_balancer_ip, service.metadata.annotations.get(BALANCER_IPS, "")
    source = f"annotation {BALANCER_IPS}" if annotation else "spec.loadBalancerIP"
    found = tuple(_address(source, text.strip()) for text in (annotation or field).split(",") if text.strip())
    if annotation and field and _address("spec.loadBalancerIP", field) not in found:
        raise allocation_error(
            f"spec.loadBalancerIP {field} is not in the annotation {BALANCER_IPS}; remove one of them"
        )
    desired = [f"IPv{address.version}" for address in found]
    if len(set(desired)) < len(desired):
        raise allocation_error(f"{source}: two addresses of one family; request at most one of each")
    for address, family in zip(found, desired, strict=True):
        if family not in families:
            raise allocation_error(
                f"{source} {address}: the Service has no {family}; add it to spec.ipFamilies or request another address"
            )
    return found


def _address(source: str, text: str) -> IPAddress:
    address = usable(text)
    if address is None:
        raise allocation_error(f"{source}: {text!r} is not an IP address that a load balancer can have")
    return address
