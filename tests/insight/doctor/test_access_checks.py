"""Findings about an agent and its way to the API server and the DNS."""

from __future__ import annotations

from typing import Any

import pytest

from podwire.agent.agent_status import AgentStatus, InformerState, RefusedRows, RepairedRows
from podwire.insight.doctor import access_checks as checks
from podwire.insight.doctor.node_facts import ApiFact, DnsFact, Expiry, NodeFacts, Right
from podwire.insight.doctor.report import Finding, Level
from tests.insight.doctor.scene import NOW, WELL, YEAR, facts

ROLE = "podwire:agent"


def found(given: NodeFacts) -> list[Finding]:
    whole = (checks.agent, checks.rows, checks.api, checks.credentials, checks.dns)
    return [*(one for check in whole for one in check(given)), *checks.rights(given, ROLE)]


def state(*informers: InformerState, ready: bool = True, refused: tuple[RefusedRows, ...] = ()) -> AgentStatus:
    return AgentStatus("1.0", "a", ready, informers, refused)


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert not found(WELL)
    assert not found(facts(agent=None, agent_problem="", installed=False, api=None, dns=()))


@pytest.mark.parametrize(
    ("changes", "level", "words", "remedy"),
    [
        ({"agent": None, "agent_problem": "refused"}, Level.ERROR, "no agent answers", "podwire logs agent --node a"),
        ({"agent": state(ready=False)}, Level.ERROR, "the agent is not ready", "podwire logs"),
        (
            {"agent": state(InformerState("pods", False, None, 0, "forbidden", "bind the role"), ready=False)},
            Level.ERROR,
            "not listed yet: forbidden",
            "bind the role",
        ),
        (
            {"agent": state(InformerState("pods", True, 200.4, 0, "unreachable", "look at it"))},
            Level.WARNING,
            "not followed for 200 s: unreachable",
            "look at it",
        ),
        ({"agent": state(InformerState("pods", True, 1.0, 2))}, Level.WARNING, "2 objects of pods", "podwire logs"),
        (
            {"agent": state(refused=(RefusedRows("services", 3, "service4 x: busy"),))},
            Level.ERROR,
            "refuses 3 rows of services, such as: service4 x: busy",
            "podwire rows services --node a",
        ),
        (
            {"agent": AgentStatus("1.0", "a", True, repaired=(RepairedRows("policy", 2, "lacks x", 5),))},
            Level.ERROR,
            "the kernel differed from 2 rows of policy and lacks x",
            "nft monitor",
        ),
        (
            {"agent": AgentStatus("1.0", "a", True, repaired=(RepairedRows("policy", 0, "", 5),))},
            Level.WARNING,
            "5 rows of policy were changed by something else",
            "podwire logs agent --node a",
        ),
        ({"api": ApiFact("https://x", "timed out")}, Level.ERROR, "https://x is not reached: timed out", "--server"),
        ({"api": ApiFact("https://x", "", 800.0)}, Level.WARNING, "answers in 800 ms", "load"),
        (
            {"api": ApiFact("https://x", "", 3.0, 0.0, NOW - 5)},
            Level.ERROR,
            "certificate of the API server expired at 2027-01-15T07:59:55Z",
            "kubeadm certs renew",
        ),
        ({"denied": (Right("list", "nodes"), Right("watch", "nodes"))}, Level.ERROR, "may not list, watch nodes", ROLE),
        ({"problems": {"rights": "404"}}, Level.WARNING, "does not review rights: 404", "system:basic-user"),
        ({"expiries": (Expiry("token", NOW + 86400),)}, Level.WARNING, "the token expires at", "renew it"),
        ({"expiries": (Expiry("token", NOW + 60, renewed=True),)}, Level.WARNING, "the token expires", "the kubelet"),
        (
            {"dns": (DnsFact("10.96.0.10", "TCP", "timed out"),)},
            Level.ERROR,
            "10.96.0.10 does not answer by TCP",
            "pods",
        ),
    ],
)
def test_what_is_wrong_is_found_alone(changes: dict[str, Any], level: Level, words: str, remedy: str) -> None:
    (one,) = found(facts(**changes))
    assert (one.level, one.object) == (level, "a")
    assert words in one.finding
    assert remedy in one.remedy


def test_a_token_that_the_kubelet_renews_may_be_short() -> None:
    assert not found(facts(expiries=(Expiry("token", NOW + 600, renewed=True), Expiry("x", NOW + YEAR))))
