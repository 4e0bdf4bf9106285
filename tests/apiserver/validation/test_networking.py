from typing import Any

import pytest

from tests.apiserver.validation.objects import problems


@pytest.mark.parametrize(
    ("name", "path", "value", "expected"),
    [
        (
            "networking.k8s.io/v1 NetworkPolicy",
            "spec.podSelector",
            {"matchExpressions": [{"key": "a", "operator": "Has"}]},
            'spec.podSelector.matchExpressions[0].operator: Invalid value: "Has": not a valid selector operator',
        ),
        (
            "networking.k8s.io/v1 NetworkPolicy",
            "spec.podSelector",
            {"matchExpressions": [{"key": "a", "operator": "In"}]},
            (
                "spec.podSelector.matchExpressions[0].values: Required value: must be specified when "
                "`operator` is 'In' or 'NotIn'"
            ),
        ),
        (
            "networking.k8s.io/v1 NetworkPolicy",
            "spec.ingress",
            [{"from": [{"ipBlock": {"cidr": "10.0.0.0/33"}}]}],
            (
                'spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.0.0.0/33": must be a valid CIDR value, '
                "(e.g. 10.9.8.0/24 or 2001:db8::/64)"
            ),
        ),
        (
            "networking.k8s.io/v1 NetworkPolicy",
            "spec.ingress",
            [{"from": [{"ipBlock": {"cidr": "10.0.0.1/8"}}]}],
            (
                'spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.0.0.1/8": must not have bits set beyond the '
                "prefix length"
            ),
        ),
        (
            "networking.k8s.io/v1 NetworkPolicy",
            "spec.egress",
            [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}]}],
            'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`',
        ),
        (
            "networking.k8s.io/v1 NetworkPolicy",
            "spec.ingress",
            [{"ports": [{"port": 90, "endPort": 80}]}],
            "spec.ingress[0].ports[0].endPort: Invalid value: 80: must be greater than or equal to `port`",
        ),
        (
            "networking.k8s.io/v1 NetworkPolicy",
            "spec.ingress",
            [{"ports": [{"port": "http", "endPort": 80}]}],
            "spec.ingress[0].ports[0].endPort: Invalid value: 80: may not be specified when `port` is non-numeric",
        ),
        (
            "networking.k8s.io/v1 NetworkPolicy",
            "spec.ingress",
            [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}],
            "spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer",
        ),
        (
            "networking.k8s.io/v1 NetworkPolicy",
            "spec.ingress",
            [{"from": [{}]}],
            "spec.ingress[0].from[0]: Required value: must specify a peer",
        ),
        (
            "networking.k8s.io/v1 NetworkPolicy",
            "spec.policyTypes",
            ["ingress"],
            'spec.policyTypes[0]: Unsupported value: "ingress": supported values: "Ingress", "Egress"',
        ),
        (
            "networking.k8s.io/v1 Ingress",
            "spec.rules.0.http.paths.0.pathType",
            None,
            "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified",
        ),
        (
            "networking.k8s.io/v1 Ingress",
            "spec.rules.0.http.paths.0.path",
            "shop",
            'spec.rules[0].http.paths[0].path: Invalid value: "shop": must be an absolute path',
        ),
        (
            "networking.k8s.io/v1 Ingress",
            "spec.rules.0.host",
            "10.1.2.3",
            'spec.rules[0].host: Invalid value: "10.1.2.3": must be a DNS name, not an IP address',
        ),
        (
            "networking.k8s.io/v1 Ingress",
            "spec.rules",
            [],
            "spec: Invalid value: []: either `defaultBackend` or `rules` must be specified",
        ),
    ],
)
def test_wrong_values_are_reported_in_upstreams_words(name: str, path: str, value: Any, expected: str) -> None:
    assert expected in problems(name, {path: value})


@pytest.mark.proves("schema-messages")
@pytest.mark.parametrize(
    ("name", "path", "value", "expected"),
    [
        (
            "networking.k8s.io/v1 IngressClass",
            "spec.controller",
            "mine",
            'spec.controller: Invalid value: "mine": must be a domain-prefixed path (such as "acme.io/foo")',
        ),
        (
            "networking.k8s.io/v1 IngressClass",
            "spec.parameters",
            {"kind": "A", "name": "b", "scope": "Namespace"},
            "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'",
        ),
        (
            "networking.k8s.io/v1 IngressClass",
            "spec.parameters",
            {"kind": "A", "name": "b", "namespace": "c"},
            "spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'",
        ),
        (
            "networking.k8s.io/v1 IngressClass",
            "spec.parameters",
            {"kind": "a/b", "name": "b"},
            "spec.parameters.kind: Invalid value: \"a/b\": may not contain '/'",
        ),
        (
            "v1 Endpoints",
            "subsets",
            [{"addresses": [{"ip": "10.0.0.1", "nodeName": "A"}]}],
            'subsets[0].addresses[0].nodeName: Invalid value: "A"',
        ),
        (
            "v1 Endpoints",
            "subsets",
            [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80, "appProtocol": "a b"}]}],
            'subsets[0].ports[0].appProtocol: Invalid value: "a b"',
        ),
        (
            "discovery.k8s.io/v1 EndpointSlice",
            "endpoints",
            [{"addresses": ["10.0.0.1"], "hints": {"forZones": [{"name": "a"}, {"name": "a"}]}}],
            'endpoints[0].hints.forZones[1].name: Duplicate value: "a"',
        ),
        (
            "discovery.k8s.io/v1 EndpointSlice",
            "endpoints",
            [{"addresses": ["10.0.0.1"], "hints": {"forNodes": [{"name": "A"}]}}],
            'endpoints[0].hints.forNodes[0].name: Invalid value: "A"',
        ),
        (
            "discovery.k8s.io/v1 EndpointSlice",
            "endpoints",
            [{"addresses": ["fd00::1"]}],
            'endpoints[0].addresses: Invalid value: "fd00::1": must be an IPv4 address',
        ),
        (
            "v1 Service",
            "metadata.generateName",
            "Web-",
            'metadata.generateName: Invalid value: "Web-": a lowercase RFC 1123 label must consist of',
        ),
        (
            "v1 Service",
            "metadata.annotations",
            {"service.kubernetes.io/topology-mode": "Auto", "service.kubernetes.io/topology-aware-hints": "auto"},
            (
                'metadata.annotations[service.kubernetes.io/topology-mode]: Invalid value: "Auto": must match '
                "annotations[service.kubernetes.io/topology-aware-hints] when both are specified"
            ),
        ),
        (
            "v1 Service",
            "metadata.annotations",
            {"service.beta.kubernetes.io/load-balancer-source-ranges": "10.0.0.0/8"},
            (
                "metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: Forbidden: may only be "
                "used when `type` is 'LoadBalancer'"
            ),
        ),
        (
            "v1 Service",
            "spec.ports.0.appProtocol",
            "a b",
            'spec.ports[0].appProtocol: Invalid value: "a b"',
        ),
    ],
)
def test_parts_of_other_kinds_are_checked_too(name: str, path: str, value: Any, expected: str) -> None:
    found = problems(name, {path: value})
    assert any(text.startswith(expected) for text in found), found
