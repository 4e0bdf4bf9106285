"""Why a selector selects no pod: the label that is missing, and the nearest that exist. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from podwire.insight.lint.scene import Scene
from podwire.insight.lint.selectors import LabelIndex
from podwire.insight.snapshot.written import NAME_LABEL
from podwire.kube.meta import LabelSelector


class LabelHints:
    """Labels of pods by namespace and of all, and of namespaces."""

    def __init__(self, scene: Scene) -> None:
        by_namespace: defaultdict[str, list[Mapping[str, str]]] = defaultdict(list)
        for group in scene.answer.question.groups:
            if not group.host_network:
                by_namespace[group.namespace].append(group.labels)
        self._pods = {name: LabelIndex(found) for name, found in by_namespace.items()}
        self._all = LabelIndex(one for found in by_namespace.values() for one in found)
        self._namespaces = scene.answer.question.namespaces
        self._of_namespaces = LabelIndex(self._namespaces.values())
        self._homes = by_namespace

    def of_pods(self, selector: LabelSelector, namespace: str | None) -> str:
        """Return what is missing in a namespace, in all where it is None; empty where each label is there by itself."""
        if namespace is not None and namespace not in self._pods:
            return f"namespace {namespace} has no pods"
        index = self._all if namespace is None else self._pods[namespace]
        missing = list(index.missing(selector))
        if not missing:
            return ""
        key, value = missing[0]
        elsewhere = [name for name, found in self._homes.items() if any(one.get(key) == value for one in found)]
        near = index.nearest(key, value)
        if elsewhere and namespace is not None:
            return f"{_label(key, value)} is in namespace {', '.join(sorted(elsewhere)[:3])} only"
        return f"nobody has {_label(key, value)}" + (f"; there is {', '.join(near)}" if near else "")

    def of_namespaces(self, selector: LabelSelector) -> str:
        """Return what is missing of namespaces; empty where each label is there by itself."""
        missing = list(self._of_namespaces.missing(selector))
        if not missing:
            return ""
        key, value = missing[0]
        if value in self._namespaces and key != NAME_LABEL:
            return f"no namespace has {_label(key, value)}; namespace {value} has {NAME_LABEL}={value}"
        near = self._of_namespaces.nearest(key, value)
        return f"no namespace has {_label(key, value)}" + (f"; there is {', '.join(near)}" if near else "")


def _label(key: str, value: str) -> str:
    return f"{key}={value}" if value else key
