"""What the plugin reads and says, without a world."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from podwire.testing import eventually
from podwire.testing.kubectl import is_path
from podwire.testing.namespaces import label
from podwire.testing.report import SYSTEM, last_events, troubles, unready
from podwire.testing.targets import Target, parse, selector_text
from podwire.testing.verdict import PATIENCE, Verdict, settle, split


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("web", Target("here", "pod", "web")),
        ("pod/web", Target("here", "pod", "web")),
        ("shop/web", Target("shop", "pod", "web")),
        ("deploy/web", Target("here", "deploy", "web")),
        ("shop/deploy/web", Target("shop", "deploy", "web")),
        ("shop/po/web", Target("shop", "pod", "web")),
    ],
)
def test_a_target_is_read(text: str, target: Target) -> None:
    assert parse(text, "here") == target


@pytest.mark.parametrize("text", ["", "/", "shop/", "a/b/c", "a/b/c/d", "shop/ingress/web"])
def test_what_is_no_target_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(ValueError, match="NAMESPACE/KIND/NAME"):
        parse(text, "here")


def test_a_selector_is_said_in_kubectls_words() -> None:
    expressions = [
        {"key": "tier", "operator": "In", "values": ["a", "b"]},
        {"key": "old", "operator": "DoesNotExist"},
        {"key": "app", "operator": "Exists"},
        {"key": "zone", "operator": "NotIn", "values": ["z"]},
    ]
    text = selector_text({"matchLabels": {"app": "web"}, "matchExpressions": expressions})
    assert text == "app=web,tier in (a,b),!old,app,zone notin (z)"


@pytest.mark.parametrize(
    ("text", "door"),
    [
        ("backend:80", ("backend", 80)),
        ("[fd00::1]:80", ("fd00::1", 80)),
        ("shop/deploy/web:8080", ("shop/deploy/web", 8080)),
    ],
)
def test_a_door_is_a_host_and_a_port(text: str, door: tuple[str, int]) -> None:
    assert split(text) == door


@pytest.mark.parametrize(
    "text", ["backend", ":80", "backend:http", "backend:0", "backend:65536", "backend:\u0668\u0660"]
)
def test_what_is_no_door_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        split(text)


def test_a_verdict_waits_for_what_is_expected() -> None:
    answers = iter(["refused", "silent", "open", "silent"])
    assert settle(lambda _: next(answers), "open", 20)[0] == "open"
    assert settle(lambda _: "refused", "silent", 0)[0] == "refused"


def test_silence_over_udp_is_a_denial_when_it_was_seen_twice_the_second_time_for_longer() -> None:
    waits: list[float] = []

    def judged(*answers: str, protocol: str) -> str:
        left = iter(answers)

        def ask(seconds: float) -> str:
            waits.append(seconds)
            return next(left)

        return settle(ask, "silent", 0, PATIENCE[protocol])[0]

    assert judged("silent", "open", protocol="UDP") == "open", "the answer of a busy machine comes late"
    assert judged("silent", "silent", protocol="UDP") == "silent"
    assert waits[-1] > waits[-2]
    assert judged("silent", protocol="TCP") == "silent"


@pytest.mark.parametrize(
    ("expected", "seen", "words"),
    [
        ("silent", "open", "it was let through"),
        ("silent", "refused", "nothing listens on that port"),
        ("silent", "no-name", "the name was not found"),
        ("open", "silent", "a policy, or no route"),
        ("open", "Network is unreachable", "Network is unreachable"),
    ],
)
def test_a_verdict_that_is_not_as_expected_says_why(expected: str, seen: str, words: str) -> None:
    verdict = Verdict("a", "b:80", "TCP", expected, seen, 1.0)
    assert not verdict
    assert words in repr(verdict)
    assert Verdict("a", "b:80", "TCP", expected, expected, 1.0)


def test_the_words_of_a_condition_are_the_error_in_the_end() -> None:
    def never() -> bool:
        raise AssertionError("two are missing")

    with pytest.raises(AssertionError, match="all here did not hold within 0 s: two are missing"):
        eventually(never, 0, "all here")
    assert eventually(lambda: "yes") == "yes"


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        ("k8s/", True),
        ("https://example.com/a.yaml", True),
        ("kind: Pod", False),
        ("kind: Pod\n", False),
        ('{"kind": "Pod"}', False),
        ("a\nb", False),
    ],
)
def test_a_manifest_is_a_path_or_a_text(manifest: str, expected: bool) -> None:
    assert is_path(manifest) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("test_web_is_open", "web-is-open"),
        ("test_a[shop/deploy-1]", "a-shop-deploy-1"),
        ("test_", "test"),
        ("test_" + "ab_" * 30, "-".join(["ab"] * 14)[:40].strip("-")),
    ],
)
def test_a_namespace_is_named_after_its_test(words: str, expected: str) -> None:
    assert label(words) == expected


def event(version: int, *, kind: str = "Normal", namespace: str = "shop") -> dict[str, Any]:
    return {
        "metadata": {"namespace": namespace, "resourceVersion": str(version), "creationTimestamp": "x"},
        "involvedObject": {"kind": "Pod", "namespace": namespace, "name": f"p{version}"},
        "type": kind,
        "reason": "Started",
        "message": f"message {version}",
        "lastTimestamp": "2026-11-21T10:00:00Z",
        "count": version,
    }


NOW = datetime(2026, 11, 21, 10, 0, 30, tzinfo=UTC)


def test_the_last_events_are_the_newest_of_the_users_objects() -> None:
    events = [event(n) for n in (30, 2, 11, 29, *range(40, 47))] + [event(47, kind="Warning")]
    lines = last_events(events, set(), NOW)
    assert lines[1] == "  10:00:00 Normal Started pod shop/p29: message 29 (29 times)"
    assert [line.split("message ")[1].split()[0] for line in lines[1:]] == ["29", "30", *map(str, range(40, 48))]
    assert last_events([], set(), NOW) == ["No events."]


def test_of_the_clusters_own_only_a_late_warning_about_unready_pods_is_reported() -> None:
    warning, normal = (event(98, namespace=SYSTEM, kind=kind) for kind in ("Warning", "Normal"))
    pod = {"kind": "Pod", "metadata": {"namespace": SYSTEM, "name": "p98"}, "status": {"phase": "Pending"}}
    waiting = unready([pod])
    assert waiting == {"pod kube-system/p98"}
    assert "Warning Started pod kube-system/p98" in last_events([warning, normal], waiting, NOW)[1]
    assert last_events([normal], waiting, NOW) == ["No events."]
    assert last_events([warning], waiting, NOW + timedelta(minutes=1)) == ["No events."]
    assert last_events([warning], unready([pod | {"status": {"phase": "Succeeded"}}]), NOW) == ["No events."]


def test_troubles_are_few_lines() -> None:
    def pod(number: int, phase: str) -> dict[str, Any]:
        return {"kind": "Pod", "metadata": {"namespace": "a", "name": f"p{number}"}, "status": {"phase": phase}}

    assert troubles([pod(1, "Succeeded")]) == ["Everything is ready (pods: 1)."]
    lines = troubles([pod(number, "Pending") for number in range(13)])
    assert (lines[0], lines[1], lines[-1]) == ("Not ready:", "  pod a/p0: Pending", "... and 3 more")
