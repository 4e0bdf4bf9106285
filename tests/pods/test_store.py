"""The store keeps its promises under any sequence of operations, crashes among them."""

import ipaddress
import os
import signal
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from podwire.pods.addresses import FIRST_PLACE, ExhaustedError, Ranges
from podwire.pods.attachment import NO_POD, Attachment, AttachmentKey, PodIdentity
from podwire.pods.store import Entry, Store, StoreError, TakenError
from tests.thoroughness import examples

SMALL = Ranges((ipaddress.ip_network("10.0.0.0/29"), ipaddress.ip_network("fd00::/64")))
OTHER = Ranges((ipaddress.ip_network("10.0.0.0/28"),))
OTHER_POOL = Ranges((ipaddress.ip_network("10.9.0.0/29"),))


def key(number: int) -> AttachmentKey:
    return AttachmentKey(f"c{number}", "eth0")


def test_a_store_from_before_adopted_links_is_read(tmp_path: Path) -> None:
    store = Store(tmp_path / "cni.db")
    store.use(SMALL)
    attachment = store.reserve(key(1), NO_POD, "/run/netns/a")
    store.close()
    database = sqlite3.connect(tmp_path / "cni.db")
    database.execute("ALTER TABLE attachments DROP COLUMN adopted_mac")
    database.execute("PRAGMA user_version = 1")
    database.commit()
    database.close()
    store = Store(tmp_path / "cni.db")
    assert [entry.attachment for entry in store.entries()] == [attachment]
    store.close()


def test_an_address_of_another_attachment_cannot_be_adopted(tmp_path: Path) -> None:
    store = Store(tmp_path / "cni.db")
    store.use(SMALL)
    owner = store.reserve(key(1), NO_POD, "/run/netns/a")
    other = Attachment(key(2), NO_POD, "/run/netns/b", owner.addresses, "02:00:00:00:00:01")
    with pytest.raises(TakenError, match="is still the address of container c1"):
        store.adopt(other)
    store.release(key(1))
    store.adopt(other)
    store.adopt(other)
    assert store.entries() == [Entry(other, False)]
    store.use(SMALL)
    assert not set(store.reserve(key(3), NO_POD, "/run/netns/c").addresses) & set(owner.addresses)
    store.close()


class StoreMachine(RuleBasedStateMachine):
    """Compares the store with a model of it in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "cni.db"
        self.held: dict[AttachmentKey, Attachment] = {}
        self.freed: list[tuple[object, ...]] = []
        self.ranges = SMALL

    @initialize()
    def begin(self) -> None:
        self.store = Store(self.path)
        self.store.use(self.ranges)

    @rule(number=st.integers(0, 7))
    def reserve(self, number: int) -> None:
        try:
            attachment = self.store.reserve(key(number), NO_POD, "/netns")
        except ExhaustedError:
            taken = {a for held in self.held.values() for a in held.addresses}
            places = [self.ranges.addresses(place) for place in range(2, self.ranges.end)]
            assert all(taken & set(place) for place in places)
            assert self.store.exhausted
            return
        if key(number) in self.held:
            assert attachment == self.held[key(number)]
        if attachment.addresses in self.freed:
            assert self.freed.index(attachment.addresses) == 0, "freed addresses are reused in their order"
            self.freed.remove(attachment.addresses)
        self.held[key(number)] = attachment

    @rule(number=st.integers(0, 7))
    def release(self, number: int) -> None:
        self.store.release(key(number))
        gone = self.held.pop(key(number), None)
        if gone is not None and {self.ranges.place(address) for address in gone.addresses} != {None}:
            places = {self.ranges.place(address) for address in gone.addresses} - {None}
            self.freed += [self.ranges.addresses(place) for place in sorted(p for p in places if p is not None)]

    @rule(valid=st.sets(st.integers(0, 7)))
    def collect(self, valid: set[int]) -> None:
        for entry in self.store.entries():
            if int(entry.attachment.key.container[1:]) not in valid:
                self.release(int(entry.attachment.key.container[1:]))

    @rule()
    def crash(self) -> None:
        """The log is not folded into the file, as after kill -9: another process takes over from it."""
        self.store = Store(self.path)
        self.store.use(self.ranges)

    @precondition(lambda self: self.ranges is SMALL)
    @rule()
    def widen(self) -> None:
        self.ranges = OTHER
        self.freed = []
        self.store.use(OTHER)

    @invariant()
    def the_store_holds_what_the_model_holds(self) -> None:
        if hasattr(self, "store"):
            assert {entry.attachment.key: entry.attachment for entry in self.store.entries()} == self.held

    @invariant()
    def no_address_is_held_twice_or_is_special(self) -> None:
        addresses = [address for held in self.held.values() for address in held.addresses]
        assert len(addresses) == len(set(addresses))
        special = {"10.0.0.0", "10.0.0.1", "10.0.0.15", "fd00::", "fd00::1"}
        assert not special & {str(address) for address in addresses}

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()


StoreMachine.TestCase.settings = settings(max_examples=examples(40), stateful_step_count=30, deadline=None)
TestStore = StoreMachine.TestCase


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        store = Store(tmp_path / "cni.db")
        store.use(SMALL)
        store.reserve(key(1), PodIdentity("shop", "web", "u1"), "/netns")
        store.finish(key(1))
        store.reserve(key(2), NO_POD, "/netns")
        os.write(writer, b"x")
        signal.pause()
    os.read(reader, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    store = Store(tmp_path / "cni.db")
    assert [(entry.attachment.key, entry.ready) for entry in store.entries()] == [(key(1), True), (key(2), False)]
    assert store.entries()[0].attachment.pod == PodIdentity("shop", "web", "u1")
    store.close()


def test_an_attachment_of_earlier_ranges_keeps_its_addresses_and_blocks_them(tmp_path: Path) -> None:
    store = Store(tmp_path / "cni.db")
    store.use(SMALL)
    old = store.reserve(key(1), NO_POD, "/netns")
    store.use(OTHER)
    assert store.reserve(key(1), NO_POD, "/netns").addresses == old.addresses
    assert store.reserve(key(2), NO_POD, "/netns").addresses[0] != old.addresses[0]
    store.close()


def test_an_address_that_is_given_back_before_the_ranges_are_known_is_free_again(tmp_path: Path) -> None:
    """After a restart, DEL may come before the node's own Node."""
    store = Store(tmp_path / "cni.db")
    store.use(SMALL)
    room = SMALL.end - FIRST_PLACE
    for number in range(room):
        store.reserve(key(number), NO_POD, "/netns")
    assert store.exhausted
    store.close()
    store = Store(tmp_path / "cni.db")
    for number in range(room):
        store.release(key(number))
    store.use(SMALL)
    for number in range(room):
        store.reserve(key(number), NO_POD, "/netns")
    with pytest.raises(ExhaustedError):
        store.reserve(key(room), NO_POD, "/netns")
    store.close()


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cni.db"
    path.write_text("this is something else, and long enough to be no empty database" * 20)
    with pytest.raises(StoreError, match=r"cni\.db cannot be used.*can be removed"):
        Store(path)


def test_each_pool_has_places_of_its_own_and_a_file_of_one_pool_is_read(tmp_path: Path) -> None:
    store = Store(tmp_path / "cni.db")
    store.use(SMALL)
    plain = store.reserve(key(1), NO_POD, "/run/netns/a")
    store.release(key(1))
    store.close()
    database = sqlite3.connect(tmp_path / "cni.db")
    database.executescript(f"""
        CREATE TABLE freed (sequence INTEGER PRIMARY KEY AUTOINCREMENT, place INTEGER NOT NULL UNIQUE);
        CREATE TABLE pool (one INTEGER PRIMARY KEY CHECK (one = 1), ranges TEXT NOT NULL, fresh INTEGER NOT NULL);
        INSERT INTO freed (place) VALUES (2);
        INSERT INTO pool VALUES (1, '{SMALL}', 6);
        DROP TABLE pools;
        DROP TABLE freed_places;
        PRAGMA user_version = 2;
    """)
    database.close()
    store = Store(tmp_path / "cni.db")
    store.use(SMALL)
    store.use(OTHER_POOL, "red")
    red = [store.reserve(key(number), NO_POD, "/run/netns/a", "red") for number in (2, 3)]
    assert [str(one.addresses[0]) for one in red] == ["10.9.0.2", "10.9.0.3"]
    kept = store.reserve(key(4), NO_POD, "/run/netns/b")
    assert str(kept.addresses[0]) == "10.0.0.6", "places after those that were used"
    assert store.reserve(key(5), NO_POD, "/run/netns/c").addresses == plain.addresses
    store.release(key(2))
    with pytest.raises(ExhaustedError, match="podCIDR"):
        store.reserve(key(6), NO_POD, "/run/netns/d")
    store.reserve(key(7), NO_POD, "/run/netns/e", "red")
    store.disuse("red")
    assert (store.ranges_of("red"), store.exhausted) == (None, True)
    store.close()
