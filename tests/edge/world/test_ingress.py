"""Ingresses of one world, from objects to answers: paths, rewrites, TLS, redirects, canaries, protection, events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from podwire.pki.certificates import Authority
from podwire.testing import World
from tests.edge.ingress.objects import PREFIX, backend, path
from tests.edge.world import gateways
from tests.edge.world.gateways import PATIENCE_SECONDS, Object, answered, apply, get, workload
from tests.world.harness import eventually

SECURE = "secure.example.com"
PASSWORD = {"Authorization": "Basic YWxpY2U6cGFzc3dvcmQ="}
WRONG = {"Authorization": "Basic YWxpY2U6d3Jvbmc="}
HASHES = "alice:$apr1$r31.....$ARC3pREO82RIm0aQ2zszC0"
USERS = "alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="


@dataclass(frozen=True)
class Front:
    """The world, and the addresses that its Ingresses report."""

    world: World
    ipv4: str
    ipv6: str


def ingress(name: str, host: str, *paths: Object, class_name: str = "nginx", tls: str = "", **notes: str) -> Object:
    """Return an Ingress; the names of annotations have underscores for hyphens."""
    annotations = {PREFIX + key.replace("_", "-"): value for key, value in notes.items()}
    spec: Object = {"rules": [{"host": host, "http": {"paths": list(paths)}}]}
    if class_name:
        spec["ingressClassName"] = class_name
    if tls:
        spec["tls"] = [{"hosts": [host], "secretName": tls}]
    metadata = {"name": name, "annotations": annotations}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}


def reported(world: World, name: str) -> tuple[str, ...]:
    """Return the addresses of an Ingress once it has some."""

    def found() -> tuple[str, ...]:
        item = json.loads(world.kubectl("get", "ingress", name, "-o", "json").stdout)
        entries: list[dict[str, Any]] = item.get("status", {}).get("loadBalancer", {}).get("ingress", [])
        assert entries, item
        return tuple(one["ip"] for one in entries)

    return eventually(found, PATIENCE_SECONDS, f"Ingress {name} has an address")


@pytest.fixture(scope="module")
def front(quarter: World) -> Iterator[Front]:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "users"}, "stringData": {"auth": USERS}}
    hashes = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hashes"}, "stringData": {"auth": HASHES}}
    new = path("/", "new")
    apply(
        quarter,
        *workload("web"),
        *workload("new"),
        secret,
        hashes,
        gateways.certificate("secure", Authority.create().server(names=(SECURE,), addresses=())),
        ingress("plain", "plain.example.com", path("/foo"), path("/gone", "missing"), class_name=""),
        ingress("wild", "*.wild.example.com", path("/"), class_name="podwire"),
        ingress("other", "other.example.com", path("/"), class_name="someone-elses"),
        ingress("rewrite", "rewrite.example.com", path("/api(/|$)(.*)"), rewrite_target="/$2"),
        ingress("secure", SECURE, path("/"), tls="secure", app_root="/start"),
        ingress("main", "canary.example.com", path("/")),
        ingress("canary", "canary.example.com", new, canary="true", canary_by_header="X-New"),
        ingress("users", "users.example.com", path("/"), auth_type="basic", auth_secret="users"),
        ingress("hashes", "hashes.example.com", path("/"), auth_type="basic", auth_secret="hashes"),
        ingress("nobody", "nobody.example.com", path("/"), auth_type="basic", auth_secret="absent"),
        ingress("ranges", "ranges.example.com", path("/"), denylist_source_range="0.0.0.0/0"),
        ingress("limits", "limits.example.com", path("/"), limit_rpm="2", limit_burst_multiplier="1"),
        ingress("snippet", "snippet.example.com", path("/"), configuration_snippet="return 200;"),
    )
    found = reported(quarter, "plain")
    quarter.wait(quarter.namespace)
    ipv4, ipv6 = (next(one for one in found if (":" in one) is six) for six in (False, True))
    yield Front(quarter, ipv4, ipv6)
    quarter.kubectl("delete", "ingresses", "--all")


def test_hosts_and_paths_lead_to_backends(front: Front) -> None:
    found = answered(
        front.world,
        [
            (get(front.ipv4, "plain.example.com", "/foo/bar"), "200"),
            (get(front.ipv6, "plain.example.com", "/foo"), "200"),
            (get(front.ipv4, "plain.example.com", "/foobar"), "404"),
            (get(front.ipv4, "plain.example.com", "/gone"), "503"),
            (get(front.ipv4, "a.wild.example.com"), "200"),
            (get(front.ipv4, "a.b.wild.example.com"), "404"),
            (get(front.ipv4, "other.example.com"), "404"),
            (get(front.ipv4, "rewrite.example.com", "/API/users?x=1"), "200"),
            (get(front.ipv4, "rewrite.example.com", "/else"), "404"),
        ],
    )
    assert "path: /foo/bar\n" in found[0].body
    assert "path: /users?x=1\n" in found[7].body


def test_tls_and_redirects(front: Front) -> None:
    answered(
        front.world,
        [
            (get(front.ipv4, SECURE, "/x"), "308"),
            (get(front.ipv4, SECURE, "/x", tls=True), "200"),
            (get(front.ipv6, SECURE, "/x", tls=True, h2=True), "200"),
            (get(front.ipv4, SECURE, "/", tls=True), "302"),
            (get(front.ipv4, "stranger.example.com", "/", tls=True), "404"),
        ],
    )


def test_a_header_chooses_the_canary(front: Front) -> None:
    new, old = {"X-New": "always"}, {"X-New": "never"}
    found = answered(
        front.world,
        [
            (get(front.ipv4, "canary.example.com", headers=new), "200"),
            (get(front.ipv4, "canary.example.com", headers=old), "200"),
        ],
    )
    assert "example.com/new" in found[0].body
    assert "example.com/web" in found[1].body


def test_users_ranges_and_limits(front: Front) -> None:
    found = answered(
        front.world,
        [
            (get(front.ipv4, "users.example.com"), "401"),
            (get(front.ipv4, "users.example.com", headers=WRONG), "401"),
            (get(front.ipv4, "users.example.com", headers=PASSWORD), "200"),
            (get(front.ipv4, "hashes.example.com", headers=PASSWORD), "200"),
            (get(front.ipv4, "hashes.example.com", headers=WRONG), "401"),
            (get(front.ipv4, "nobody.example.com", headers=PASSWORD), "503"),
            (get(front.ipv4, "ranges.example.com"), "403"),
            (get(front.ipv6, "ranges.example.com"), "200"),
        ],
    )
    assert "authorization" not in found[2].body.lower()
    limited = [one.answer for one in gateways.replies(front.world, *[get(front.ipv4, "limits.example.com")] * 6)]
    assert limited[0] == "200"
    assert set(limited) == {"200", "503"}  # a minute that begins meanwhile lets two more through


def test_what_is_not_honoured_is_an_event(front: Front) -> None:
    def reasons() -> set[tuple[str, str]]:
        items = json.loads(front.world.kubectl("get", "events", "-o", "json").stdout)["items"]
        found = {(one["involvedObject"]["name"], one["reason"]) for one in items}
        wanted = {("snippet", "UnsupportedAnnotation"), ("plain", "ServiceNotFound"), ("nobody", "InvalidAuthSecret")}
        assert wanted <= found, found
        return found

    assert ("rewrite", "UnsupportedAnnotation") not in eventually(reasons, PATIENCE_SECONDS, "events of Ingresses")


def test_changes_are_followed(front: Front) -> None:
    apply(front.world, ingress("rewrite", "rewrite.example.com", {**path("/v2"), "backend": backend("new")}))
    answered(
        front.world,
        [
            (get(front.ipv4, "rewrite.example.com", "/v2"), "200"),
            (get(front.ipv4, "rewrite.example.com", "/api/users"), "404"),
        ],
    )
    options = ("configmap", "ingress", "--namespace=podwire-system")
    front.world.kubectl("create", *options, "--from-literal=http-redirect-code=301", "--from-literal=hst=true")
    try:
        answered(front.world, [(get(front.ipv4, SECURE, "/x"), "301")])
    finally:
        front.world.kubectl("delete", *options)
    answered(front.world, [(get(front.ipv4, SECURE, "/x"), "308")])
    front.world.kubectl("delete", "ingress", "rewrite")
    answered(front.world, [(get(front.ipv4, "rewrite.example.com", "/v2"), "404")])
