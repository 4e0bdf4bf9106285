"""Services through the API: what the parts do together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from podwire.apiserver.main import running
from tests.apiserver.conftest import Files, Talk, configuration

SERVICES = "/api/v1/namespaces/default/services"
WEB = f"{SERVICES}/web"
MERGE = {"content_type": "application/merge-patch+json"}


def body(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}], **spec}}


async def change(talk: Talk, **spec: Any) -> dict[str, Any]:
    patched: dict[str, Any] = await talk.ok("PATCH", WEB, {"spec": spec}, **MERGE)
    return patched


async def test_the_type_changes_in_every_direction(talk: Talk) -> None:
    made = await talk.ok("POST", SERVICES, body())
    address = made["spec"]["clusterIP"]
    port = (await change(talk, type="NodePort"))["spec"]["ports"][0]["nodePort"]
    balanced = (await change(talk, type="LoadBalancer", externalTrafficPolicy="Local"))["spec"]
    assert balanced["ports"][0]["nodePort"] == port
    assert balanced["healthCheckNodePort"]
    assert balanced["allocateLoadBalancerNodePorts"] is True
    inside = (await change(talk, type="ClusterIP"))["spec"]
    assert inside["clusterIP"] == address
    assert "nodePort" not in inside["ports"][0]
    left = {"healthCheckNodePort", "externalTrafficPolicy", "allocateLoadBalancerNodePorts"}
    assert not left & inside.keys()
    named = (await change(talk, type="ExternalName", externalName="example.com"))["spec"]
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"} & named.keys()
    again = (await change(talk, type="NodePort", externalName=None))["spec"]
    assert again["clusterIPs"] == [again["clusterIP"]]
    assert again["ports"][0]["nodePort"]
    assert again["internalTrafficPolicy"] == "Cluster"


async def test_the_class_of_a_balancer_may_not_change_and_is_removed_with_the_type(talk: Talk) -> None:
    await talk.ok("POST", SERVICES, body(type="LoadBalancer", loadBalancerClass="example.com/a"))
    code, _, message = await talk.refused("PATCH", WEB, {"spec": {"loadBalancerClass": "example.com/b"}}, **MERGE)
    assert code == 422
    assert 'spec.loadBalancerClass: Invalid value: "example.com/b": may not change once set' in message
    assert "loadBalancerClass" not in (await change(talk, type="NodePort"))["spec"]
    assert (await change(talk, type="LoadBalancer", loadBalancerClass="example.com/b"))["spec"]["loadBalancerClass"]


async def test_a_changed_address_is_refused_as_such(talk: Talk) -> None:
    await talk.ok("POST", SERVICES, body(clusterIP="10.96.0.8"))
    taken = {"spec": {"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"]}}
    assert await talk.refused("PATCH", WEB, taken, **MERGE) == (
        422,
        "Invalid",
        ('Service "web" is invalid: spec.clusterIPs[0]: Invalid value: ["10.96.0.1"]: may not change once set'),
    )


async def test_node_ports_are_refused_while_taken_and_free_after_the_delete(talk: Talk) -> None:
    wanted = body(type="NodePort", ports=[{"port": 80, "nodePort": 30080}])
    other = {**wanted, "metadata": {"name": "other"}}
    await talk.ok("POST", SERVICES, wanted)
    code, _, message = await talk.refused("POST", SERVICES, other)
    assert code == 422
    assert message.endswith("spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated")
    await talk.ok("DELETE", WEB)
    await talk.ok("POST", SERVICES, other)


async def test_a_dry_run_takes_no_node_port(talk: Talk) -> None:
    wanted = body(type="NodePort", ports=[{"port": 80, "nodePort": 30080}])
    await talk.ok("POST", f"{SERVICES}?dryRun=All", wanted)
    await talk.ok("POST", SERVICES, wanted)
    await talk.ok("PATCH", f"{WEB}?dryRun=All", {"spec": {"type": "ClusterIP"}}, **MERGE)
    code, _, _ = await talk.refused("POST", SERVICES, {**wanted, "metadata": {"name": "other"}})
    assert code == 422


@pytest_asyncio.fixture
async def narrow(files: Files) -> AsyncIterator[Talk]:
    """A server with one node port and external IPs."""
    async with running(configuration(files, node_port_range=(31000, 31000), allow_external_ips=True)) as server:
        yield Talk(server)


async def test_a_full_range_of_node_ports_is_the_servers_error(narrow: Talk) -> None:
    made = await narrow.ok("POST", SERVICES, body(type="NodePort"))
    assert made["spec"]["ports"][0]["nodePort"] == 31000
    assert await narrow.refused("POST", SERVICES, {**body(type="NodePort"), "metadata": {"name": "other"}}) == (
        500,
        "InternalError",
        "Internal error occurred: failed to allocate a nodePort: range is full",
    )


async def test_external_ips_are_refused(talk: Talk) -> None:
    assert await talk.refused("POST", SERVICES, body(externalIPs=["172.18.9.9"])) == (
        403,
        "Forbidden",
        'services "web" is forbidden: Use of external IPs is denied by admission control',
    )
    await talk.ok("POST", SERVICES, body())
    code, _, _ = await talk.refused("PATCH", WEB, {"spec": {"externalIPs": ["172.18.9.9"]}}, **MERGE)
    assert code == 403


async def test_external_ips_can_be_allowed(narrow: Talk) -> None:
    made = await narrow.ok("POST", SERVICES, body(externalIPs=["172.18.9.9"]))
    assert made["spec"]["externalTrafficPolicy"] == "Cluster"
    assert "externalTrafficPolicy" not in (await change(narrow, externalIPs=None))["spec"]


async def test_external_ips_that_were_allowed_may_stay_and_become_fewer(files: Files) -> None:
    database = str(files.folder / "store.db")
    async with running(configuration(files, database, allow_external_ips=True)) as server:
        await Talk(server).ok("POST", SERVICES, body(externalIPs=["172.18.9.8", "172.18.9.9"]))
    async with running(configuration(files, database)) as server:
        talk = Talk(server)
        await talk.ok("PATCH", WEB, {"metadata": {"labels": {"a": "b"}}}, **MERGE)
        await change(talk, externalIPs=["172.18.9.9"])
        code, _, _ = await talk.refused("PATCH", WEB, {"spec": {"externalIPs": ["172.18.9.9", "172.18.9.8"]}}, **MERGE)
        assert code == 403


async def test_the_status_of_a_balancer_has_a_mode_and_is_cleared_with_the_type(talk: Talk) -> None:
    await talk.ok("POST", SERVICES, body(type="LoadBalancer"))
    given = {"status": {"loadBalancer": {"ingress": [{"ip": "172.18.254.1"}]}}}
    stored = await talk.ok("PATCH", f"{WEB}/status", given, **MERGE)
    assert stored["status"]["loadBalancer"]["ingress"] == [{"ip": "172.18.254.1", "ipMode": "VIP"}]
    assert (await change(talk, type="ClusterIP"))["status"] == {"loadBalancer": {}}
    code, _, message = await talk.refused("PATCH", f"{WEB}/status", given, **MERGE)
    assert code == 422
    assert message.endswith(
        "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"
    )


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({"ip": "172.18.254.1", "ipMode": "Router"}, 'ipMode: Unsupported value: "Router"'),
        (
            {"hostname": "lb.example.com", "ipMode": "VIP"},
            "ipMode: Forbidden: may not be specified when `ip` is not set",
        ),
        ({"ip": "172.18.254.01"}, 'ip: Invalid value: "172.18.254.01": must not have leading 0s'),
        ({"hostname": "10.0.0.1"}, "must be a DNS name, not an IP address"),
    ],
)
async def test_wrong_points_of_a_balancer_are_refused(talk: Talk, point: dict[str, str], message: str) -> None:
    await talk.ok("POST", SERVICES, body(type="LoadBalancer"))
    given = {"status": {"loadBalancer": {"ingress": [point]}}}
    code, _, refusal = await talk.refused("PATCH", f"{WEB}/status", given, **MERGE)
    assert code == 422
    assert message in refusal


async def test_both_stacks_can_be_added_and_released(talk: Talk) -> None:
    made = await talk.ok("POST", SERVICES, body())
    both = (await change(talk, ipFamilyPolicy="RequireDualStack"))["spec"]
    assert both["clusterIPs"][0] == made["spec"]["clusterIP"]
    assert both["ipFamilies"] == ["IPv4", "IPv6"]
    code, _, message = await talk.refused("PATCH", WEB, {"spec": {"ipFamilies": ["IPv6", "IPv4"]}}, **MERGE)
    assert code == 422
    assert "spec.clusterIPs[0]" in message
    single = (await change(talk, ipFamilyPolicy="SingleStack"))["spec"]
    assert single["clusterIPs"] == both["clusterIPs"][:1]


async def test_an_external_name_with_an_address_is_refused_whatever_the_address(talk: Talk) -> None:
    for address in ("x", "10.96.0.9"):
        code, _, message = await talk.refused(
            "POST", SERVICES, body(type="ExternalName", externalName="example.com", clusterIP=address)
        )
        assert code == 422
        assert message.endswith("spec.clusterIPs: Forbidden: may not be set for ExternalName services")
    await talk.ok("POST", SERVICES, body(clusterIP="10.96.0.9"))
