"""Objects of one storage in order, now and as they were, without a look at those that are not taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.apiserver.storage.revisions import Event, Key, Stored
from podwire.apiserver.storage.table import Table
from podwire.apiserver.storage.transaction import stored_object
from tests.apiserver.builders import obj

KEYS = tuple(Key("things", namespace, name) for namespace in ("a", "b", "bb") for name in ("x", "y", "z"))


class Counting(dict[Key, Stored]):
    """Objects that count how often one is looked up."""

    looked_up = 0

    def __getitem__(self, key: Key) -> Stored:
        self.looked_up += 1
        return super().__getitem__(key)


def stored(key: Key, version: int) -> Stored:
    return stored_object(key, version, obj(key.name, key.namespace))


@given(
    st.lists(st.tuples(st.sampled_from(KEYS), st.booleans()), max_size=20),
    st.integers(0, 20),
    st.sampled_from(["", "a", "b", "c"]),
    st.none() | st.sampled_from(KEYS),
)
def test_a_page_is_a_part_of_what_was_there(
    writes: list[tuple[Key, bool]], version: int, namespace: str, after: Key | None
) -> None:
    table, events, states = Table(), list[Event](), [dict[Key, Stored]()]
    for number, (key, wanted) in enumerate(writes, 1):
        old = table.get(key)
        removed = wanted and old is not None
        event = Event(old, stored(key, number), removed)
        events.append(event)
        if removed:
            table.remove(key)
        else:
            table.set(event.new)
        states.append({one.key: one for one in table.objects("")})
    version = min(version, len(writes))
    part = table.part(namespace, after, events[version:])
    expected = [
        one
        for key, one in sorted(states[version].items())
        if (not namespace or key.namespace == namespace) and (after is None or key > after)
    ]
    assert list(part.objects) == expected
    assert part.count == len(expected)


@pytest.mark.parametrize("changed", [False, True])
def test_a_page_looks_up_what_is_taken_and_no_more(changed: bool) -> None:
    table, counting = Table(), Counting()
    table._objects = counting
    for number in range(1000):
        table.set(stored(Key("things", "ns", f"{number:04}"), number + 1))
    events = [Event(None, stored(Key("things", "ns", "0002x"), 2000), removed=False)] if changed else []
    part = table.part("ns", Key("things", "ns", "0500"), events)
    assert part.count == 499
    assert [next(part.objects).key.name for _ in range(3)] == ["0501", "0502", "0503"]
    assert counting.looked_up <= 4
