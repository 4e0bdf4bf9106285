import ipaddress
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from podwire.agent import main
from podwire.agent.config import EVERYWHERE, AgentConfig
from podwire.announcement.bgp_settings import BgpPeer, BgpSettings
from podwire.cli import podwire
from podwire.pods.mode import Mode
from podwire.pods.model import Overlay

NEEDED = ("--server", "https://api:1", "--token-file", __file__, "--pod-cidrs", "10.244.0.0/16,fd00::/56")


def parsed(monkeypatch: pytest.MonkeyPatch, *arguments: str, **environment: str) -> AgentConfig | str:
    found: list[AgentConfig] = []
    monkeypatch.setattr(main, "main", found.append)
    result = CliRunner(env={"KUBECONFIG": None, **environment}).invoke(podwire, ["agent", *arguments])
    return found[0] if found else result.output


def test_the_flags_become_one_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    config = parsed(monkeypatch, *NEEDED, "--node-name", "a", "--service-cidrs", "10.96.0.0/16", "-vv")
    assert isinstance(config, AgentConfig)
    assert (config.node, config.service_ranges) == ("a", ("10.96.0.0/16",))
    assert config.cluster.ranges == tuple(map(ipaddress.ip_network, ("10.244.0.0/16", "fd00::/56")))
    assert config.cluster.overlay is None
    assert (config.healthz, config.metrics) == (EVERYWHERE, (("127.0.0.1", 10249),))
    assert (config.folder, config.log_format, config.verbosity) == (Path("/var/lib/podwire"), "text", 2)


def test_the_environment_serves_where_a_flag_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    environment: dict[str, Any] = {
        "NODE_NAME": "b",
        "PODWIRE_SERVICE_CIDRS": "10.96.0.0/16",
        "PODWIRE_OVERLAY": "vxlan",
        "PODWIRE_LOG_FORMAT": "json",
    }
    config = parsed(
        monkeypatch, *NEEDED, "--metrics-bind-address", "", "--healthz-bind-address", "[::1]:1", **environment
    )
    assert isinstance(config, AgentConfig)
    assert (config.node, config.cluster.overlay, config.log_format) == ("b", Overlay(), "json")
    assert (config.healthz, config.metrics) == ((("::1", 1),), ())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, ("primary",)),
        ("", ("primary",)),
        ("primary", ("primary",)),
        ("all", ("0.0.0.0/0", "::/0")),
        ("192.0.2.0/24,2001:db8::/64", ("192.0.2.0/24", "2001:db8::/64")),
        ("primary,192.0.2.7", ("primary", "192.0.2.7/32")),
    ],
)
def test_addresses_of_node_ports(monkeypatch: pytest.MonkeyPatch, given: str | None, expected: tuple[str, ...]) -> None:
    more = () if given is None else ("--nodeport-addresses", given)
    config = parsed(monkeypatch, *NEEDED, "--node-name", "a", "--service-cidrs", "10.96.0.0/16", *more)
    assert isinstance(config, AgentConfig)
    assert (config.nodeport_addresses, config.allow_external_ips) == (expected, False)


def test_a_config_map_sets_the_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs/reference/agent.md").read_text()
    text = "".join(line for line in page.splitlines(keepends=True) if line.startswith("    ")).partition(
        "kind: ConfigMap"
    )[2]
    data = yaml.safe_load(textwrap.dedent(text))["data"]
    config = parsed(monkeypatch, "--token-file", __file__, NODE_NAME="a", **data)
    assert isinstance(config, AgentConfig)
    assert (config.node, config.cluster.overlay, config.replace_kube_proxy) == ("a", Overlay(), True)
    assert config.service_ranges == ("10.96.0.0/16", "fd00:10:96::/112")


def test_external_ips_are_allowed_by_a_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    more = ("--node-name", "a", "--service-cidrs", "10.96.0.0/16", "--allow-external-ips")
    config = parsed(monkeypatch, *NEEDED, *more)
    assert isinstance(config, AgentConfig)
    assert config.allow_external_ips


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--service-cidrs", "10.96.0.0/16"), "--node-name"),
        (("--node-name", "a"), "--service-cidrs"),
        (("--node-name", "a", "--service-cidrs", "10.96.0.1/16"), "has host bits set"),
        (("--node-name", "a", "--service-cidrs", "10.96.0.0/16,10.97.0.0/16"), "at most one range of each family"),
        (("--node-name", "a", "--metrics-bind-address", "x"), "ADDRESS:PORT"),
        (("--node-name", "a", "--nodeport-addresses", "localhost"), "do not answer on loopback"),
        (("--node-name", "a", "--nodeport-addresses", "127.0.0.1/32"), "do not answer on loopback"),
        (("--node-name", "a", "--nodeport-addresses", "192.0.2.1/24"), "write primary, all, or ranges"),
    ],
)
def test_what_is_missing_or_wrong_is_named(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], problem: str
) -> None:
    answer = parsed(monkeypatch, *NEEDED, *arguments)
    assert isinstance(answer, str)
    assert problem in answer


BGP_NEEDED = (*NEEDED, "--node-name", "a", "--service-cidrs", "10.96.0.0/16")


def test_load_balancers_are_announced_in_given_ranges_and_by_bgp_to_given_peers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = parsed(monkeypatch, *BGP_NEEDED)
    assert isinstance(config, AgentConfig)
    assert (config.announce_ranges, config.bgp) == ((), None)
    ranges = ("--announce-cidrs", "192.0.2.0/24,198.51.100.0/24,2001:db8::/64")
    bgp = ("--bgp-local-as", "64512", "--bgp-peer", "192.0.2.1:64513", "--bgp-peer", "[2001:db8::1]:64514")
    config = parsed(monkeypatch, *BGP_NEEDED, *ranges, *bgp)
    assert isinstance(config, AgentConfig)
    assert config.announce_ranges == ("192.0.2.0/24", "198.51.100.0/24", "2001:db8::/64")
    assert config.bgp == BgpSettings(64512, (BgpPeer("192.0.2.1", 64513), BgpPeer("2001:db8::1", 64514)))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--bgp-peer", "192.0.2.1:64513"), "--bgp-local-as and --bgp-peer need each other"),
        (("--bgp-local-as", "64512"), "--bgp-local-as and --bgp-peer need each other"),
        (("--bgp-local-as", "64512", "--bgp-peer", "192.0.2.1:1"), "give what to announce too"),
        (("--bgp-local-as", "0"), "is no AS number"),
        (("--bgp-peer", "router"), "is no ADDRESS:AS"),
    ],
)
def test_incomplete_bgp_is_refused(monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...], message: str) -> None:
    output = parsed(monkeypatch, *BGP_NEEDED, *given)
    assert isinstance(output, str)
    assert message in " ".join(output.split())


def test_the_ways_between_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = (*NEEDED, "--node-name", "a", "--service-cidrs", "10.96.0.0/16")
    more = (
        "--overlay",
        "cross-subnet",
        "--overlay-accept",
        "vxlan",
        "--mtu",
        "1400",
        "--pod-access-cidrs",
        "192.0.2.0/28",
    )
    config = parsed(
        monkeypatch,
        *needed,
        *more,
        "--pod-access-cidrs",
        "192.0.2.0/28",
        "--vxlan-port",
        "4789",
        "--vxlan-over",
        "ipv6",
    )
    assert isinstance(config, AgentConfig)
    cluster = config.cluster
    assert (cluster.mode, cluster.accepts, cluster.underlay_mtu) == (Mode.CROSS_SUBNET, Mode.VXLAN, 1400)
    assert cluster.access == (ipaddress.ip_network("192.0.2.0/28"),)
    assert cluster.requires_tunnel
    pooled = parsed(
        monkeypatch, *needed, "--namespace-pool", "red=10.60.0.0/16", "--namespace-pool", "a=10.244.9.0/24:28"
    )
    assert isinstance(pooled, AgentConfig)
    assert [pool.name for pool in pooled.cluster.pools] == ["red", "a"]
    assert pooled.cluster.ranges == (*cluster.ranges, ipaddress.ip_network("10.60.0.0/16"))
    assert cluster.overlay == Overlay(port=4789, version=6)
    for arguments, message in (
        (("--overlay", "ipip"), "ipip"),
        (("--mtu", "1280"), "1350"),
        (("--vxlan-port", "40000"), "32767"),
        (("--overlay", "none", "--overlay-accept", "vxlan"), "there is no change"),
        (("--namespace-pool", "10.60.0.0/16"), "write NAME=RANGE"),
        (("--namespace-pool", "a=10.60.0.0/16", "--namespace-pool", "b=10.60.1.0/24"), "overlap"),
        (("--namespace-pool", "a=10.0.0.0/8:16"), "of --pod-cidrs in it"),
        (("--overlay", "none", "--namespace-pool", "a=10.60.0.0/16"), "another program gives pods their addresses"),
    ):
        assert message in str(parsed(monkeypatch, *needed, *arguments))


def test_nodes_that_announce_their_pods_use_the_routers_to_other_subnets(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = (*NEEDED, "--node-name", "a", "--service-cidrs", "10.96.0.0/16")
    bgp = ("--bgp-local-as", "64512", "--bgp-peer", "192.0.2.1:64513", "--bgp-announce-pod-cidrs")
    for overlay, expected in (("direct", Mode.ROUTED), ("vxlan", Mode.VXLAN)):
        config = parsed(monkeypatch, *needed, *bgp, "--overlay", overlay)
        assert isinstance(config, AgentConfig)
        assert config.bgp == BgpSettings(64512, (BgpPeer("192.0.2.1", 64513),), announce_pod_ranges=True)
        assert config.cluster.mode is expected
    assert "--bgp-local-as and --bgp-peer need each other" in str(
        parsed(monkeypatch, *needed, "--bgp-announce-pod-cidrs")
    )
