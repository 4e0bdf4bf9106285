"""docs/reference/agent.md says what the programs do."""

import re
from pathlib import Path

from podwire.agent.announcing import of_announcements, of_bgp
from podwire.agent.conntrack_metrics import of_conntrack
from podwire.agent.dropped_packets import of_drops, of_established
from podwire.agent.flow_records import of_flows
from podwire.agent.kernel_features import KernelFeatures
from podwire.agent.metrics import of_reconcilers
from podwire.agent.proxy_health import ProxyHealth
from podwire.agent.proxy_metrics import ProxyMetrics
from podwire.agent.service_checks import of_local_policies
from podwire.component.informer_metrics import of_informers
from podwire.component.metrics import of_process, of_readiness
from podwire.component.permissions import AGENT, DNS, RULES, RULES_IN
from podwire.dns.measured import QueryMetrics, of_configuration, of_forwarding
from podwire.kernel.features import FEATURES
from podwire.kube.coordination import AGENT_LEASES
from podwire.kube.deadlines import Deadlines
from podwire.pods.runtime.requests import CniRequests

PAGE = (Path(__file__).parents[2] / "docs/reference/agent.md").read_text()


def test_every_metric_is_described_with_its_type() -> None:
    families = (
        *ProxyMetrics(ProxyHealth("a")).families(),
        of_local_policies(0, 0),
        *of_informers(()),
        *of_reconcilers(()),
        *of_announcements(0, 0, 0),
        *of_bgp(0, {}),
        *of_drops({}, {}),
        *of_flows({}, 0, 0),
        of_established(0),
        *of_conntrack(None),
        *CniRequests().families(),
        *KernelFeatures().families(),
        of_readiness(ready=True),
        *of_process(),
        # podwire dns
        *QueryMetrics().families(),
        *of_forwarding(None),
        *of_configuration(None, 0),
    )
    described = re.findall(r"^\| `([a-z_]+)` \| (counter|gauge|histogram) \|", PAGE, re.MULTILINE)
    assert described == [(family.name, family.kind) for family in families]


def test_the_rights_are_those_of_the_role_in_a_world() -> None:
    described = re.findall(r"^\| `podwire (agent|dns)` \| (\S+) \| (.*) \| (.*) \|", PAGE, re.MULTILINE)
    for program, role in (("agent", AGENT), ("dns", DNS)):
        granted = {(group or "core", name, ", ".join(verbs)) for group, names, verbs in RULES[role] for name in names}
        assert (f"| `podwire {program}`, in `{AGENT_LEASES}` |" in PAGE) == (role in RULES_IN)
        rows = ((group, names, verbs) for name, group, names, verbs in described if name == program)
        assert {(group, name, verbs) for group, names, verbs in rows for name in names.split(", ")} == granted


def test_the_deadlines_are_those_of_the_client() -> None:
    limits = Deadlines()
    silent = limits.idle + 3 * limits.probe
    for text in (f"| {silent} s |", f"| {limits.watch_silence:g} s |", f"| {limits.call:g} s |"):
        assert text in PAGE


def test_every_kernel_feature_is_in_the_table() -> None:
    for feature in FEATURES:
        essential = "yes" if feature.essential else "no"
        assert f"| {feature.name} | {feature.serves} | {feature.modules} | {essential} |" in PAGE
