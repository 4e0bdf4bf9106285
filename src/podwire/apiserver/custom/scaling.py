"""The subresource `/scale` of kinds of users: their definition has the paths of its parts.

Source: k8s.io/apiextensions-apiserver `pkg/registry/customresource/etcd.go` scaleFromCustomResource.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.apiserver.base import status
from podwire.apiserver.custom import simple_path

if TYPE_CHECKING:
    from podwire.apiserver.kinds.custom_resource import ScalePaths

Object = dict[str, Any]


def replicas(obj: Object, paths: ScalePaths) -> int:
    """The desired number; raises StatusError 500 where the object has none, as upstream."""
    found = simple_path.read(obj, paths.spec_replicas_path)
    if not isinstance(found, int):
        raise status.internal(f'the spec replicas field "{paths.spec_replicas_path}" does not exist')
    return found


def state(obj: Object, paths: ScalePaths) -> Object:
    """The status of the Scale: current replicas and selector."""
    counted = simple_path.read(obj, paths.status_replicas_path)
    selector = simple_path.read(obj, paths.label_selector_path) if paths.label_selector_path else None
    found: Object = {"replicas": counted if isinstance(counted, int) else 0}
    return {**found, "selector": selector} if isinstance(selector, str) else found


def scaled(obj: Object, paths: ScalePaths, desired: int) -> Object:
    """The object with another desired number."""
    return simple_path.write(obj, paths.spec_replicas_path, desired)
