"""An API server in memory for controllers' tests: enough REST, no sockets. It can lag, and lose answers.

It keeps what matters to controllers: one counter of versions, uids, conflicts, generations, the status subresource,
graceful deletion of pods, finalizers, bindings, and watches that replay history.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from podwire.kube.client import STRATEGIC_MERGE_PATCH, ApiError, Client
from podwire.kube.credentials import Credentials
from podwire.kube.kinds import Kind
from podwire.kube.meta import NamespacedName
from podwire.kube.shared_informers import SharedInformers

DEADLINE_SECONDS = 60
CREATED = "2026-01-01T00:00:00Z"
SERVED = {
    "/api/v1": ("pods", "services", "configmaps", "serviceaccounts", "nodes", "namespaces", "secrets"),
    "/apis/apps/v1": ("deployments", "replicasets"),
    "/apis/networking.k8s.io/v1": ("networkpolicies",),
    "/apis/apiextensions.k8s.io/v1": ("customresourcedefinitions",),
    "/apis/discovery.k8s.io/v1": ("endpointslices",),
}
KINDS = {
    "pods": "Pod",
    "services": "Service",
    "configmaps": "ConfigMap",
    "serviceaccounts": "ServiceAccount",
    "nodes": "Node",
    "namespaces": "Namespace",
    "secrets": "Secret",
    "deployments": "Deployment",
    "replicasets": "ReplicaSet",
    "endpointslices": "EndpointSlice",
    "networkpolicies": "NetworkPolicy",
    "customresourcedefinitions": "CustomResourceDefinition",
    "widgets": "Widget",
    "gateways": "Gateway",
    "events": "Event",
}
CLUSTER_SCOPED = {"nodes", "namespaces", "customresourcedefinitions"}


@dataclass(frozen=True)
class Address:
    """A path of the API, taken apart."""

    resource: str
    key: NamespacedName
    subresource: str = ""


def parse(path: str) -> Address:
    words = path.strip("/").split("/")
    words = words[2:] if words[0] == "api" else words[3:]
    namespace = ""
    if words[0] == "namespaces" and len(words) > 2 and words[2] not in {"status", "finalize"}:
        namespace, words = words[1], words[2:]
    words += ["", ""]
    return Address(words[0], NamespacedName(namespace, words[1]), words[2])


class FakeApi(Client):
    """The server, in the client's place."""

    def __init__(self) -> None:
        super().__init__(Credentials("", "", "", ""))
        self.served = dict(SERVED)
        self.cluster_scoped = set(CLUSTER_SCOPED)
        self.objects: dict[str, dict[NamespacedName, dict[str, Any]]] = {}
        self.calls: Counter[tuple[str, str]] = Counter()
        self.lose_answers: Counter[tuple[str, str]] = Counter()
        self.refuse: dict[tuple[str, str], ApiError] = {}
        self._held: set[str] = set()
        self._versions = itertools.count(1)
        self._version = 0
        self._log: list[tuple[int, str, bytes]] = []
        self._changed = asyncio.Event()

    def put(self, kind: Kind[Any], name: str, namespace: str = "", **fields: Any) -> dict[str, Any]:
        """An object that a user makes; replaces one of the same name."""
        metadata = {**fields.pop("metadata", {}), "name": name}
        key = NamespacedName(namespace, name)
        old = self.objects.setdefault(kind.resource, {}).get(key)
        if old is None:
            return self._create(kind.resource, key, {"metadata": metadata, **fields})
        return self._store(kind.resource, key, {**old, **fields, "metadata": {**old["metadata"], **metadata}})

    def all(self, kind: Kind[Any]) -> list[dict[str, Any]]:
        """The objects of a kind, by name."""
        return [item for _, item in sorted(self.objects.get(kind.resource, {}).items())]

    def history(self, kind: Kind[Any]) -> list[dict[str, Any]]:
        """Every state that an object of the kind has had."""
        return [msgspec.json.decode(line)["object"] for _, resource, line in self._log if resource == kind.resource]

    def remove(self, kind: Kind[Any], key: NamespacedName) -> None:
        """Remove the object at once, as when a node has ended a pod."""
        self._remove(kind.resource, key)

    def hold(self, *kinds: Kind[Any]) -> None:
        """Delay the watches of these kinds until the next call; without kinds, deliver all delayed events."""
        self._held = {kind.resource for kind in kinds}
        self._changed.set()

    async def until(self, condition: Callable[[], bool], seconds: float | None = DEADLINE_SECONDS) -> None:
        """Wait until the condition holds; it is evaluated after each request and each change."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def watch(self, kind: Kind[Any], namespace: str = "", **parameters: str) -> AsyncIterator[bytes]:
        assert not namespace, "controllers watch all namespaces"
        position = int(parameters["resourceVersion"])
        while True:
            news = [entry for entry in self._log if entry[0] > position and entry[1] == kind.resource]
            news = [] if kind.resource in self._held else news
            for version, _, line in news:
                position = version
                yield line
            if not news:
                self._changed.clear()
                await self._changed.wait()

    async def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        parameters: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        del parameters
        await asyncio.sleep(0)
        if document := self._discovery(path):
            return document
        address = parse(path)
        self.calls[method, address.resource] += 1
        self._changed.set()
        if refusal := self.refuse.get((method, address.resource)):
            raise refusal
        content = msgspec.json.decode(body) if body else {}
        if content_type == STRATEGIC_MERGE_PATCH:
            content = _with_other_conditions(self._get(address.resource, address.key), content)
        answer = self._answer(method, address, content)
        if self.lose_answers[method, address.resource]:
            self.lose_answers[method, address.resource] -= 1
            raise ConnectionResetError("the answer is lost")
        return msgspec.json.encode(answer)

    def _discovery(self, path: str) -> bytes:
        if path == "/apis":
            versions = [p.removeprefix("/apis/") for p in self.served if p.startswith("/apis/")]
            groups = [{"name": v.split("/")[0], "preferredVersion": {"groupVersion": v}} for v in versions]
            return msgspec.json.encode({"groups": groups})
        if path not in self.served:
            if path.startswith("/apis/") and path.count("/") == 3:
                raise ApiError(404, "NotFound", f"{path} is not served")  # its definition went after /apis was read
            return b""
        resources = [
            {
                "name": name,
                "kind": KINDS[name],
                "namespaced": name not in self.cluster_scoped,
                "verbs": ["get", "list", "watch", "delete"],
            }
            for name in self.served[path]
        ]
        version = path.removeprefix("/apis/").removeprefix("/api/")
        return msgspec.json.encode({"groupVersion": version, "resources": resources})

    def _answer(self, method: str, address: Address, body: dict[str, Any]) -> dict[str, Any]:
        resource, key = address.resource, address.key
        match method, bool(key.name), address.subresource:
            case "GET", False, _:
                return self._list(resource, key.namespace)
            case "GET", True, _:
                return self._get(resource, key)
            case "POST", _, "binding":
                return self._bind(key, body)
            case "POST", False, _:
                return self._create(resource, NamespacedName(key.namespace, body["metadata"]["name"]), body)
            case "PUT", _, "finalize":
                return self._finalize(key, body)
            case "PUT", _, part:
                return self._write(resource, key, body, part)
            case "PATCH", _, part:
                return self._write(resource, key, _merged(self._get(resource, key), body), part, patch=body)
            case "DELETE", False, _:
                for item in list(self.objects.get(resource, {})):
                    if item.namespace == key.namespace:
                        self._delete(resource, item, {})
                return {}
            case "DELETE", True, _:
                return self._delete(resource, key, body)
            case _:
                raise ApiError(405, "MethodNotAllowed", method)

    def _list(self, resource: str, namespace: str) -> dict[str, Any]:
        items = [
            item for key, item in self.objects.get(resource, {}).items() if not namespace or key.namespace == namespace
        ]
        return {"items": items, "metadata": {"resourceVersion": str(self._version)}}

    def _get(self, resource: str, key: NamespacedName) -> dict[str, Any]:
        try:
            return self.objects.get(resource, {})[key]
        except KeyError:
            raise ApiError(404, "NotFound", f'{resource} "{key}" not found') from None

    def _create(self, resource: str, key: NamespacedName, body: dict[str, Any]) -> dict[str, Any]:
        if key in self.objects.get(resource, {}):
            raise ApiError(409, "AlreadyExists", f'{resource} "{key}" already exists')
        uid = f"{resource}-{next(self._versions)}"
        metadata = {**body["metadata"], "uid": uid, "generation": 1, "creationTimestamp": CREATED}
        if key.namespace:
            metadata["namespace"] = key.namespace
        if resource == "namespaces":
            body = {**body, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
        return self._store(resource, key, {**body, "metadata": metadata})

    def _write(
        self,
        resource: str,
        key: NamespacedName,
        body: dict[str, Any],
        part: str,
        patch: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        old = self._get(resource, key)
        given = (body if patch is None else patch).get("metadata", {})
        for field in ("uid", "resourceVersion"):
            if field in given and given[field] != old["metadata"].get(field):
                raise ApiError(409, "Conflict", f"{field} of {key} is {old['metadata'].get(field)}")
        kept = {"status": old["status"]} if "status" in old else {}
        new = {**old, "status": body.get("status", {})} if part == "status" else {**body, "status": {}, **kept}
        fixed = {k: old["metadata"][k] for k in ("uid", "creationTimestamp", "generation", "resourceVersion")}
        new["metadata"] = {**body["metadata"], **fixed} if part == "" else old["metadata"]
        if new.get("spec") != old.get("spec"):
            new["metadata"]["generation"] += 1
        ending = new["metadata"].get("deletionTimestamp") and not new["metadata"].get("finalizers")
        if ending and resource not in {"pods", "namespaces"}:
            return self._remove(resource, key)
        if new == old:
            return old
        return self._store(resource, key, new)

    def _bind(self, key: NamespacedName, body: dict[str, Any]) -> dict[str, Any]:
        pod = self._get("pods", key)
        if pod["spec"].get("nodeName"):
            raise ApiError(409, "Conflict", f"{key} has a node already")
        return self._store("pods", key, {**pod, "spec": {**pod["spec"], "nodeName": body["target"]["name"]}})

    def _finalize(self, key: NamespacedName, body: dict[str, Any]) -> dict[str, Any]:
        assert not body["spec"]["finalizers"]
        return self._remove("namespaces", key)

    def _delete(self, resource: str, key: NamespacedName, options: dict[str, Any]) -> dict[str, Any]:
        old = self._get(resource, key)
        if options.get("preconditions", {}).get("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]:
            raise ApiError(409, "Conflict", f"{key} is another object now")
        word = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(options.get("propagationPolicy", ""))
        finalizers = [*old["metadata"].get("finalizers", []), *([word] if word else [])]
        if not finalizers and resource not in {"pods", "namespaces"}:
            return self._remove(resource, key)
        metadata = {**old["metadata"], "deletionTimestamp": CREATED, "finalizers": finalizers}
        return self._store(resource, key, {**old, "metadata": metadata})

    def _store(self, resource: str, key: NamespacedName, item: dict[str, Any]) -> dict[str, Any]:
        known = key in self.objects.setdefault(resource, {})
        self._version = next(self._versions)
        item = {**item, "metadata": {**item["metadata"], "resourceVersion": str(self._version)}}
        self.objects[resource][key] = item
        self._record(resource, "MODIFIED" if known else "ADDED", item)
        return item

    def _remove(self, resource: str, key: NamespacedName) -> dict[str, Any]:
        item = self.objects[resource].pop(key)
        self._version = next(self._versions)
        item = {**item, "metadata": {**item["metadata"], "resourceVersion": str(self._version)}}
        self._record(resource, "DELETED", item)
        return item

    def _record(self, resource: str, event: str, item: dict[str, Any]) -> None:
        self._log.append((self._version, resource, msgspec.json.encode({"type": event, "object": item})))
        self._changed.set()


def _merged(old: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    base = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            base.pop(name, None)
        else:
            base[name] = _merged(base.get(name), value)
    return base


def _with_other_conditions(old: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """A merge patch for a strategic one of `status.conditions`, which are merged by their type."""
    new = patch["status"]["conditions"]
    types = {one["type"] for one in new}
    kept = [one for one in old.get("status", {}).get("conditions", []) if one["type"] not in types]
    return {**patch, "status": {**patch["status"], "conditions": [*kept, *new]}}


@contextlib.asynccontextmanager
async def running(informers: SharedInformers, *loops: Any) -> AsyncIterator[None]:
    """Follow the server, then work, until the block ends."""
    tasks = [asyncio.create_task(informers.run())]
    async with asyncio.timeout(DEADLINE_SECONDS):
        await informers.synced()
    tasks += [asyncio.create_task(loop.run()) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        errors = [r for r in results if isinstance(r, Exception)]
        assert not errors, errors
