"""Parts of a pod's spec: each table has values that are refused, with upstream's words, and values that are not."""

from typing import Any

import pytest

from tests.apiserver.validation.objects import problems

C = "spec.containers.0"
P = "spec.containers[0]"
DIVISORS = "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei"
SUBDOMAIN = "regex used for validation is"

REFUSED: list[tuple[str, Any, str]] = [
    # requests and limits
    (
        f"{C}.resources",
        {"requests": {"cpu": "2"}, "limits": {"cpu": "1000m"}},
        f'{P}.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
    ),
    (
        f"{C}.resources",
        {"requests": {"example.com/gpu": "1"}, "limits": {"example.com/gpu": "2"}},
        f'{P}.resources.requests: Invalid value: "1": must be equal to example.com/gpu limit of 2',
    ),
    (
        f"{C}.resources",
        {"requests": {"example.com/gpu": "1"}},
        f"{P}.resources.limits: Required value: Limit must be set for non overcommitable resources",
    ),
    (
        f"{C}.resources",
        {"limits": {"memory": "-1Mi"}},
        f'{P}.resources.limits[memory]: Invalid value: "-1Mi": must be greater than or equal to 0',
    ),
    (
        f"{C}.resources",
        {"limits": {"pods": "1"}},
        f'{P}.resources.limits[pods]: Invalid value: "pods": must be a standard resource for containers',
    ),
    (
        f"{C}.resources",
        {"limits": {"gpu": "1"}},
        f'{P}.resources.limits[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified',
    ),
    (
        f"{C}.resources",
        {"limits": {"hugepages-2Mi": "2Mi"}},
        f"{P}.resources: Forbidden: HugePages require cpu or memory",
    ),
    (
        "spec",
        {"resources": {"limits": {"cpu": "1"}}, "containers": [{"name": "a", "resources": {"limits": {"cpu": "2"}}}]},
        'spec.resources.containers[0][cpu].limits: Invalid value: "2": must be less than or equal to pod limits of 1',
    ),
    # environment
    (f"{C}.env", [{"name": "a=b"}], f'{P}.env[0].name: Invalid value: "a=b": a valid environment variable name'),
    (
        f"{C}.env",
        [{"name": "A", "valueFrom": {}}],
        (
            f'{P}.env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, '
            "`configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        ),
    ),
    (
        f"{C}.env",
        [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.startTime"}}}],
        (
            f'{P}.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "status.startTime": error converting fieldPath: '
            "field label not supported: status.startTime"
        ),
    ),
    (
        f"{C}.env",
        [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.phase"}}}],
        (
            f'{P}.env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "status.phase": supported values: '
            '"metadata.name", "metadata.namespace"'
        ),
    ),
    (
        f"{C}.env",
        [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a b']"}}}],
        f'{P}.env[0].valueFrom.fieldRef: Invalid value: "a b": ',
    ),
    (
        f"{C}.env",
        [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.disk"}}}],
        (
            f'{P}.env[0].valueFrom.resourceFieldRef.resource: Unsupported value: "limits.disk": supported values: '
            '"limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu"'
        ),
    ),
    (
        f"{C}.env",
        [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "10m"}}}],
        (
            f'{P}.env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": '
            "only divisor's values 1m and 1 are supported with the cpu resource"
        ),
    ),
    (
        f"{C}.env",
        [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "2Mi"}}}],
        f"only divisor's values {DIVISORS} are supported with the memory resource",
    ),
    (
        f"{C}.env",
        [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "a/b"}}}],
        f'{P}.env[0].valueFrom.configMapKeyRef.key: Invalid value: "a/b": a valid config key',
    ),
    (
        f"{C}.envFrom",
        [{"prefix": "A="}],
        f'{P}.envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`',
    ),
    # probes and hooks
    (
        f"{C}.readinessProbe",
        {"tcpSocket": {"port": 80}, "terminationGracePeriodSeconds": 5},
        f"{P}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: must not be set for readinessProbes",
    ),
    (
        f"{C}.livenessProbe",
        {"tcpSocket": {"port": 80}, "terminationGracePeriodSeconds": -1},
        f"{P}.livenessProbe.terminationGracePeriodSeconds: Invalid value: -1: must be greater than 0",
    ),
    (
        f"{C}.livenessProbe",
        {"httpGet": {"port": 80, "httpHeaders": [{"name": "a b", "value": ""}]}},
        f'{P}.livenessProbe.httpGet.httpHeaders: Invalid value: "a b": a valid HTTP header must consist of',
    ),
    (
        f"{C}.lifecycle",
        {"preStop": {"sleep": {"seconds": 60}}},
        (
            f"{P}.lifecycle.preStop.sleep: Invalid value: 60: must be non-negative and less than "
            "terminationGracePeriodSeconds (30)"
        ),
    ),
    (
        f"{C}.lifecycle",
        {"stopSignal": "SIGUSR1"},
        f"{P}.lifecycle.stopSignal: Forbidden: may not be set for containers with empty `spec.os.name`",
    ),
    (
        "spec.initContainers",
        [{"name": "i", "image": "i", "livenessProbe": {"tcpSocket": {"port": 80}}}],
        (
            "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without "
            "restartPolicy=Always"
        ),
    ),
    # volumes and mounts
    ("spec.volumes", [{"name": "v", "hostPath": {"path": "/a/../b"}}], "must not contain '..'"),
    (
        "spec.volumes",
        [{"name": "v", "hostPath": {"path": "/a", "type": "Folder"}}],
        'spec.volumes[0].hostPath.type: Unsupported value: "Folder": supported values: "", "BlockDevice"',
    ),
    (
        "spec.volumes",
        [{"name": "v", "emptyDir": {"sizeLimit": "-1"}}],
        "spec.volumes[0].emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity",
    ),
    (
        "spec.volumes",
        [{"name": "v", "downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "status.podIP"}}]}}],
        'fieldRef.fieldPath: Unsupported value: "status.podIP": supported values: "metadata.annotations"',
    ),
    (
        "spec.volumes",
        [{"name": "v", "downwardAPI": {"items": [{"path": "a", "resourceFieldRef": {"resource": "limits.cpu"}}]}}],
        "resourceFieldRef.containerName: Required value",
    ),
    (
        "spec.volumes",
        [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 60}}]}}],
        "serviceAccountToken.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes",
    ),
    (
        "spec.volumes",
        [
            {
                "name": "v",
                "projected": {"sources": [{"secret": {"name": "s", "items": [{"key": "a", "path": "p"}] * 2}}]},
            }
        ],
        'spec.volumes[0].projected: Invalid value: "s": conflicting duplicate paths',
    ),
    (
        "spec",
        {
            "volumes": [{"name": "v"}],
            "containers": [{"name": "a", "volumeMounts": [{"name": "v", "mountPath": "/", "subPathExpr": "/x"}]}],
        },
        'volumeMounts[0].subPathExpr: Invalid value: "/x": must be a relative path',
    ),
    (
        "spec",
        {
            "volumes": [{"name": "v"}],
            "containers": [
                {"name": "a", "volumeMounts": [{"name": "v", "mountPath": "/", "mountPropagation": "Bidirectional"}]}
            ],
        },
        "Forbidden: Bidirectional mount propagation is available only to privileged containers",
    ),
    # users and namespaces
    (
        f"{C}.securityContext",
        {"runAsUser": 2**31},
        f"{P}.securityContext.runAsUser: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive",
    ),
    (
        "spec.securityContext",
        {"sysctls": [{"name": "net.core.somaxconn", "value": "1"}, {"name": "net.core.somaxconn", "value": "2"}]},
        'spec.securityContext.sysctls[1].name: Duplicate value: "net.core.somaxconn"',
    ),
    (
        "spec.securityContext",
        {"supplementalGroups": [-1]},
        "spec.securityContext.supplementalGroups[0]: Invalid value: -1: must be between 0 and 2147483647, inclusive",
    ),
    (
        "spec.securityContext",
        {"seccompProfile": {"type": "Localhost"}},
        "spec.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type",
    ),
    (
        f"{C}.securityContext",
        {"allowPrivilegeEscalation": False, "privileged": True},
        "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
    ),
    # nodes
    (
        "spec.tolerations",
        [{"operator": "Equal", "value": "a"}],
        'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty',
    ),
    (
        "spec.tolerations",
        [{"key": "a", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 3}],
        "effect must be 'NoExecute' when `tolerationSeconds` is set",
    ),
    (
        "spec.tolerations",
        [{"key": "a", "effect": "Never"}],
        'spec.tolerations[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule"',
    ),
    (
        "spec.affinity",
        {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}},
        "nodeSelectorTerms: Required value: must have at least one node selector term",
    ),
    (
        "spec.affinity",
        {
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 101, "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname"}}
                ]
            }
        },
        "preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be in the range 1-100",
    ),
    (
        "spec.topologySpreadConstraints",
        [{"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
        "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
    ),
    ("spec.schedulingGates", [{"name": "a"}, {"name": "a"}], 'spec.schedulingGates[1]: Duplicate value: "a"'),
    # names
    ("spec.priorityClassName", "A", 'spec.priorityClassName: Invalid value: "A": a lowercase RFC 1123 subdomain'),
    (
        "spec",
        {"hostnameOverride": "a.b", "hostNetwork": True, "containers": [{"name": "a"}]},
        "spec.hostnameOverride: Forbidden: may not be specified when hostNetwork is true",
    ),
    # DNS
    (
        "spec.dnsConfig",
        {"searches": ["a..b"]},
        (
            'spec.dnsConfig.searches[0]: Invalid value: "a..b": a lowercase RFC 1123 subdomain must consist of '
            "lower case alphanumeric characters, '_', '-' or '.'"
        ),
    ),
    ("spec.dnsConfig", {"searches": ["a" * 250] * 9}, "must not have more than 2048 characters (including spaces)"),
    ("spec.dnsConfig", {"options": [{}]}, "spec.dnsConfig.options[0]: Required value: must not be empty"),
]

ALLOWED: list[tuple[str, Any]] = [
    (f"{C}.resources", {"requests": {"cpu": "1000m"}, "limits": {"cpu": "1", "memory": "1Gi"}}),
    (f"{C}.resources", {"limits": {"example.com/gpu": "2"}}),
    ("spec.resources", {"limits": {"cpu": "2"}}),
    (f"{C}.env", [{"name": "my-name.1", "value": "x"}, {"name": "1A"}]),
    (f"{C}.env", [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}}]),
    (f"{C}.env", [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIPs"}}}]),
    (
        f"{C}.env",
        [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1024Ki"}}}],
    ),
    (f"{C}.lifecycle", {"preStop": {"sleep": {"seconds": 30}}}),
    ("spec.initContainers", [{"name": "i", "image": "i", "restartPolicy": "Always"}]),
    ("spec.volumes", [{"name": "v", "hostPath": {"path": "/var/log", "type": "DirectoryOrCreate"}}]),
    ("spec.tolerations", [{"operator": "Exists"}]),
    ("spec.dnsConfig", {"searches": [".", "_tcp.example.com", "my_domain", "a.b."]}),
    ("spec.securityContext", {"sysctls": [{"name": "net/ipv4/ip_forward", "value": "1"}], "fsGroup": 2**31 - 1}),
]


def reported(path: str, value: Any) -> list[str]:
    if path == "spec":
        containers = [{"image": "i:1", **one} for one in value["containers"]]
        return problems("v1 Pod", {"spec": {**value, "containers": containers}})
    return problems("v1 Pod", {path: value})


@pytest.mark.proves("schema-messages")
@pytest.mark.parametrize(("path", "value", "expected"), REFUSED)
def test_a_wrong_part_of_a_pod_is_refused(path: str, value: Any, expected: str) -> None:
    assert any(expected in text for text in reported(path, value)), reported(path, value)


@pytest.mark.parametrize(("path", "value"), ALLOWED)
def test_a_right_part_of_a_pod_is_not(path: str, value: Any) -> None:
    assert reported(path, value) == []


def test_a_template_may_leave_out_host_ports_and_a_pod_gets_them() -> None:
    ports = {"hostNetwork": True, "containers": [{"name": "a", "ports": [{"containerPort": 80}]}]}
    assert reported("spec", ports) == []
    wrong = {"hostNetwork": True, "containers": [{"name": "a", "ports": [{"containerPort": 80, "hostPort": 81}]}]}
    assert reported("spec", wrong) == [
        "spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true"
    ]
