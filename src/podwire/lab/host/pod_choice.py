"""The pod that a name of a command means: that pod, or one of a workload's. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

import msgspec

from podwire.kube.core import Pod
from podwire.kube.kind_words import KIND_WORDS
from podwire.kube.pod_workloads import workload
from podwire.lab.host.worlds import WorldError

MOST_SHOWN = 5


class Name(msgspec.Struct, frozen=True):
    """A name as it is written: `POD`, `NAMESPACE/NAME`, `KIND/NAME`, `NAMESPACE/KIND/NAME`; kind may be empty."""

    text: str
    namespace: str
    kind: str
    name: str


class Chosen(msgspec.Struct, frozen=True):
    """A pod, and of how many of the workload it is one; 0 where the pod itself is named."""

    pod: Pod
    of: int = 0


def parsed(text: str) -> Name:
    """Return the parts of a name; the namespace is `default` where none is written. Raises WorldError."""
    parts = text.split("/")
    if len(parts) == 3 and parts[1].lower() in KIND_WORDS:
        return Name(text, parts[0], KIND_WORDS[parts[1].lower()], parts[2])
    if len(parts) == 2 and parts[0].lower() in KIND_WORDS:
        return Name(text, "default", KIND_WORDS[parts[0].lower()], parts[1])
    if len(parts) > 2 or not all(parts):
        raise WorldError(f"{text}: write POD, NAMESPACE/NAME, KIND/NAME or NAMESPACE/KIND/NAME")
    return Name(text, parts[0] if len(parts) == 2 else "default", "", parts[-1])


def choose(name: Name, pods: Iterable[Pod], others: Sequence[str]) -> Chosen:
    """Return the pod of this name, else a ready one of the workload. `pods` are those of the namespace.

    `others` are names that are no pods, for the error. Raises WorldError where nothing has the name, or several
    workloads have it, or none of its pods runs.
    """
    known = tuple(pods)
    if name.kind in ("", "Pod"):
        exact = next((one for one in known if one.metadata.name == name.name), None)
        if exact is not None:
            return Chosen(_running(name, [exact]))
    found: dict[str, list[Pod]] = {}
    for one in known:
        made = workload(one.metadata.name, one.metadata.labels, one.metadata.owner_references)
        if made.name == name.name and name.kind in ("", made.kind):
            found.setdefault(made.kind, []).append(one)
    if not found:
        raise _unknown(name, known, others)
    if len(found) > 1:
        choices = " or ".join(f"{name.namespace}/{kind.lower()}/{name.name}" for kind in sorted(found))
        raise WorldError(f"{name.text} means several: write {choices}")
    (of_workload,) = found.values()
    return Chosen(_running(name, of_workload), len(of_workload))


def _running(name: Name, pods: Sequence[Pod]) -> Pod:
    """Return the best pod to run something in: ready, not terminating, the first by name."""
    placed = [one for one in pods if one.spec.node_name and not one.finished]
    if not placed:
        raise WorldError(f"{name.text}: none of its pods runs; see 'kubectl -n {name.namespace} get pods'")
    return min(placed, key=lambda one: (one.metadata.deletion_timestamp is not None, not one.ready, one.metadata.name))


def _unknown(name: Name, pods: Iterable[Pod], others: Sequence[str]) -> WorldError:
    made = (workload(one.metadata.name, one.metadata.labels, one.metadata.owner_references) for one in pods)
    names = sorted({one.name for one in made} | {one.metadata.name for one in pods})
    near = difflib.get_close_matches(name.name, names, MOST_SHOWN, 0.4) or names[:MOST_SHOWN]
    shown = f"; in namespace {name.namespace} there is {', '.join(near)}" if near else ""
    return WorldError(f"{name.text}: is no pod or workload, and none of {', '.join(others)}{shown}")
