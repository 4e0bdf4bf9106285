"""Tables of Services, endpoints, ingresses, policies. Source: k8s.io/kubernetes `pkg/printers/internalversion`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.apiserver.kinds.layout import AGE, NAME, SELECTOR, Cell, Column, Layout
from podwire.apiserver.reads.columns import texts

if TYPE_CHECKING:
    from datetime import datetime

    from podwire.apiserver.base.field_path import Field


def _service(obj: Field, now: datetime) -> tuple[Cell, ...]:
    spec = obj["spec"]
    addresses = spec["clusterIPs"].value or [texts.NONE]
    return (
        texts.name(obj),
        spec["type"].text,
        addresses[0],
        _external(obj),
        ",".join(_port(port) for port in spec["ports"]) or texts.NONE,
        texts.age(obj, now),
        texts.labels(spec["selector"]),
    )


def _external(obj: Field) -> str:
    spec = obj["spec"]
    outside = spec["externalIPs"].value or []
    match spec["type"].text:
        case "ExternalName":
            return spec["externalName"].text
        case "LoadBalancer":
            given = _points(obj)
            return ",".join([*([given] if given else []), *outside]) or "<pending>"
        case _:
            return ",".join(outside) or texts.NONE


def _points(obj: Field) -> str:
    """The addresses or names at which a load balancer or ingress answers."""
    points = obj["status"]["loadBalancer"]["ingress"]
    return ",".join(sorted({point["ip"].text or point["hostname"].text for point in points}))


def _port(port: Field) -> str:
    node_port = f":{port['nodePort'].number}" if port["nodePort"] else ""
    return f"{port['port'].number}{node_port}/{port['protocol'].text}"


def _endpoints(obj: Field, now: datetime) -> tuple[Cell, ...]:
    entries = []
    for subset in obj["subsets"]:
        ports = [port["port"].number for port in subset["ports"]]
        addresses = [address["ip"].text for address in subset["addresses"]]
        entries += [_join(address, port) for port in ports for address in addresses] if ports else addresses
    return texts.name(obj), texts.some(entries, nothing=texts.NONE), texts.age(obj, now)


def _join(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _slice(obj: Field, now: datetime) -> tuple[Cell, ...]:
    ports = [str(port["port"].value or port["name"].text or "*") for port in obj["ports"]]
    addresses = [address.text for endpoint in obj["endpoints"] for address in endpoint["addresses"]]
    return texts.name(obj), obj["addressType"].text, texts.some(ports), texts.some(addresses), texts.age(obj, now)


def _ingress(obj: Field, now: datetime) -> tuple[Cell, ...]:
    spec = obj["spec"]
    hosts = [rule["host"].text for rule in spec["rules"] if rule["host"]]
    return (
        texts.name(obj),
        spec["ingressClassName"].text or texts.NONE,
        texts.some(hosts, nothing="*"),
        _points(obj),
        "80, 443" if spec["tls"] else "80",
        texts.age(obj, now),
    )


def _ingress_class(obj: Field, now: datetime) -> tuple[Cell, ...]:
    parameters = obj["spec"]["parameters"]
    group = f".{parameters['apiGroup'].text}" if parameters["apiGroup"].given else ""
    shown = f"{parameters['kind'].text}{group}/{parameters['name'].text}" if parameters.given else texts.NONE
    return texts.name(obj), obj["spec"]["controller"].text, shown, texts.age(obj, now)


def _network_policy(obj: Field, now: datetime) -> tuple[Cell, ...]:
    return texts.name(obj), texts.selector(obj["spec"]["podSelector"]), texts.age(obj, now)


def _service_cidr(obj: Field, now: datetime) -> tuple[Cell, ...]:
    return texts.name(obj), ",".join(obj["spec"]["cidrs"].value or ()), texts.age(obj, now)


def _ip_address(obj: Field, _now: datetime) -> tuple[Cell, ...]:
    parent = obj["spec"]["parentRef"]
    kind = ".".join(filter(None, (parent["resource"].text, parent["group"].text))).lower()
    parts = [kind, parent["namespace"].text, parent["name"].text]
    return texts.name(obj), "/".join(part for part in parts if part) or texts.NONE


SERVICES = Layout(
    (
        NAME,
        Column("Type", description="How the Service is reached."),
        Column("Cluster-IP", description="The Service's address inside the cluster."),
        Column("External-IP", description="Addresses at which clients outside reach the Service."),
        Column("Port(s)", description="The ports that the Service exposes."),
        AGE,
        SELECTOR,
    ),
    _service,
)
ENDPOINTS = Layout((NAME, Column("Endpoints", description="Addresses and ports of ready endpoints."), AGE), _endpoints)
ENDPOINT_SLICES = Layout(
    (
        NAME,
        Column("AddressType", description="The family of the addresses."),
        Column("Ports", description="The ports of each endpoint."),
        Column("Endpoints", description="The addresses of the endpoints."),
        AGE,
    ),
    _slice,
)
INGRESSES = Layout(
    (
        NAME,
        Column("Class", description="The name of the IngressClass that serves this Ingress."),
        Column("Hosts", description="Hosts that incoming requests are matched against before the ingress rule"),
        Column("Address", description="Address is a list containing ingress points for the load-balancer"),
        Column("Ports", description="Ports of TLS configurations that open"),
        AGE,
    ),
    _ingress,
)
INGRESS_CLASSES = Layout(
    (
        NAME,
        Column("Controller", description="Controller that is responsible for handling this class"),
        Column("Parameters", description="A reference to a resource with additional parameters"),
        AGE,
    ),
    _ingress_class,
)
NETWORK_POLICIES = Layout(
    (NAME, Column("Pod-Selector", description="The pods to which the policy applies."), AGE), _network_policy
)
SERVICE_CIDRS = Layout((NAME, Column("CIDRs", description="The ranges of Service addresses."), AGE), _service_cidr)
IP_ADDRESSES = Layout((NAME, Column("ParentRef", description="The object that holds the address.")), _ip_address)
