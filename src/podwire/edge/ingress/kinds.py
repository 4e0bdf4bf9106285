"""Ingress and IngressClass of `networking.k8s.io/v1`. Source: k8s.io/api `networking/v1/types.go`."""

from __future__ import annotations

from podwire.kube.kinds import Kind
from podwire.kube.meta import Object, Struct

CLASS_ANNOTATION = "kubernetes.io/ingress.class"


class ServiceBackendPort(Struct, frozen=True):
    """A port of a Service by its name or number: one of them is set."""

    name: str = ""
    number: int = 0

    def __str__(self) -> str:
        return self.name or str(self.number)


class IngressServiceBackend(Struct, frozen=True):
    """A port of a Service of the Ingress's namespace."""

    name: str = ""
    port: ServiceBackendPort = ServiceBackendPort()


class TypedReference(Struct, frozen=True):
    """An object of the Ingress's namespace."""

    api_group: str = ""
    kind: str = ""
    name: str = ""


class IngressBackend(Struct, frozen=True):
    """A Service or another object: one of them is set."""

    service: IngressServiceBackend | None = None
    resource: TypedReference | None = None


class HTTPIngressPath(Struct, frozen=True):
    """A path; `path_type` is Exact, Prefix or ImplementationSpecific."""

    path: str = ""
    path_type: str = "ImplementationSpecific"
    backend: IngressBackend = IngressBackend()


class HTTPIngressRuleValue(Struct, frozen=True):
    """The paths of a host."""

    paths: tuple[HTTPIngressPath, ...] = ()


class IngressRule(Struct, frozen=True):
    """The paths of a host; an empty host is any that no other rule names."""

    host: str = ""
    http: HTTPIngressRuleValue | None = None


class IngressTLS(Struct, frozen=True):
    """A certificate for these hosts; without a Secret's name the default certificate."""

    hosts: tuple[str, ...] = ()
    secret_name: str = ""


class IngressSpec(Struct, frozen=True):
    """The desired state."""

    ingress_class_name: str | None = None
    default_backend: IngressBackend | None = None
    tls: tuple[IngressTLS, ...] = ()
    rules: tuple[IngressRule, ...] = ()


class IngressPortStatus(Struct, frozen=True):
    """A port of an address; `error` is a name of a controller, `/` and a reason."""

    port: int = 0
    protocol: str = "TCP"
    error: str = ""


class IngressLoadBalancerIngress(Struct, frozen=True):
    """An address under which the Ingress is reached."""

    ip: str = ""
    hostname: str = ""
    ports: tuple[IngressPortStatus, ...] = ()


class IngressLoadBalancerStatus(Struct, frozen=True):
    """All addresses."""

    ingress: tuple[IngressLoadBalancerIngress, ...] = ()


class IngressStatus(Struct, frozen=True):
    """What the controller writes."""

    load_balancer: IngressLoadBalancerStatus = IngressLoadBalancerStatus()


class Ingress(Object, frozen=True):
    """Rules from hosts and paths to Services."""

    spec: IngressSpec = IngressSpec()
    status: IngressStatus = IngressStatus()

    @property
    def class_name(self) -> str:
        """The class: the older annotation is read where the field is absent; empty: none."""
        if self.spec.ingress_class_name is not None:
            return self.spec.ingress_class_name
        return self.metadata.annotations.get(CLASS_ANNOTATION, "")


class IngressClassSpec(Struct, frozen=True):
    """Which controller serves the class."""

    controller: str = ""


class IngressClass(Object, frozen=True):
    """A class of Ingresses."""

    spec: IngressClassSpec = IngressClassSpec()


INGRESSES = Kind("networking.k8s.io/v1", "Ingress", "ingresses", Ingress)
INGRESS_CLASSES = Kind("networking.k8s.io/v1", "IngressClass", "ingressclasses", IngressClass, namespaced=False)
