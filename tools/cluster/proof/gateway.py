"""A Gateway under traffic while its controllers and Envoys end: no request is lost, and status goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tools.cluster import agents, enter
from tools.cluster.api import wait
from tools.cluster.layout import OUTSIDE
from tools.cluster.proof.disturbances import LEAST_REQUESTS, described
from tools.cluster.proof.subject import Subject
from tools.cluster.traffic import NAMESPACE, Traffic

PART = "gateway"
SECONDS = 120.0
GATEWAY, CLASS, HOST = "public", "podwire", "late.example.com"
CONTROLLERS = ("-n", "kube-system", "pods", "-l", "k8s-app=podwire-gateway-controller")
ENVOYS = ("-n", "podwire-system", "pods", "-l", f"gateway.podwire.io/proxy={CLASS}")
LEASE = ("-n", "podwire-system", "lease", "podwire-gateway-controller")
API = "gateway.networking.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What is done, in words and as a function."""

    name: str
    act: Callable[[Subject], None]


def targets(subject: Subject) -> tuple[str, ...]:
    """Make the Gateway and its route; return what clients send to, when both are served. Raises NotReadyError."""
    listener = {"name": "http", "protocol": "HTTP", "port": 80}
    _apply(subject, "Gateway", GATEWAY, {"gatewayClassName": CLASS, "listeners": [listener]})
    _apply(subject, "HTTPRoute", "all", _route())
    seconds = wait("the Gateway is programmed", SECONDS, lambda: _programmed(subject)[0] == "True", poll=0.5)
    subject.report(f"the Gateway is programmed after {seconds:.1f} s")
    return tuple(f"{kind}={_bracketed(one)}:80" for one in _addresses(subject) for kind in ("new", "kept"))


def run(subject: Subject, traffic: Traffic) -> None:
    """Do each of the disturbances, with a check of what was lost and of a route that is added then."""
    outside = _outside(subject, "server")
    subject.check(PART, "a request from a host that is no node", outside, outside == "200")
    traffic.take()
    for number, one in enumerate(disturbances()):
        since = _programmed(subject)
        one.act(subject)
        host = f"{number}.{HOST}"
        _apply(subject, "HTTPRoute", f"late-{number}", _route(host))
        seconds = wait(f"route {host} is served", SECONDS, partial(_is_served, subject, host), poll=0.2)
        settled = subject.settle()
        counts = traffic.take_after(LEAST_REQUESTS)
        seen = f"{described(counts)}; a new route is served {seconds:.1f} s later, all well after {settled:.1f} s more"
        kept = _programmed(subject) == since
        seen = f"{seen}; the Gateway {'stayed' if kept else 'did not stay'} Programmed"
        accepted = _accepted(subject, f"late-{number}")
        subject.check(PART, one.name, f"{seen}; its status: {accepted}", counts.lost == 0 and kept and accepted)


def disturbances() -> tuple[Disturbance, ...]:
    """All of them, in order."""
    return (
        Disturbance("kill -9 of the controller that leads", _kill_leader),
        Disturbance("deletion of the pod of the controller that leads", _delete_leader),
        Disturbance("kill -9 of all controllers", _kill_controllers),
        Disturbance("deletion of an Envoy's pod", _delete_envoy),
    )


def _kill_leader(subject: Subject) -> None:
    (leader,) = agents.running(
        subject.kubectl, "gateway-controller", *CONTROLLERS, f"--field-selector=metadata.name={_leader(subject)}"
    )
    agents.kill(subject.record, leader)


def _delete_leader(subject: Subject) -> None:
    before = _leader(subject)
    subject.kubectl("delete", "pod", "-n", "kube-system", before, "--wait=false")
    wait("another controller leads", SECONDS, lambda: _leader(subject) not in {"", before})


def _kill_controllers(subject: Subject) -> None:
    for one in agents.running(subject.kubectl, "gateway-controller", *CONTROLLERS):
        agents.kill(subject.record, one)


def _delete_envoy(subject: Subject) -> None:
    names = subject.kubectl("get", *ENVOYS, "-o", "jsonpath={.items[*].metadata.name}").split()
    subject.kubectl("delete", "pod", "-n", "podwire-system", names[0], "--wait=true", f"--timeout={SECONDS:.0f}s")


def _leader(subject: Subject) -> str:
    return subject.kubectl("get", *LEASE, "-o", "jsonpath={.spec.holderIdentity}").strip()


def _programmed(subject: Subject) -> tuple[str, str]:
    """The condition Programmed, and since when it is so."""
    status = json.loads(subject.kubectl("get", "gateway", GATEWAY, "-n", NAMESPACE, "-o", "json")).get("status", {})
    conditions = status.get("conditions") or ()
    found = ((one["status"], one["lastTransitionTime"]) for one in conditions if one["type"] == "Programmed")
    return next(found, ("", ""))


def _accepted(subject: Subject, name: str) -> bool:
    status = json.loads(subject.kubectl("get", "httproute", name, "-n", NAMESPACE, "-o", "json")).get("status", {})
    conditions = [one for parent in status.get("parents", ()) for one in parent["conditions"]]
    return any((one["type"], one["status"]) == ("Accepted", "True") for one in conditions)


def _addresses(subject: Subject) -> list[str]:
    path = "jsonpath={.status.addresses[*].value}"
    return subject.kubectl("get", "gateway", GATEWAY, "-n", NAMESPACE, "-o", path).split()


def _outside(subject: Subject, host: str) -> str:
    """The status of a request with this host from outside of all nodes; 000 where there is none."""
    address = _addresses(subject)[0]
    words = (
        f"curl -s -o /dev/null -w %{{http_code}} --max-time 5 -H 'Host: {host}' http://{_bracketed(address)}/ || true"
    )
    return enter.run(subject.layout, OUTSIDE, "sh", "-c", words)


def _is_served(subject: Subject, host: str) -> bool:
    return _outside(subject, host) == "200"


def _route(*hosts: str) -> dict[str, Any]:
    rule = {"backendRefs": [{"name": "server", "port": 80}]}
    return {"parentRefs": [{"name": GATEWAY}], "rules": [rule], **({"hostnames": list(hosts)} if hosts else {})}


def _apply(subject: Subject, kind: str, name: str, spec: dict[str, Any]) -> None:
    body = {"apiVersion": API, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}
    subject.kubectl("apply", "-f", "-", text=json.dumps(body))


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
