"""The workers of a node: which one is woken, and what happens when one fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any, ClassVar, cast
from unittest.mock import patch

import msgspec
import pytest

from podwire.kube.core import ConfigMap, Pod, Secret
from podwire.kube.services import Service
from podwire.kube.watch import Change
from podwire.lab.kubelet import pod_workers
from podwire.lab.kubelet.node_context import Node
from podwire.lab.kubelet.pod_workers import PodWorkers
from tests.lab.shims import until


class Worker:
    """A worker that only counts. `broken` pods raise as soon as they run."""

    broken: frozenset[str] = frozenset()
    unmakeable: frozenset[str] = frozenset()
    removed: ClassVar[list[str]] = []

    def __init__(self, _: object, pod: Pod, admitted: Callable[[], Iterable[Pod]]) -> None:
        if pod.metadata.name in self.unmakeable:
            raise ValueError("bad folder")
        self.pod = pod
        self.others = admitted
        self.admitted = pod.metadata.name != "rejected"
        self.pokes = 0
        self.gone = asyncio.Event()

    async def run(self) -> None:
        if self.pod.metadata.name in self.broken:
            raise ValueError("spoilt")
        await self.gone.wait()
        self.removed.append(self.pod.metadata.name)

    def update(self, pod: Pod) -> None:
        self.pod = pod

    def deleted(self) -> None:
        self.gone.set()

    def poke(self) -> None:
        self.pokes += 1


class Recorder:
    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []

    def event(self, _: object, pod: Pod, reason: str, message: str, *, warning: bool) -> None:
        assert warning
        self.events.append((pod.metadata.name, reason, message))


@pytest.fixture(autouse=True)
def workers_of_test() -> Iterator[None]:
    with (
        patch.object(pod_workers, "PodWorker", Worker),
        patch.object(pod_workers, "FIRST_RETRY_SECONDS", 0.0),
        patch.object(Worker, "broken", frozenset()),
        patch.object(Worker, "unmakeable", frozenset()),
        patch.object(Worker, "removed", []),
    ):
        yield


def workers() -> tuple[PodWorkers, Recorder]:
    recorder = Recorder()
    return PodWorkers(cast("Node", SimpleNamespace(recorder=recorder))), recorder


def pod(name: str, **spec: Any) -> Pod:
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "labels": {"app": name}}
    return msgspec.convert({"metadata": metadata, "spec": spec}, Pod)


def reader(name: str, kind: str, of: str) -> Pod:
    return pod(name, containers=[{"name": "main", "envFrom": [{kind: {"name": of}}]}])


def named(kind: type[Any], name: str, namespace: str = "default", **rest: Any) -> Any:
    return msgspec.convert({"metadata": {"name": name, "namespace": namespace}, **rest}, kind)


def pokes(all_workers: PodWorkers) -> dict[str, int]:
    return {worker.pod.metadata.name: cast("Worker", worker).pokes for worker in all_workers.values()}


async def test_only_pods_that_refer_to_a_config_map_or_secret_are_woken() -> None:
    subject, _ = workers()
    subject.update(reader("a", "configMapRef", "conf"))
    subject.update(reader("b", "secretRef", "conf"))
    subject.update(pod("c"))
    subject.config_map_changed(Change(None, named(ConfigMap, "conf")))
    assert pokes(subject) == {"a": 1, "b": 0, "c": 0}
    subject.secret_changed(Change(named(Secret, "conf"), None))
    assert pokes(subject) == {"a": 1, "b": 1, "c": 0}
    subject.config_map_changed(Change(None, named(ConfigMap, "conf", namespace="other")))
    assert pokes(subject) == {"a": 1, "b": 1, "c": 0}
    await subject.cancel()


async def test_a_pod_that_refers_no_more_is_not_woken() -> None:
    subject, _ = workers()
    subject.update(reader("a", "configMapRef", "conf"))
    subject.update(reader("a", "configMapRef", "later"))
    subject.config_map_changed(Change(None, named(ConfigMap, "conf")))
    assert pokes(subject) == {"a": 0}
    subject.config_map_changed(Change(None, named(ConfigMap, "later")))
    assert pokes(subject) == {"a": 1}
    await subject.cancel()


async def test_a_service_wakes_the_pods_that_it_selects_or_has_selected() -> None:
    subject, _ = workers()
    for name in "abc":
        subject.update(pod(name))
    before = named(Service, "web", spec={"selector": {"app": "a"}})
    after = named(Service, "web", spec={"selector": {"app": "b"}})
    subject.service_changed(Change(before, after))
    assert pokes(subject) == {"a": 1, "b": 1, "c": 0}
    await subject.cancel()


async def test_one_pod_that_fails_is_reported_by_name_and_stops_no_other() -> None:
    subject, recorder = workers()
    with patch.object(Worker, "broken", frozenset({"bad"})):
        subject.update(pod("bad"))
        subject.update(pod("good"))
        await until(lambda: bool(recorder.events))
    assert {event[:2] for event in recorder.events} == {("bad", "FailedSync")}
    assert "ValueError: spoilt" in recorder.events[0][2]
    assert subject["uid-good"].pod.metadata.name == "good"
    await subject.cancel()


async def test_a_pod_that_goes_while_its_worker_waits_to_start_again_is_ended() -> None:
    subject, recorder = workers()
    with patch.object(Worker, "broken", frozenset({"bad"})):
        subject.update(pod("bad"))
        await until(lambda: bool(recorder.events))
        subject.deleted("uid-bad")
        await until(lambda: "uid-bad" in subject)
        assert not Worker.removed
    await until(lambda: Worker.removed == ["bad"])
    await until(lambda: "uid-bad" not in subject)


async def test_a_pod_whose_worker_cannot_be_made_stops_nothing() -> None:
    subject, recorder = workers()
    with patch.object(Worker, "unmakeable", frozenset({"bad"})):
        subject.update(pod("bad"))
        subject.update(pod("good"))
        assert list(subject) == ["uid-good"]
    assert [event[:2] for event in recorder.events] == [("bad", "FailedSync")]
    await until(lambda: "uid-bad" in subject)
    await subject.cancel()


async def test_a_replacement_of_the_same_name_is_found_first() -> None:
    subject, _ = workers()
    old = pod("web")
    subject.update(old)
    new = msgspec.structs.replace(old, metadata=msgspec.structs.replace(old.metadata, uid="later"))
    subject.update(new)
    found = subject.find(old.key)
    assert found is not None
    assert found.pod.metadata.uid == "later"
    await subject.cancel()


async def test_a_pod_is_judged_beside_those_that_the_node_has_admitted() -> None:
    subject, _ = workers()
    for name in ("a", "rejected", "b"):
        subject.update(pod(name))
    others = cast("Worker", subject["uid-b"]).others()
    assert [other.metadata.name for other in others] == ["a", "b"]
    await subject.cancel()
