"""Objects of a Gateway in a world, and calls of clients outside of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from podwire.pki.certificates import KeyPair
from tests.edge.world.call_program import Call, Reply
from tests.edge.world.evidence import evidence
from tests.edge.world.http_clients import Target
from tests.edge.world.programs import words
from tests.world.harness import World, eventually

GROUP = "gateway.networking.k8s.io"
PATIENCE_SECONDS = 60.0

Object = dict[str, Any]


def workload(name: str, replicas: int = 1, port: int = 8080) -> tuple[Object, ...]:
    """Return a Deployment of stand-ins and its Service with port 80."""
    container: Object = {"name": name, "image": f"example.com/{name}", "ports": [{"containerPort": port}]}
    container["readinessProbe"] = {"tcpSocket": {"port": port}, "periodSeconds": 1}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
    return deployment, service(name, app=name, port=port)


def service(name: str, *, app: str = "", port: int = 8080, protocol: str = "") -> Object:
    """Return a Service; one without `app` has no endpoints."""
    named = {"name": "main", "port": 80, "targetPort": port, **({"appProtocol": protocol} if protocol else {})}
    spec = {"selector": {"app": app or "nothing"}, "ports": [named]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def gateway(name: str, *listeners: Object, **spec: Any) -> Object:
    """Return a Gateway."""
    whole = {"gatewayClassName": "podwire", "listeners": list(listeners), **spec}
    return {"apiVersion": f"{GROUP}/v1", "kind": "Gateway", "metadata": {"name": name}, "spec": whole}


def http(port: int = 80) -> Object:
    """Return a listener."""
    return {"name": f"http-{port}", "protocol": "HTTP", "port": port}


def https(hostname: str, secret: str, port: int = 443) -> Object:
    """Return a listener that ends TLS."""
    tls = {"certificateRefs": [{"name": secret}]}
    return {"name": hostname.replace("*", "any"), "protocol": "HTTPS", "port": port, "hostname": hostname, "tls": tls}


def certificate(name: str, pair: KeyPair) -> Object:
    """Return a Secret."""
    data = {"tls.crt": pair.certificate.decode(), "tls.key": pair.key.decode()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "kubernetes.io/tls",
        "stringData": data,
    }


def route(name: str, parent: str, host: str, *rules: Object, kind: str = "HTTPRoute") -> Object:
    """Return a route with one parent and one hostname."""
    spec = {"parentRefs": [{"name": parent}], "hostnames": [host], "rules": list(rules)}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def rule(path: str, *backends: str, namespace: str = "", port: int = 80) -> Object:
    """Return a rule that sends a prefix to Services of one weight."""
    other = {"namespace": namespace} if namespace else {}
    refs = [{"name": one, "port": port, **other} for one in backends]
    return {"matches": [{"path": {"type": "PathPrefix", "value": path}}], "backendRefs": refs}


def grant(namespace: str, *, kind: str = "HTTPRoute") -> Object:
    """Return a ReferenceGrant for the routes of a namespace to Services."""
    spec = {"from": [{"group": GROUP, "kind": kind, "namespace": namespace}], "to": [{"group": "", "kind": "Service"}]}
    return {"apiVersion": f"{GROUP}/v1", "kind": "ReferenceGrant", "metadata": {"name": "routes"}, "spec": spec}


def apply(world: World, *objects: Object) -> None:
    """Apply objects in the namespace of this view of the world."""
    world.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))


def addresses(world: World, name: str) -> tuple[str, ...]:
    """Return the addresses of a Gateway once it is programmed."""

    def found() -> tuple[str, ...]:
        status = json.loads(world.kubectl("get", "gateway", name, "-o", "json").stdout).get("status", {})
        conditions = {one["type"]: one["status"] for one in status.get("conditions", ())}
        assert conditions.get("Programmed") == "True", status
        return tuple(one["value"] for one in status["addresses"])

    return eventually(found, PATIENCE_SECONDS, f"Gateway {name} is programmed")


def replies(world: World, *calls: Call) -> list[Reply]:
    """Make calls from the outside host, one after the other."""
    program = words("call_program", msgspec.json.encode(calls).decode())
    done = world.run_in("outside", *program, timeout=PATIENCE_SECONDS * 2)
    return msgspec.json.decode(done.stdout, type=list[Reply])


def answered(world: World, wanted: Sequence[tuple[Call, str]]) -> list[Reply]:
    """Return the replies once every call has the wanted answer. Raises AssertionError with what differs, and why."""

    def found() -> list[Reply]:
        got = replies(world, *(call for call, _ in wanted))
        wrong = [
            (call, answer, reply) for (call, answer), reply in zip(wanted, got, strict=True) if reply.answer != answer
        ]
        assert not wrong, wrong
        return got

    try:
        return eventually(found, PATIENCE_SECONDS, "the answers of a Gateway")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{evidence(world)}") from None


def get(address: str, host: str, path: str = "/", **more: Any) -> Call:
    """Return a call of HTTP to port 80, or 443 with TLS."""
    port = 443 if more.get("tls") else 80
    return Call("http", Target(address, more.pop("port", port), host, path, **more))
