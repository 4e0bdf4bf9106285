"""The zone through the engine: the same at the end, whatever the order in which objects came."""

import asyncio
import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podwire.dns import expansions
from podwire.dns.names import parent, to_wire
from podwire.dns.owner import Owner
from podwire.dns.records import PTR, A, Data, Record, RecordType
from podwire.dns.rows import Domain, Row, records, rows
from podwire.dns.sink import Zone
from podwire.engine.reconcile import Reconciler
from podwire.engine.row import Delta
from podwire.kube.discovery import EndpointSlice
from podwire.kube.services import Service
from tests.dns.zones import DOMAIN_OF_TESTS, Objects, endpoint, service, slice_of, zone_of
from tests.thoroughness import examples

SERVICES = st.sampled_from(
    [
        service("web", "10.96.0.5"),
        service("web", "10.96.0.6", "fd00:10:96::5"),
        service("web", "None"),
        service("db", "None"),
        service("db", "10.96.0.6"),
        service("db", type="ExternalName", external_name="example.com"),
    ]
)
SLICES = st.builds(
    lambda name, part, hosts: slice_of(
        name, *(endpoint(f"10.244.1.{host}", hostname) for host, hostname in hosts), part=part
    ),
    st.sampled_from(["web", "db"]),
    st.sampled_from(["1", "2"]),
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["", "a", "10-244-1-1"])), max_size=3),
)
SCENARIOS = st.lists(st.one_of(SERVICES, SLICES), max_size=8)


def contents(zone: Zone) -> tuple[set[str], set[bytes]]:
    """All records, and all names, those included that exist only through others."""
    return {str(row) for row in asyncio.run(zone.read())}, set(zone._nodes)


def replayed(steps: list[Service | EndpointSlice], batch: int, *, restart: bool) -> Zone:
    """A zone that lived through the steps, `batch` of them in each turn of the engine."""
    view, zone = Objects(), Zone()

    def engine() -> Reconciler[Owner, Row]:
        made: Reconciler[Owner, Row] = Reconciler("test", lambda owner: rows(owner, view, DOMAIN_OF_TESTS), zone)
        made.touch(*view.owners())
        made.inputs_synced()
        return made

    reconciler = engine()
    for start in range(0, len(steps), batch):
        reconciler.touch(*(view.put(step) for step in steps[start : start + batch]))
        asyncio.run(reconciler.turn())
        if restart and start:
            reconciler = engine()
    reconciler.touch(*view.owners())
    asyncio.run(reconciler.turn())
    return zone


@settings(max_examples=examples(60), deadline=None)
@given(SCENARIOS, st.integers(1, 4), st.booleans())
def test_the_zone_depends_on_the_objects_alone(steps: list[Service | EndpointSlice], batch: int, restart: bool) -> None:
    last = list({(type(step), step.key): step for step in steps}.values())
    expected = contents(zone_of(Objects.of(*last)))
    assert contents(replayed(steps, batch, restart=restart)) == expected
    assert contents(replayed(last[::-1], batch, restart=restart)) == expected


def held(zone: Zone, name: bytes) -> set[tuple[int, bytes]]:
    """The types and data of a name that exists."""
    node = zone.find(name)
    assert node is not None, name
    found = {(kind, b"") for kind in node.types if kind < 0}
    for kind in node.types - {one for one, _ in found}:
        records = zone.records(node, kind)
        assert records is not None
        # Behind the pointer to the name: type, class, time to live, length.
        found |= {(kind, one[12:]) for one in records.records}
        assert list(records.targets) == sorted(set(records.targets))
    return found


def known(zone: Zone, view: Objects) -> None:
    """Check that the zone has exactly the records of the objects, each name above them, and no other ones."""
    expected: dict[bytes, set[Data]] = {}
    for owner in view.owners():
        for one in records(owner, view, DOMAIN_OF_TESTS):
            expected.setdefault(to_wire(one.name).lower(), set()).add(one.data)
    for name, data in expected.items():
        assert held(zone, name) == {(one.type, one.wire()) for one in data}, name
        above = name
        while above[0]:
            above = parent(above)
            assert above in expected or held(zone, above) == set(), (name, above)
    for text in PROBES:
        assert (zone.find(to_wire(text)) is not None) is any(one.endswith(to_wire(text)) for one in expected), text


PROBES = (
    *(
        f"{label}{name}.shop.svc.cluster.local"
        for name in ("web", "db")
        for label in ("", "a.", "_http._tcp.", "_udp.")
    ),
    *(f"10-244-1-{host}.{name}.shop.svc.cluster.local" for name in ("web", "db") for host in range(1, 6)),
    *(f"{host}.1.244.10.in-addr.arpa" for host in range(1, 6)),
    *("1.244.10.in-addr.arpa", "01.1.244.10.in-addr.arpa", "6.0.96.10.in-addr.arpa", "10.in-addr.arpa", "9.ip6.arpa"),
    *("1.0.0.2.ip6.arpa", "5.6.0.96.10.in-addr.arpa", "x.1.244.10.in-addr.arpa", "256.244.10.in-addr.arpa"),
)


@settings(max_examples=examples(60), deadline=None)
@given(SCENARIOS, st.integers(1, 3))
def test_names_are_those_of_the_records_after_each_change(steps: list[Service | EndpointSlice], batch: int) -> None:
    view, zone = Objects(), Zone()
    reconciler: Reconciler[Owner, Row] = Reconciler("test", lambda owner: rows(owner, view, DOMAIN_OF_TESTS), zone)
    reconciler.touch(*view.owners())
    reconciler.inputs_synced()
    for start in range(0, len(steps), batch):
        reconciler.touch(*(view.put(step) for step in steps[start : start + batch]))
        asyncio.run(reconciler.turn())
        known(zone, view)
    view.services.clear()
    reconciler.touch(Owner("shop", "web"), Owner("shop", "db"))
    asyncio.run(reconciler.turn())
    known(zone, view)
    assert not zone._services
    assert not zone._reverse._services
    assert not zone._reverse._above


def test_a_service_of_another_domain_takes_the_place_of_its_names() -> None:
    view, zone = Objects.of(service("web", "None"), slice_of("web", endpoint("10.244.1.2"))), Zone()
    domain = Domain("cluster.local")
    reconciler: Reconciler[Owner, Row] = Reconciler("test", lambda owner: rows(owner, view, domain), zone)
    reconciler.inputs_synced()
    for name in ("cluster.local", "home.arpa"):
        domain = Domain(name)
        reconciler.touch(*view.owners())
        asyncio.run(reconciler.turn())
    assert zone.find(to_wire("web.shop.svc.cluster.local")) is None
    assert zone.find(to_wire("web.shop.svc.home.arpa")) is not None
    pointer = PTR("10-244-1-2.web.shop.svc.home.arpa")
    assert held(zone, to_wire("2.1.244.10.in-addr.arpa")) == {(RecordType.PTR, pointer.wire())}


def test_what_is_kept_of_many_services_is_bounded() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(expansions, "MOST_RECORDS", most := 3 * (1 + expansions.NODE_RECORDS))
        items = [service(f"s-{number}", f"10.96.0.{number + 1}") for number in range(9)]
        zone = zone_of(Objects.of(*items))
        for turn in range(3):
            for number in range(9):
                node = zone.find(to_wire(f"s-{number}.shop.svc.cluster.local"))
                assert node is not None, turn
                assert zone.records(node, RecordType.A) is not None
            assert len(zone._expansions._kept) <= 3
            assert zone._expansions._records <= most


def record(name: str, address: str = "10.0.0.1") -> Record:
    return Record(name, A(ipaddress.IPv4Address(address)))


def test_names_above_a_record_come_and_go_with_it() -> None:
    zone = Zone()
    deep, other = record("a.b.c"), record("x.b.c")
    asyncio.run(zone.write(Delta(upserts=(deep, other))))
    asyncio.run(zone.write(Delta(removals=(deep,))))
    assert zone.find(to_wire("b.c")) is not None
    assert zone.find(to_wire("a.b.c")) is None
    asyncio.run(zone.write(Delta(removals=(other, other))))
    assert zone._nodes == {}


def test_an_answer_is_made_again_after_a_change() -> None:
    zone = Zone()
    asyncio.run(zone.write(Delta(upserts=(record("a"),))))
    node = zone.find(to_wire("a"))
    assert node is not None
    before = zone.records(node, 1)
    asyncio.run(zone.write(Delta(upserts=(record("a", "10.0.0.2"),))))
    after = zone.records(node, 1)
    assert before is not None
    assert after is not None
    assert (len(before.records), len(after.records)) == (1, 2)
