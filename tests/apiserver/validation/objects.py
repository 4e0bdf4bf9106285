"""The smallest right object of each kind, and what validation says of it once a value is changed."""

import copy
from typing import Any

from podwire.apiserver import defaults, validation
from podwire.apiserver.kinds.builtin import registry
from podwire.apiserver.kinds.resources import Resource
from podwire.apiserver.writes import strategy

REGISTRY = registry()
Object = dict[str, Any]

POD_OF_A_JOB = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i:1"}]}

BASE: dict[str, dict[str, Any]] = {
    "v1 Service": {"spec": {"ports": [{"port": 80}], "selector": {"app": "web"}}},
    "v1 Pod": {"spec": {"containers": [{"name": "web", "image": "nginx:1"}]}},
    "apps/v1 Deployment": {
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "nginx"}]},
            },
        }
    },
    "networking.k8s.io/v1 NetworkPolicy": {"spec": {"podSelector": {}}},
    "discovery.k8s.io/v1 EndpointSlice": {
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.244.1.2"]}],
        "ports": [{"port": 80}],
    },
    "networking.k8s.io/v1 Ingress": {
        "spec": {
            "rules": [
                {
                    "host": "shop.example.com",
                    "http": {
                        "paths": [
                            {
                                "path": "/",
                                "pathType": "Prefix",
                                "backend": {"service": {"name": "web", "port": {"number": 80}}},
                            }
                        ]
                    },
                }
            ]
        }
    },
    "v1 ConfigMap": {"data": {"key": "value"}},
    "v1 Secret": {"stringData": {"password": "x"}},
    "v1 Namespace": {},
    "v1 Node": {},
    "v1 Endpoints": {"subsets": [{"addresses": [{"ip": "10.244.1.2"}], "ports": [{"port": 80}]}]},
    "networking.k8s.io/v1 IngressClass": {"spec": {"controller": "example.com/mine"}},
    "coordination.k8s.io/v1 Lease": {},
    "scheduling.k8s.io/v1 PriorityClass": {"value": 1},
    "batch/v1 CronJob": {
        "spec": {
            "schedule": "*/5 * * * *",
            "jobTemplate": {"spec": {"template": {"spec": POD_OF_A_JOB}}},
        }
    },
    "batch/v1 Job": {
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "busybox"}]}}}
    },
    "apps/v1 StatefulSet": {
        "spec": {
            "serviceName": "db",
            "selector": {"matchLabels": {"app": "db"}},
            "template": {
                "metadata": {"labels": {"app": "db"}},
                "spec": {"containers": [{"name": "db", "image": "postgres:16"}]},
            },
        }
    },
    "policy/v1 PodDisruptionBudget": {"spec": {"selector": {"matchLabels": {"app": "web"}}}},
    "rbac.authorization.k8s.io/v1 RoleBinding": {
        "roleRef": {"kind": "Role", "name": "reader"},
        "subjects": [{"kind": "User", "name": "jane"}],
    },
}


def kind(name: str) -> Resource:
    api_version, _, word = name.partition(" ")
    found = REGISTRY.by_kind(api_version, word)
    assert found is not None
    return found


def make(name: str, changes: Object | None = None) -> Object:
    """The smallest right object of a kind, with values set at paths such as `spec.ports.0.port`."""
    resource = kind(name)
    metadata = {"name": "web", "uid": "u", "resourceVersion": "1"}
    if resource.namespaced:
        metadata["namespace"] = "shop"
    obj: Object = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
    obj |= copy.deepcopy(BASE[name])
    for path, value in (changes or {}).items():
        put(obj, path, value)
    return obj


def put(obj: Any, path: str, value: Any) -> None:
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parents:
        if isinstance(part, str) and part not in obj:
            obj[part] = {}
        obj = obj[part]
    if value is None:
        obj.pop(last, None)
    else:
        obj[last] = value


def problems(name: str, changes: Object | None = None, old: Object | None = None) -> list[str]:
    resource, obj = kind(name), make(name, changes)
    assert validation.mistyped(resource, obj) == ""
    defaults.apply(resource, obj)
    if old is None:
        strategy.before_create(resource, obj)
    else:
        defaults.apply(resource, old)
        strategy.before_update(resource, obj, old)
    return [str(cause) for cause in validation.validate(resource, obj, old)]
