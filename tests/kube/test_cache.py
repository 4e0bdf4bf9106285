from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from podwire.kube.cache import Index, Store, changed_key, label_keys, selected
from podwire.kube.core import Pod
from podwire.kube.meta import NamespacedName
from podwire.kube.watch import Change
from tests.controllers.build import pod


class FakeInformer:
    """An informer whose changes come from the test."""

    def __init__(self) -> None:
        self.objects: dict[NamespacedName, Pod] = {}
        self.version = 0
        self._listener: Callable[[Change[Pod]], None] = lambda _: None

    def subscribe(self, listener: Callable[[Change[Pod]], None]) -> None:
        self._listener = listener

    def put(self, new: Pod) -> None:
        self.version = int(new.metadata.resource_version)
        change = Change(self.objects.get(new.key), new)
        self.objects[new.key] = new
        self._listener(change)

    def remove(self, key: NamespacedName, version: int) -> None:
        self.version = version
        self._listener(Change(self.objects.pop(key), None))


def at(version: int, name: str = "p", **changes: Any) -> Pod:
    item = pod(name, **changes)
    metadata = msgspec.structs.replace(item.metadata, resource_version=str(version))
    return msgspec.structs.replace(item, metadata=metadata)


@pytest.fixture
def informer() -> FakeInformer:
    return FakeInformer()


@pytest.fixture
def store(informer: FakeInformer) -> Store[Pod]:
    return Store(informer)  # type: ignore[arg-type]


def test_what_we_wrote_counts_at_once_and_older_news_do_not_undo_it(informer: FakeInformer, store: Store[Pod]) -> None:
    informer.put(at(1))
    store.wrote(at(5, phase="Failed"))
    informer.put(at(3))
    assert store.objects[at(5).key].finished
    informer.put(at(6))
    assert not store.objects[at(5).key].finished


def test_an_answer_older_than_the_news_is_ignored(informer: FakeInformer, store: Store[Pod]) -> None:
    informer.put(at(1))
    informer.remove(at(1).key, version=7)
    store.wrote(at(5))
    assert not store.objects


def test_an_own_write_of_an_object_that_was_deleted_unseen_expires(informer: FakeInformer, store: Store[Pod]) -> None:
    store.wrote(at(5))
    store.expire()
    assert store.objects
    informer.version = 6
    store.expire()
    assert not store.objects


def test_a_deleted_object_counts_as_ending_until_it_is_gone(informer: FakeInformer, store: Store[Pod]) -> None:
    informer.put(at(1))
    store.deleted(at(1))
    assert store.objects[at(1).key].metadata.deletion_timestamp
    informer.put(at(2))
    assert store.objects[at(1).key].metadata.deletion_timestamp, "a change from before the deletion"
    informer.remove(at(1).key, version=3)
    assert not store.objects


def test_a_new_object_of_the_same_name_is_not_ending(informer: FakeInformer, store: Store[Pod]) -> None:
    informer.put(at(1))
    store.deleted(at(1))
    informer.put(at(4, metadata={"uid": "another"}))
    assert store.objects[at(1).key].metadata.deletion_timestamp is None


def test_an_index_follows_changes_and_selects_by_all_labels(informer: FakeInformer, store: Store[Pod]) -> None:
    index = Index(store, label_keys)
    informer.put(at(1, "a", labels={"app": "web", "tier": "front"}))
    informer.put(at(2, "b", labels={"app": "web"}))
    informer.put(at(3, "c", namespace="other", labels={"app": "web", "tier": "front"}))

    def names(**labels: str) -> list[str]:
        return sorted(item.metadata.name for item in selected(index, "shop", labels))

    assert names(app="web") == ["a", "b"]
    assert names(app="web", tier="front") == ["a"]
    assert names(app="db") == []
    informer.put(at(4, "a", labels={"app": "db"}))
    assert (names(app="web"), names(app="db")) == (["b"], ["a"])
    informer.remove(at(4, "a").key, version=5)
    assert names(app="db") == []


def test_a_listener_that_fails_on_an_object_stops_no_other_and_the_object_is_named(
    informer: FakeInformer, store: Store[Pod], caplog: pytest.LogCaptureFixture
) -> None:
    seen = []

    def broken(change: Change[Pod]) -> None:
        if changed_key(change).name == "poison":
            raise RuntimeError("broken")
        seen.append(changed_key(change).name)

    informer.put(at(1, "poison"))
    store.subscribe(broken)
    index = Index(store, label_keys)
    informer.put(at(2, "a"))
    informer.put(at(3, "poison"))
    assert seen == ["a"]
    assert len(list(selected(index, "shop", {"app": "web"}))) == 2
    assert caplog.text.count("Pod shop/poison: a listener failed") == 2


def test_a_store_that_is_cleared_reports_its_objects_as_removed(informer: FakeInformer, store: Store[Pod]) -> None:
    index = Index(store, label_keys)
    informer.put(at(1, "a"))
    store.clear()
    assert not index["shop"]
