"""The priority of a pod, from its PriorityClass or the cluster's default class.

Source: k8s.io/kubernetes `plugin/pkg/admission/priority`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.apiserver.base import status
from podwire.apiserver.storage.revisions import Key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podwire.apiserver.storage.revisions import Event
    from podwire.apiserver.storage.store import Store
    from podwire.apiserver.writes.admission import Write

Object = dict[str, Any]

STORAGE = "priorityclasses.scheduling.k8s.io"
NO_CLASS: Object = {"value": 0, "preemptionPolicy": "PreemptLowerPriority"}

_COMPUTED = "priority admission controller computed {} from the given PriorityClass name"


class PodPriority:
    """Fills `priority` and `preemptionPolicy` of new pods. Knows the default class from what is stored."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._default: Object | None = None

    def start(self) -> None:
        """Find the default class, and follow changes of classes."""
        self._find_default()
        self._store.subscribe(self._on_events)

    def admit(self, write: Write) -> None:
        """Complete a pod; raises StatusError 403 for an unknown class, other numbers, or a second default class."""
        if write.resource.storage == STORAGE:
            self._check_only_default(write)
        elif write.resource.storage != "pods":
            return
        elif write.old is None:
            self._complete(write)
        else:
            for part in ("priority", "preemptionPolicy"):
                if part in write.old["spec"]:
                    write.obj["spec"].setdefault(part, write.old["spec"][part])

    def _complete(self, write: Write) -> None:
        spec, name = write.obj["spec"], write.obj["metadata"]["name"]
        found = self._class_of(write, spec.get("priorityClassName", ""))
        if "metadata" in found:
            spec["priorityClassName"] = found["metadata"]["name"]
        value, policy = found.get("value", 0), found.get("preemptionPolicy")
        if spec.setdefault("priority", value) != value:
            given = f"the integer value of priority ({spec['priority']}) must not be provided in pod spec"
            raise status.forbidden(write.resource, name, f"{given}; {_COMPUTED.format(value)}")
        if policy and spec.setdefault("preemptionPolicy", policy) != policy:
            given = (
                f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in pod spec"
            )
            raise status.forbidden(write.resource, name, f"{given}; {_COMPUTED.format(policy)}")

    def _class_of(self, write: Write, name: str) -> Object:
        if not name:
            return self._default or NO_CLASS
        stored = write.transaction.get(Key(STORAGE, "", name))
        if stored is None:
            why = f"no PriorityClass with name {name} was found"
            raise status.forbidden(write.resource, write.obj["metadata"]["name"], why)
        return stored.object()

    def _check_only_default(self, write: Write) -> None:
        held = self._default
        name = write.obj["metadata"]["name"]
        if write.obj.get("globalDefault") and held is not None and held["metadata"]["name"] != name:
            why = f"PriorityClass {held['metadata']['name']} is already marked as default. Only one default can exist"
            raise status.forbidden(write.resource, name, why)

    def _on_events(self, events: Sequence[Event]) -> None:
        if any(event.key.storage == STORAGE for event in events):
            self._find_default()

    def _find_default(self) -> None:
        """Choose the class with the lowest value, where several are marked as default."""
        classes = (stored.object() for stored in self._store.objects(STORAGE))
        marked = [one for one in classes if one.get("globalDefault")]
        self._default = min(marked, key=lambda one: int(one.get("value", 0)), default=None)
