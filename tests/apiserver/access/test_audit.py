from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from podwire.apiserver.access.audit import AuditLog, Outcome
from podwire.apiserver.base.attributes import Attributes
from podwire.apiserver.base.authentication import User
from podwire.apiserver.base.requests import Request
from podwire.apiserver.main import running
from tests.apiserver.conftest import Files, Talk, configuration

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECRETS = "/api/v1/namespaces/default/secrets"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


@pytest.fixture
async def audited(files: Files, log: Path) -> AsyncIterator[Talk]:
    async with running(configuration(files, audit_file=str(log))) as server:
        yield Talk(server)


def events(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


@pytest.mark.proves("audit-log")
async def test_an_event_has_user_verb_and_object(audited: Talk, log: Path) -> None:
    secret = {"metadata": {"name": "s"}, "stringData": {"password": "correct horse"}}
    await audited.ok("POST", SECRETS, secret, user_agent="tests")
    (event,) = events(log)
    assert event["kind"] == "Event"
    assert event["apiVersion"] == "audit.k8s.io/v1"
    assert (event["level"], event["stage"], event["verb"]) == ("Metadata", "ResponseComplete", "create")
    assert event["requestURI"] == SECRETS
    assert event["user"]["username"] == "kubernetes-admin"
    assert event["objectRef"] == {"resource": "secrets", "namespace": "default", "apiVersion": "v1"}
    assert event["responseStatus"]["code"] == 201
    assert (event["sourceIPs"], event["userAgent"]) == (["192.0.2.1"], "tests")
    assert "correct horse" not in log.read_text()


async def test_refusals_are_recorded_too(audited: Talk, log: Path) -> None:
    await audited.as_user("eve").refused("GET", f"{SECRETS}/s")
    await Talk(audited.server, None).refused("GET", SECRETS)
    await audited.refused("GET", f"{SECRETS}/none")
    found = [
        (e["user"].get("username"), e["responseStatus"]["code"], e["responseStatus"]["reason"]) for e in events(log)
    ]
    assert found == [
        ("eve", 403, "Forbidden"),
        (None, 401, "Unauthorized"),
        ("kubernetes-admin", 404, "NotFound"),
    ]


async def test_both_users_of_an_impersonation_are_recorded(audited: Talk, log: Path) -> None:
    await audited.impersonating(("impersonate-user", "bob")).ok("GET", "/api")
    (event,) = events(log)
    assert event["user"]["username"] == "kubernetes-admin"
    assert event["impersonatedUser"]["username"] == "bob"
    assert "objectRef" not in event


async def test_a_watch_is_recorded_when_it_starts(audited: Talk, log: Path) -> None:
    await audited.watch(f"{SECRETS}?watch=true")
    (event,) = events(log)
    assert (event["stage"], event["verb"]) == ("ResponseStarted", "watch")


async def test_the_log_has_no_token(audited: Talk, log: Path) -> None:
    made = await audited.ok("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", {})
    token = made["status"]["token"]
    await audited.ok("GET", "/api", authorization=f"Bearer {token}")
    assert len(events(log)) == 2
    assert token.split(".")[2] not in log.read_text()


def test_the_file_stays_small(log: Path) -> None:
    audit = AuditLog(log, lambda: NOW, largest=2000)
    request = Request("GET", "/api", User("eve"))
    for number in range(50):
        audit.record(request, Outcome(request.user, Attributes("get", path="/api"), number), NOW)
    audit.close()
    assert sorted(path.name for path in log.parent.iterdir()) == ["audit.log", "audit.log.1"]
    assert all(path.stat().st_size <= 2000 for path in log.parent.iterdir())
    assert events(log)[-1]["responseStatus"]["code"] == 49
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_rotation_that_failed_is_made_up_for(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = AuditLog(log, lambda: NOW, largest=500)
    request = Request("GET", "/api", User("eve"))

    def record(code: int) -> None:
        audit.record(request, Outcome(request.user, Attributes("get", path="/api"), code), NOW)

    record(1)
    with monkeypatch.context() as patch:
        real = Path.replace

        def half(self: Path, target: Path) -> Path:
            if self.name == "audit.log.new":
                raise OSError(28, "No space left on device")
            return real(self, target)

        patch.setattr(Path, "replace", half)
        record(2)
    with monkeypatch.context() as patch:

        def refused(*_: object) -> int:
            raise OSError(24, "Too many open files")

        patch.setattr("podwire.apiserver.access.audit._open", refused)
        record(3)
    for code in range(4, 8):
        record(code)
    audit.close()
    assert events(log)[-1]["responseStatus"]["code"] == 7
    assert sorted(path.name for path in log.parent.iterdir()) == ["audit.log", "audit.log.1"]


def test_a_full_disk_is_logged_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    audit = AuditLog(Path("/dev/full"), lambda: NOW)
    audit.record(Request("GET", "/api", None), Outcome(None, Attributes("get", path="/api"), 401), NOW)
    audit.close()
    assert "the audit log lacks a line about /api: /dev/full: [Errno 28]" in caplog.text


def test_a_later_server_appends(log: Path) -> None:
    for _ in range(2):
        audit = AuditLog(log, lambda: NOW)
        audit.record(Request("GET", "/api", None), Outcome(None, Attributes("get", path="/api"), 401), NOW)
        audit.close()
    assert len(events(log)) == 2


async def test_without_a_file_nothing_is_written(talk: Talk) -> None:
    await talk.ok("GET", "/api")
    assert talk.server.access.audit is None
