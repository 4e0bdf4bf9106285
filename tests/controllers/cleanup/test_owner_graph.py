from typing import Any

import pytest

from podwire.controllers.cleanup.owner_graph import (
    FOREGROUND,
    ORPHAN,
    Action,
    Delete,
    DropFinalizer,
    DropOwners,
    Graph,
    Item,
    OwnerState,
    decide,
)
from podwire.kube.kinds import Kind
from podwire.kube.meta import NamespacedName, Object, OwnerReference

THINGS = Kind("v1", "Thing", "things", Object)
EXISTS, WAITING, DELETED = OwnerState.EXISTS, OwnerState.WAITING, OwnerState.DELETED


def item(uid: str, *owners: str, blocks: bool = True, **state: Any) -> Item:
    references = tuple(OwnerReference(kind="Thing", name=o, uid=o, block_owner_deletion=blocks) for o in owners)
    return Item(THINGS, NamespacedName("shop", uid), uid, references, **state)


def graph(*items: Item) -> Graph:
    made = Graph()
    for each in items:
        made.put(each)
    return made


CHILD, SHARED = item("c", "a"), item("c", "a", "b")


@pytest.mark.parametrize(
    ("child", "owners", "expected"),
    [
        (item("c"), {}, []),
        (CHILD, {"a": EXISTS}, []),
        (CHILD, {"a": DELETED}, [Delete(CHILD, "Background")]),
        (CHILD, {"a": WAITING}, [Delete(CHILD, "Background")]),
        (SHARED, {"a": EXISTS, "b": DELETED}, [DropOwners(SHARED, frozenset("b"))]),
        (SHARED, {"a": WAITING, "b": EXISTS}, [DropOwners(SHARED, frozenset("a"))]),
        (SHARED, {"a": DELETED, "b": DELETED}, [Delete(SHARED, "Background")]),
        (item("c", "a", deleting=True), {}, []),
    ],
)
def test_an_object_and_its_owners(child: Item, owners: dict[str, OwnerState], expected: list[Action]) -> None:
    assert decide(graph(child), child, owners) == expected


def test_a_chain_is_deleted_in_the_foreground_from_the_top() -> None:
    top = item("a", deleting=True, finalizers=(FOREGROUND,))
    middle, leaf = item("b", "a"), item("c", "b")
    known = graph(top, middle, leaf)
    assert decide(known, top, {}) == []
    assert decide(known, middle, {"a": WAITING}) == [Delete(middle, "Foreground")]
    known.remove("b")
    assert decide(known, top, {}) == [DropFinalizer(top, FOREGROUND)]


def test_dependents_that_do_not_block_are_not_waited_for() -> None:
    top = item("a", deleting=True, finalizers=(FOREGROUND,))
    assert decide(graph(top, item("b", "a", blocks=False)), top, {}) == [DropFinalizer(top, FOREGROUND)]


def test_orphaned_dependents_lose_their_reference_before_the_owner_is_removed() -> None:
    top = item("a", deleting=True, finalizers=(ORPHAN,))
    actions = decide(graph(top, CHILD), top, {})
    assert actions == [DropOwners(CHILD, frozenset("a")), DropFinalizer(top, ORPHAN)]


def test_the_graph_follows_changed_and_removed_objects() -> None:
    known = graph(item("a"), CHILD)
    assert not known.put(CHILD)
    assert [d.uid for d in known.dependents("a")] == ["c"]
    assert known.put(item("c", "b"))
    assert list(known.dependents("a")) == []
    known.remove("c")
    assert list(known.dependents("b")) == []
