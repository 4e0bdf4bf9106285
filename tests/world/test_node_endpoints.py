"""What the agent of a node answers on kube-proxy's ports: to the node itself, to its neighbour, to a load balancer."""

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from podwire.testing import World
from tests.world.harness import eventually


def curl(world: World, url: str, where: str = "node-1") -> tuple[int, str]:
    """Status and body; 0 where nobody answers."""
    result = world.run_in(where, "curl", "-s", "-m", "30", "-w", "\n%{http_code}", url, check=False)
    body, _, code = result.stdout.rpartition("\n")
    return int(code), body


def value(world: World, name: str) -> float:
    families = text_string_to_metric_families(curl(world, "http://127.0.0.1:10249/metrics")[1])
    return float(next(sample.value for family in families for sample in family.samples if sample.name == name))


@pytest.mark.parametrize("where", ["node-1", "node-2", "outside"])
def test_load_balancers_read_the_health_of_a_node(quarter: World, where: str) -> None:
    for address in ("172.18.0.2", "[fd00:172:18::2]"):
        code, body = curl(quarter, f"http://{address}:10256/healthz", where)
        assert (code, json.loads(body)["nodeEligible"]) == (200, True)
        assert curl(quarter, f"http://{address}:10256/livez", where)[0] == 200
        assert curl(quarter, f"http://{address}:10256/readyz", where)[0] == 200


def test_the_node_itself_reads_the_mode_and_others_do_not(quarter: World) -> None:
    assert curl(quarter, "http://127.0.0.1:10249/proxyMode") == (200, "nftables")
    assert curl(quarter, "http://172.18.0.2:10249/proxyMode", "node-2") == (0, "")


def test_a_change_of_a_service_is_counted_and_applied(quarter: World) -> None:
    total = "kubeproxy_sync_proxy_rules_service_changes_total"
    before, synced = value(quarter, total), value(quarter, "kubeproxy_sync_proxy_rules_duration_seconds_count")
    quarter.kubectl("create", "service", "clusterip", "counted", "--tcp=80")

    def applied() -> bool:
        pending = value(quarter, "kubeproxy_sync_proxy_rules_service_changes_pending")
        writes = value(quarter, "kubeproxy_sync_proxy_rules_duration_seconds_count")
        return value(quarter, total) > before and pending == 0 and writes > synced

    eventually(applied)


def test_a_node_that_is_being_removed_gets_no_connections_of_load_balancers(quarter: World) -> None:
    taint = "ToBeDeletedByClusterAutoscaler"
    quarter.kubectl("taint", "node", "node-2", f"{taint}=now:PreferNoSchedule")
    try:
        eventually(lambda: curl(quarter, "http://127.0.0.1:10256/healthz", "node-2")[0] == 503)
        assert curl(quarter, "http://127.0.0.1:10256/livez", "node-2")[0] == 200
    finally:
        quarter.kubectl("taint", "node", "node-2", f"{taint}-")
    eventually(lambda: curl(quarter, "http://127.0.0.1:10256/healthz", "node-2")[0] == 200)
