"""ServiceCIDR and IPAddress objects: where addresses of Services come from, and who holds them."""

from typing import Any

import pytest

from podwire.apiserver.main import running
from podwire.apiserver.storage.revisions import Key
from podwire.apiserver.writes import ip_addresses
from tests.apiserver.conftest import Files, Talk, configuration, until

RANGES = "/apis/networking.k8s.io/v1/servicecidrs"
ADDRESSES = "/apis/networking.k8s.io/v1/ipaddresses"
SERVICES = "/api/v1/namespaces/default/services"
FINALIZER = "networking.k8s.io/service-cidr-finalizer"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


def service_range(name: str, *cidrs: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"cidrs": list(cidrs)}}


def condition(obj: dict[str, Any]) -> tuple[str, str]:
    [ready] = [one for one in obj["status"]["conditions"] if one["type"] == "Ready"]
    return ready["status"], ready["reason"]


def is_stored(talk: Talk, name: str) -> bool:
    return talk.server.store.get(Key("servicecidrs.networking.k8s.io", "", name)) is not None


def state(talk: Talk, name: str) -> tuple[str, str]:
    stored = talk.server.store.get(Key("servicecidrs.networking.k8s.io", "", name))
    assert stored is not None
    return condition(stored.object())


@pytest.mark.proves("service-cidrs")
async def test_the_clusters_own_ranges_are_an_object(talk: Talk) -> None:
    own = await talk.ok("GET", f"{RANGES}/kubernetes")
    assert own["spec"]["cidrs"] == ["10.96.0.0/16", "fd00:10:96::/112"]
    assert condition(own) == ("True", "")
    assert own["metadata"]["finalizers"] == [FINALIZER]
    assert (await talk.ok("GET", f"{RANGES}/kubernetes/status"))["metadata"]["uid"] == own["metadata"]["uid"]


@pytest.mark.proves("service-cidrs")
async def test_a_new_range_gives_addresses_and_is_removed_when_unused(talk: Talk) -> None:
    wanted = service("web", clusterIP="203.0.113.10")
    assert "does not match the current range" in (await talk.refused("POST", SERVICES, wanted))[2]
    made = await talk.ok("POST", RANGES, service_range("more", "203.0.113.0/24"))
    assert condition(made) == ("True", "")
    await talk.ok("POST", SERVICES, wanted)
    await talk.ok("DELETE", f"{RANGES}/more")
    await until(lambda: state(talk, "more") == ("False", "Terminating"))
    assert (
        "does not match the current range"
        in (await talk.refused("POST", SERVICES, service("b", clusterIP="203.0.113.11")))[2]
    )
    await talk.ok("DELETE", f"{SERVICES}/web")
    await until(lambda: not is_stored(talk, "more"))


async def test_a_range_inside_another_is_removed_at_once(talk: Talk) -> None:
    await talk.ok("POST", RANGES, service_range("wide", "203.0.113.0/24"))
    await talk.ok("POST", RANGES, service_range("narrow", "203.0.113.0/28"))
    await talk.ok("POST", SERVICES, service("web", clusterIP="203.0.113.10"))
    await talk.ok("DELETE", f"{RANGES}/narrow")
    await until(lambda: not is_stored(talk, "narrow"))
    await talk.ok("DELETE", f"{RANGES}/wide")
    await until(lambda: state(talk, "wide") == ("False", "Terminating"))
    taken = service("again", clusterIP="203.0.113.10")
    assert (await talk.refused("POST", SERVICES, taken))[0] == 422


async def test_a_full_range_is_followed_by_the_next(files: Files) -> None:
    small = configuration(files, service_ranges=("10.96.0.0/30",), cluster_addresses=("10.96.0.1",))
    async with running(small) as server:
        talk = Talk(server)
        await talk.ok("POST", SERVICES, service("a"))
        assert "range is full" in (await talk.refused("POST", SERVICES, service("b")))[2]
        await talk.ok("POST", RANGES, service_range("more", "203.0.113.0/24"))
        assert (await talk.ok("POST", SERVICES, service("b")))["spec"]["clusterIP"].startswith("203.0.113.")


@pytest.mark.proves("ip-addresses")
async def test_each_cluster_address_is_an_object_of_its_service(talk: Talk) -> None:
    made = await talk.ok("POST", SERVICES, service("web", ipFamilyPolicy="RequireDualStack"))
    for family, address in zip(("IPv4", "IPv6"), made["spec"]["clusterIPs"], strict=True):
        held = await talk.ok("GET", f"{ADDRESSES}/{address}")
        assert held["spec"]["parentRef"] == {"resource": "services", "namespace": "default", "name": "web"}
        assert held["metadata"]["labels"] == {
            "ipaddress.kubernetes.io/ip-family": family,
            "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
        }
    table = await talk.ok("GET", f"{ADDRESSES}/{address}", accept=TABLE)
    assert table["rows"][0]["cells"] == [address, "services/default/web"]
    smaller = {**made["spec"], "ipFamilyPolicy": "SingleStack"}
    await talk.ok("PUT", f"{SERVICES}/web", {**made, "spec": smaller})
    assert (await talk.refused("GET", f"{ADDRESSES}/{address}"))[0] == 404
    await talk.ok("DELETE", f"{SERVICES}/web")
    assert (await talk.refused("GET", f"{ADDRESSES}/{made['spec']['clusterIP']}"))[0] == 404


@pytest.mark.proves("ip-addresses")
async def test_a_lost_object_is_stored_again_and_a_foreign_one_is_respected(talk: Talk) -> None:
    made = await talk.ok("POST", SERVICES, service("web"))
    address = made["spec"]["clusterIP"]
    await talk.ok("DELETE", f"{ADDRESSES}/{address}")
    await until(lambda: talk.server.store.get(Key("ipaddresses.networking.k8s.io", "", address)))
    parent = {"group": "example.com", "resource": "gateways", "namespace": "a", "name": "b"}
    foreign = {"metadata": {"name": "10.96.0.77"}, "spec": {"parentRef": parent}}
    await talk.ok("POST", ADDRESSES, foreign)
    wanted = service("b", clusterIP="10.96.0.77")
    assert "provided IP is already allocated" in (await talk.refused("POST", SERVICES, wanted))[2]
    await talk.ok("DELETE", f"{ADDRESSES}/10.96.0.77")
    await talk.ok("POST", SERVICES, wanted)


def stale(address: str, name: str) -> Any:
    """An object of the server's own allocator, for a Service that does not have the address."""
    labels = {"ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io", "ipaddress.kubernetes.io/ip-family": "IPv4"}
    parent = {"resource": "services", "namespace": "default", "name": name}
    return {"metadata": {"name": address, "labels": labels}, "spec": {"parentRef": parent}}


async def test_a_stale_object_does_not_hold_its_address(talk: Talk) -> None:
    await talk.ok("POST", SERVICES, service("web"))
    for address, name in (("10.96.0.76", "gone"), ("10.96.0.77", "web")):
        await talk.ok("POST", ADDRESSES, stale(address, name))
        await talk.ok("POST", SERVICES, service(f"b-{name}", clusterIP=address))
        held = await talk.ok("GET", f"{ADDRESSES}/{address}")
        assert held["spec"]["parentRef"]["name"] == f"b-{name}"
    assert "already allocated" in (await talk.refused("POST", SERVICES, service("c", clusterIP="10.96.0.77")))[2]


async def test_stale_objects_are_removed_at_the_start(files: Files, tmp_path: Any) -> None:
    store = str(tmp_path / "store.db")
    async with running(configuration(files, store)) as server:
        kept = (await Talk(server).ok("POST", SERVICES, service("web")))["spec"]["clusterIP"]
        await Talk(server).ok("POST", ADDRESSES, stale("10.96.0.77", "gone"))
    async with running(configuration(files, store)) as server:
        await until(lambda: server.store.get(Key("ipaddresses.networking.k8s.io", "", "10.96.0.77")) is None)
        names = {one["metadata"]["name"] for one in (await Talk(server).ok("GET", ADDRESSES))["items"]}
        assert names == {kept, "10.96.0.1", "fd00:10:96::1"}


async def test_a_refused_or_dry_write_leaves_no_object(talk: Talk) -> None:
    await talk.ok("POST", f"{SERVICES}?dryRun=All", service("web", clusterIP="10.96.0.77"))
    assert (await talk.refused("POST", SERVICES, service("UPPER", clusterIP="10.96.0.77")))[0] == 422
    assert (await talk.refused("GET", f"{ADDRESSES}/10.96.0.77"))[0] == 404
    await talk.ok("POST", SERVICES, service("web", clusterIP="10.96.0.77"))


async def test_a_restart_knows_ranges_and_addresses(files: Files, tmp_path: Any) -> None:
    store = str(tmp_path / "store.db")
    async with running(configuration(files, store)) as server:
        await Talk(server).ok("POST", RANGES, service_range("more", "203.0.113.0/24"))
        await Talk(server).ok("POST", SERVICES, service("web", clusterIP="203.0.113.10"))
    async with running(configuration(files, store)) as server:
        talk = Talk(server)
        taken = service("b", clusterIP="203.0.113.10")
        assert "already allocated" in (await talk.refused("POST", SERVICES, taken))[2]
        await talk.ok("POST", SERVICES, service("b", clusterIP="203.0.113.11"))


@pytest.mark.proves("schema-messages")
@pytest.mark.parametrize(
    ("cidrs", "expected"),
    [
        ([], "spec.cidrs: Required value: at least one CIDR required"),
        (["10.0.0.0/8", "fd00::/64", "fd01::/64"], "may only hold up to 2 values"),
        (["10.0.0.1/8"], "must not have bits set beyond the prefix length"),
        (["10.0.0.0/8", "11.0.0.0/8"], "may specify no more than one IP for each IP family"),
        (["FD00::/64"], 'must be in canonical form ("fd00::/64")'),
    ],
)
async def test_a_wrong_range_is_refused(talk: Talk, cidrs: list[str], expected: str) -> None:
    assert expected in (await talk.refused("POST", RANGES, service_range("more", *cidrs)))[2]


async def test_a_range_may_get_a_second_family_and_nothing_else(talk: Talk) -> None:
    made = await talk.ok("POST", RANGES, service_range("more", "203.0.113.0/24"))
    changed = {**made, "spec": {"cidrs": ["203.0.112.0/24"]}}
    assert "spec.cidrs[0]: Invalid value" in (await talk.refused("PUT", f"{RANGES}/more", changed))[2]
    wider = {**made, "spec": {"cidrs": ["203.0.113.0/24", "2001:db8::/64"]}}
    await talk.ok("PUT", f"{RANGES}/more", wider)
    await talk.ok("POST", SERVICES, service("web", clusterIP="2001:db8::10", ipFamilies=["IPv6"]))


@pytest.mark.parametrize(
    ("name", "parent", "expected"),
    [
        ("010.0.0.1", {"resource": "a", "name": "b"}, "must not have leading 0s"),
        ("FD00::1", {"resource": "a", "name": "b"}, 'must be in canonical form ("fd00::1")'),
        ("10.0.0.1", {"name": "b"}, "spec.parentRef.resource: Required value"),
        ("10.0.0.1", None, "spec.parentRef: Required value"),
    ],
)
async def test_a_wrong_address_object_is_refused(talk: Talk, name: str, parent: Any, expected: str) -> None:
    body = {"metadata": {"name": name}, "spec": {"parentRef": parent}}
    assert expected in (await talk.refused("POST", ADDRESSES, body))[2]


@pytest.mark.proves("first-objects-come-back")
async def test_the_servers_own_endpoints_are_there_in_both_forms(talk: Talk) -> None:
    path = "/api/v1/namespaces/default/endpoints/kubernetes"
    endpoints = await talk.ok("GET", path)
    assert endpoints["subsets"] == [
        {"addresses": [{"ip": "172.18.0.1"}], "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}]}
    ]
    assert endpoints["metadata"]["labels"]["endpointslice.kubernetes.io/skip-mirror"] == "true"
    await talk.ok("DELETE", path)
    await until(lambda: talk.server.store.get(Key("endpoints", "default", "kubernetes")))


async def test_deleting_a_service_reads_no_other(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        await talk.ok("POST", SERVICES, service(name))
    await until(lambda: not talk.server._ranges._incomplete)
    read: list[str] = []
    cluster_addresses = ip_addresses.cluster_addresses

    def counted(obj: Any) -> set[str]:
        read.append("" if obj is None else obj["metadata"]["name"])
        return cluster_addresses(obj)

    monkeypatch.setattr(ip_addresses, "cluster_addresses", counted)
    await talk.ok("DELETE", f"{SERVICES}/a")
    await talk.ok("POST", RANGES, service_range("more", "203.0.113.0/24"))
    await talk.ok("DELETE", f"{RANGES}/more")
    await until(lambda: not is_stored(talk, "more"))
    assert set(read) == {"a"}
