"""The zone through the engine: the same at the end, whatever the order in which objects came."""

import asyncio
import ipaddress

from hypothesis import given, settings
from hypothesis import strategies as st

from podwire.dns.names import to_wire
from podwire.dns.records import A, Record
from podwire.dns.rows import Owner, rows
from podwire.dns.sink import Zone
from podwire.engine.reconcile import Reconciler
from podwire.engine.row import Delta
from podwire.kube.discovery import EndpointSlice
from podwire.kube.services import Service
from tests.dns.zones import DOMAIN_OF_TESTS, Objects, endpoint, service, slice_of, zone_of

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
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["", "a"])), max_size=3),
)
SCENARIOS = st.lists(st.one_of(SERVICES, SLICES), max_size=8)


def contents(zone: Zone) -> tuple[set[str], set[bytes]]:
    """All records, and all names, those included that exist only through others."""
    return {str(row) for row in asyncio.run(zone.read())}, set(zone._nodes)


def replayed(steps: list[Service | EndpointSlice], batch: int, *, restart: bool) -> Zone:
    """A zone that lived through the steps, `batch` of them in each turn of the engine."""
    view, zone = Objects(), Zone()

    def engine() -> Reconciler[Owner, Record]:
        made: Reconciler[Owner, Record] = Reconciler("test", lambda owner: rows(owner, view, DOMAIN_OF_TESTS), zone)
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


@settings(max_examples=60, deadline=None)
@given(SCENARIOS, st.integers(1, 4), st.booleans())
def test_the_zone_depends_on_the_objects_alone(steps: list[Service | EndpointSlice], batch: int, restart: bool) -> None:
    last = list({(type(step), step.key): step for step in steps}.values())
    expected = contents(zone_of(Objects.of(*last)))
    assert contents(replayed(steps, batch, restart=restart)) == expected
    assert contents(replayed(last[::-1], batch, restart=restart)) == expected


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
