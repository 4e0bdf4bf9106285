"""The cases of Kubernetes' own end-to-end tests (test/e2e/network/netpol) as a table.

Three namespaces x, y, z of three pods a, b, c each; every pod serves ports 80 and 81. `expected` is read line by line,
the last line that fits counts; without any line everything is allowed. A pod always reaches itself.
"""

from __future__ import annotations

import fnmatch
import itertools
from dataclasses import dataclass, field

from tests.policy.cluster import Cluster, namespace, network_policy, pod

NAMESPACES, PODS = "xyz", "abc"
KEYS = tuple(f"{n}/{p}" for n, p in itertools.product(NAMESPACES, PODS))
PORTS = "serve-80-tcp=80/TCP serve-81-tcp=81/TCP serve-80-udp=80/UDP serve-81-udp=81/UDP"


def addresses(key: str) -> str:
    """The IPv4 and IPv6 address of a pod: x is 10.0.1, a is .1."""
    n, p = NAMESPACES.index(key[0]) + 1, PODS.index(key[2]) + 1
    return f"10.0.{n}.{p} fd00:{n}::{p}"


def model() -> Cluster:
    cluster = Cluster()
    cluster.add(*(namespace(n, ns=n) for n in NAMESPACES))
    cluster.add(*(pod(key, addresses(key), ports=PORTS) for key in KEYS))
    return cluster


@dataclass(frozen=True)
class Case:
    """Policies by name and spec (`$a` selects pods named a), and for some probes who reaches whom."""

    title: str
    policies: dict[str, str]
    expected: str
    probes: tuple[tuple[str, int], ...] = (("TCP", 80),)
    after: str = field(default="")
    """A change made after the policies stand: `label x/a k=v`, `namespace y k=v`, `delete x/p`."""

    def allowed(self, source: str, destination: str, protocol: str, port: int) -> bool:
        if source == destination:
            return True
        answer = True
        for line in filter(None, map(str.strip, self.expected.splitlines())):
            word, left, _, right, *only = line.split()
            fits = fnmatch.fnmatch(source, left) and fnmatch.fnmatch(destination, right)
            if fits and (not only or f"{protocol}/{port}" in only):
                answer = word == "allow"
        return answer

    def apply(self, cluster: Cluster) -> None:
        for key, spec in self.policies.items():
            cluster.add(network_policy(key, spec.replace("$a", "podSelector: {matchLabels: {pod: a}}")))
        verb, *words = self.after.split() or [""]
        if verb == "label":
            cluster.add(pod(words[0], addresses(words[0]), ports=PORTS, labels=words[1]))
        elif verb == "namespace":
            label, _, value = words[1].partition("=")
            cluster.add(namespace(words[0], ns=words[0], **{label: value}))
        elif verb == "delete":
            cluster.remove(next(p for p in cluster.policies() if str(p.key) == words[0]))


DENY_INGRESS = "{podSelector: {}, policyTypes: [Ingress]}"
DENY_ALL = "{podSelector: {}, policyTypes: [Ingress, Egress]}"
BOTH = (("TCP", 80), ("TCP", 81))
MIXED = (("TCP", 80), ("TCP", 81), ("UDP", 80), ("UDP", 81))

CASES = (
    Case("nothing selects", {}, ""),
    Case("default-deny-ingress", {"x/p": DENY_INGRESS}, "deny * > x/*", MIXED),
    Case("default-deny-all", {"x/p": DENY_ALL}, "deny * > x/*\n deny x/* > *", MIXED),
    Case(
        "allow ingress from pods in all namespaces",
        {"x/p": "{$a, ingress: [{from: [{namespaceSelector: {}}]}]}"},
        "",
    ),
    Case(
        "allow ingress for a target",
        {"x/deny": DENY_INGRESS, "x/p": "{$a, ingress: [{from: [{podSelector: {}}]}]}"},
        "deny * > x/*\n allow x/* > x/a",
    ),
    Case(
        "only pods of the server's namespace by podSelector",
        {"x/p": "{$a, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]}"},
        "deny * > x/a\n allow x/b > x/a",
    ),
    Case(
        "only a different namespace by namespaceSelector",
        {"x/p": "{$a, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}]}]}"},
        "deny * > x/a\n allow y/* > x/a",
        MIXED,
    ),
    Case(
        "podSelector matchExpressions",
        {
            "x/p": "{$a, ingress: [{from: [{podSelector: {matchExpressions: "
            "[{key: pod, operator: In, values: [b, c]}]}}]}]}"
        },
        "deny * > x/a\n allow x/* > x/a",
    ),
    Case(
        "namespaceSelector matchExpressions NotIn",
        {
            "x/p": "{$a, ingress: [{from: [{namespaceSelector: {matchExpressions: "
            "[{key: ns, operator: NotIn, values: [x, z]}]}}]}]}"
        },
        "deny * > x/a\n allow y/* > x/a",
    ),
    Case(
        "podSelector or namespaceSelector",
        {
            "x/p": "{$a, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}},"
            " {namespaceSelector: {matchLabels: {ns: y}}}]}]}"
        },
        "deny * > x/a\n allow x/b > x/a\n allow y/* > x/a",
    ),
    Case(
        "podSelector and namespaceSelector",
        {
            "x/p": "{$a, ingress: [{from: [{podSelector: {matchLabels: {pod: b}},"
            " namespaceSelector: {matchLabels: {ns: y}}}]}]}"
        },
        "deny * > x/a\n allow y/b > x/a",
    ),
    Case(
        "several podSelectors and namespaceSelectors",
        {
            "x/p": "{$a, ingress: [{from: [{namespaceSelector: {matchExpressions: "
            "[{key: ns, operator: NotIn, values: [x]}]}, podSelector: {matchExpressions: "
            "[{key: pod, operator: In, values: [b, c]}]}}]}]}"
        },
        "deny * > x/a\n allow [yz]/[bc] > x/a",
    ),
    Case(
        "any podSelectors",
        {
            "x/p": "{$a, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}},"
            " {podSelector: {matchLabels: {pod: c}}}]}]}"
        },
        "deny * > x/a\n allow x/[bc] > x/a",
    ),
    Case(
        "ports",
        {
            "x/p": "{$a, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}],"
            " ports: [{port: 81, protocol: TCP}]}]}"
        },
        "deny * > x/a\n allow y/* > x/a TCP/81",
        MIXED,
    ),
    Case(
        "stacked policies with overlapping podSelectors",
        {
            "x/p": "{$a, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}], ports: [{port: 80}]}]}",
            "x/q": "{$a, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}], ports: [{port: 81}]}]}",
        },
        "deny * > x/a\n allow y/* > x/a",
        BOTH,
    ),
    Case("allow-all", {"x/p": "{podSelector: {}, ingress: [{}]}"}, ""),
    Case(
        "ingress on one named port",
        {"x/p": "{$a, ingress: [{ports: [{port: serve-81-tcp}]}]}"},
        "deny * > x/a\n allow * > x/a TCP/81",
        MIXED,
    ),
    Case(
        "ingress from a namespace on one named port",
        {
            "x/p": "{$a, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}],"
            " ports: [{port: serve-80-tcp}]}]}"
        },
        "deny * > x/a\n allow y/* > x/a TCP/80",
        BOTH,
    ),
    Case(
        "egress on one named port",
        {"x/p": "{$a, policyTypes: [Egress], egress: [{ports: [{port: serve-80-tcp}]}]}"},
        "deny x/a > *\n allow x/a > * TCP/80",
        MIXED,
    ),
    Case(
        "a name that no pod knows, or of another protocol",
        {"x/p": "{$a, ingress: [{ports: [{port: absent}, {port: serve-80-udp, protocol: TCP}]}]}"},
        "deny * > x/a",
        MIXED,
    ),
    Case(
        "ingress from an updated namespace",
        {"x/p": "{$a, ingress: [{from: [{namespaceSelector: {matchLabels: {ns2: updated}}}]}]}"},
        "deny * > x/a\n allow y/* > x/a",
        after="namespace y ns2=updated",
    ),
    Case(
        "ingress from an updated pod",
        {"x/p": "{$a, ingress: [{from: [{podSelector: {matchLabels: {pod2: updated}}}]}]}"},
        "deny * > x/a\n allow x/b > x/a",
        after="label x/b pod2=updated",
    ),
    Case(
        "deny ingress to an updated pod",
        {"x/p": "{podSelector: {matchLabels: {target: isolated}}, policyTypes: [Ingress]}"},
        "deny * > x/a",
        after="label x/a target=isolated",
    ),
    Case(
        "deny egress by podSelector",
        {"x/p": "{$a, policyTypes: [Egress]}"},
        "deny x/a > *",
        MIXED,
    ),
    Case("deny egress from a namespace", {"x/p": "{podSelector: {}, policyTypes: [Egress]}"}, "deny x/* > *"),
    Case(
        "ingress and egress together",
        {
            "x/p": "{$a, policyTypes: [Ingress, Egress],"
            " ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}],"
            " egress: [{to: [{podSelector: {matchLabels: {pod: b}}}]}]}"
        },
        "deny * > x/a\n deny x/a > *\n allow x/b > x/a\n allow x/a > x/b",
    ),
    Case(
        "denied by the client's side although the server allows",
        {
            "x/p": "{$a, policyTypes: [Egress], egress: [{to: [{podSelector: {}}]}]}",
            "y/p": "{$a, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: x}}}]}]}",
        },
        "deny x/a > *\n allow x/a > x/*\n deny * > y/a\n allow x/* > y/a\n deny x/a > y/a",
    ),
    Case(
        "several ingress policies, allow-all wins",
        {"x/p": "{$a, ingress: [{ports: [{port: 80}]}]}", "x/q": "{$a, ingress: [{}]}"},
        "",
        BOTH,
    ),
    Case(
        "several egress policies, allow-all wins",
        {
            "x/p": "{$a, policyTypes: [Egress], egress: [{ports: [{port: 80}]}]}",
            "x/q": "{$a, policyTypes: [Egress], egress: [{}]}",
        },
        "",
        BOTH,
    ),
    Case("nothing is enforced after the policy is deleted", {"x/p": DENY_ALL}, "", MIXED, after="delete x/p"),
    Case(
        "egress to a CIDR",
        {
            "x/p": "{$a, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.2.2/32}},"
            " {ipBlock: {cidr: 'fd00:2::2/128'}}]}]}"
        },
        "deny x/a > *\n allow x/a > y/b",
    ),
    Case(
        "egress to a named port in a CIDR that covers pods",
        {
            "x/p": "{$a, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.2.2/32}},"
            " {ipBlock: {cidr: 'fd00:2::/64'}}, {ipBlock: {cidr: 10.0.3.0/24}}], ports: [{port: serve-81-tcp}]}]}",
            "x/q": "{$a, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.2.0/24, except: [10.0.2.2/32]}},"
            " {ipBlock: {cidr: 'fd00:3::/64'}}], ports: [{port: serve-81-tcp}]}]}",
        },
        "deny x/a > *\n allow x/a > y/* TCP/81\n allow x/a > z/* TCP/81",
        MIXED,
    ),
    Case(
        "egress to a CIDR with an except",
        {
            "x/p": "{$a, policyTypes: [Egress], egress: [{to: ["
            "{ipBlock: {cidr: 10.0.2.0/24, except: [10.0.2.2/32]}},"
            " {ipBlock: {cidr: 'fd00:2::/64', except: ['fd00:2::2/128']}}]}]}"
        },
        "deny x/a > *\n allow x/a > y/*\n deny x/a > y/b",
    ),
    Case(
        "an address in one block's except may be allowed by another policy",
        {
            "x/p": "{$a, policyTypes: [Egress], egress: [{to: ["
            "{ipBlock: {cidr: 10.0.2.0/24, except: [10.0.2.2/32]}},"
            " {ipBlock: {cidr: 'fd00:2::/64', except: ['fd00:2::2/128']}}]}]}",
            "x/q": "{$a, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.2.2/32}},"
            " {ipBlock: {cidr: 'fd00:2::2/128'}}]}]}",
        },
        "deny x/a > *\n allow x/a > y/*",
    ),
    Case(
        "ingress from a CIDR with ports, pods' addresses included",
        {
            "x/p": "{$a, ingress: [{from: [{ipBlock: {cidr: 10.0.2.0/24}},"
            " {ipBlock: {cidr: 'fd00:2::/64'}}], ports: [{port: 80, endPort: 81, protocol: UDP}, {port: 81}]}]}"
        },
        "deny * > x/a\n allow y/* > x/a UDP/80 UDP/81 TCP/81",
        MIXED,
    ),
    Case(
        "ingress and egress independently by podSelector",
        {
            "x/p": "{$a, policyTypes: [Ingress]}",
            "x/q": "{podSelector: {matchLabels: {pod: b}}, policyTypes: [Egress]}",
        },
        "deny * > x/a\n deny x/b > *",
    ),
    Case(
        "no TCP where only UDP is allowed",
        {"x/p": "{$a, ingress: [{ports: [{port: 81, protocol: UDP}]}]}"},
        "deny * > x/a\n allow * > x/a UDP/81",
        MIXED,
    ),
    Case(
        "the default label of namespaces, matchExpressions",
        {
            "x/p": "{$a, ingress: [{from: [{namespaceSelector: {matchExpressions: "
            "[{key: kubernetes.io/metadata.name, operator: NotIn, values: [x, y]}]}}]}]}"
        },
        "deny * > x/a\n allow z/* > x/a",
    ),
    Case(
        "the default label of namespaces, matchLabels",
        {"x/p": "{$a, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: z}}}]}]}"},
        "deny * > x/a\n allow z/* > x/a",
    ),
    Case(
        "deny ingress from other namespaces",
        {"x/p": "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}"},
        "deny * > x/*\n allow x/* > x/*",
    ),
    Case(
        "an SCTP rule is not read as TCP, and isolates",
        {"x/p": "{$a, ingress: [{ports: [{port: 80, protocol: SCTP}]}]}"},
        "deny * > x/a",
        MIXED,
    ),
    Case(
        "any port of a specific protocol",
        {"x/p": "{$a, ingress: [{ports: [{protocol: UDP}]}]}"},
        "deny * > x/a\n allow * > x/a UDP/80 UDP/81",
        MIXED,
    ),
    Case(
        "any port of a protocol for pods only",
        {"x/p": "{$a, ingress: [{from: [{namespaceSelector: {}}], ports: [{protocol: TCP}]}]}"},
        "deny * > x/a\n allow * > x/a TCP/80 TCP/81",
        MIXED,
    ),
    Case(
        "endPort, short and long",
        {
            "x/p": "{$a, ingress: [{from: [{podSelector: {}}], ports: [{port: 79, endPort: 80}]},"
            " {from: [{namespaceSelector: {matchLabels: {ns: z}}}], ports: [{port: 81, endPort: 4000}]}]}"
        },
        "deny * > x/a\n allow x/* > x/a TCP/80\n allow z/* > x/a TCP/81",
        MIXED,
    ),
    Case(
        "endPort below port allows nothing",
        {"x/p": "{$a, ingress: [{ports: [{port: 81, endPort: 80}]}]}"},
        "deny * > x/a",
        BOTH,
    ),
    Case(
        "egress to a server in another namespace by both selectors",
        {
            "x/p": "{$a, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {ns: y}},"
            " podSelector: {matchLabels: {pod: a}}}]}]}"
        },
        "deny x/a > *\n allow x/a > y/a",
        MIXED,
    ),
    Case(
        "a peer that is not valid matches nobody",
        {
            "x/p": "{$a, ingress: [{from: [{}, {ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}},"
            " {ipBlock: {cidr: 10.0.0.0/33}}, {podSelector: {matchExpressions: [{key: pod, operator: Like}]}}]}]}"
        },
        "deny * > x/a",
    ),
)
