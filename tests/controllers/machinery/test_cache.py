from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from podwire.controllers.machinery.cache import Index, Store, label_keys, selected
from podwire.kube.core import Pod
from podwire.kube.meta import NamespacedName
from podwire.kube.watch import Change
from tests.controllers.build import pod


class Told:
    """An informer whose news are said by the test."""

    def __init__(self) -> None:
        self.objects: dict[NamespacedName, Pod] = {}
        self.version = 0
        self._tell: Callable[[Change[Pod]], None] = lambda _: None

    def subscribe(self, listener: Callable[[Change[Pod]], None]) -> None:
        self._tell = listener

    def say(self, new: Pod) -> None:
        self.version = int(new.metadata.resource_version)
        change = Change(self.objects.get(new.key), new)
        self.objects[new.key] = new
        self._tell(change)

    def say_gone(self, key: NamespacedName, version: int) -> None:
        self.version = version
        self._tell(Change(self.objects.pop(key), None))


def at(version: int, name: str = "p", **changes: Any) -> Pod:
    item = pod(name, **changes)
    metadata = msgspec.structs.replace(item.metadata, resource_version=str(version))
    return msgspec.structs.replace(item, metadata=metadata)


@pytest.fixture
def informer() -> Told:
    return Told()


@pytest.fixture
def store(informer: Told) -> Store[Pod]:
    return Store(informer)  # type: ignore[arg-type]


def test_what_we_wrote_counts_at_once_and_older_news_do_not_undo_it(informer: Told, store: Store[Pod]) -> None:
    informer.say(at(1))
    store.wrote(at(5, phase="Failed"))
    informer.say(at(3))
    assert store.objects[at(5).key].finished
    informer.say(at(6))
    assert not store.objects[at(5).key].finished


def test_an_answer_older_than_the_news_is_ignored(informer: Told, store: Store[Pod]) -> None:
    informer.say(at(1))
    informer.say_gone(at(1).key, version=7)
    store.wrote(at(5))
    assert not store.objects


def test_an_object_that_was_gone_before_it_was_told_is_forgotten(informer: Told, store: Store[Pod]) -> None:
    store.wrote(at(5))
    store.settle()
    assert store.objects
    informer.version = 6
    store.settle()
    assert not store.objects


def test_a_deleted_object_counts_as_ending_until_it_is_gone(informer: Told, store: Store[Pod]) -> None:
    informer.say(at(1))
    store.deleted(at(1))
    assert store.objects[at(1).key].metadata.deletion_timestamp
    informer.say(at(2))
    assert store.objects[at(1).key].metadata.deletion_timestamp, "a change from before the deletion"
    informer.say_gone(at(1).key, version=3)
    assert not store.objects


def test_a_new_object_of_the_same_name_is_not_ending(informer: Told, store: Store[Pod]) -> None:
    informer.say(at(1))
    store.deleted(at(1))
    informer.say(at(4, metadata={"uid": "another"}))
    assert store.objects[at(1).key].metadata.deletion_timestamp is None


def test_an_index_follows_changes_and_selects_by_all_labels(informer: Told, store: Store[Pod]) -> None:
    index = Index(store, label_keys)
    informer.say(at(1, "a", labels={"app": "web", "tier": "front"}))
    informer.say(at(2, "b", labels={"app": "web"}))
    informer.say(at(3, "c", namespace="other", labels={"app": "web", "tier": "front"}))

    def names(**labels: str) -> list[str]:
        return sorted(item.metadata.name for item in selected(index, "shop", labels))

    assert names(app="web") == ["a", "b"]
    assert names(app="web", tier="front") == ["a"]
    assert names(app="db") == []
    informer.say(at(4, "a", labels={"app": "db"}))
    assert (names(app="web"), names(app="db")) == (["b"], ["a"])
    informer.say_gone(at(4, "a").key, version=5)
    assert names(app="db") == []
