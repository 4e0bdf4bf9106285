"""The same requests to Debian's nginx and to podwire's Envoy: what differs is listed beside each request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import yaml
from tools.ingress_annotations import BESIDE

from podwire.edge.ingress.annotations.table import TABLE, Support
from podwire.insight.replay import differences, exchange
from podwire.insight.replay import requests as files
from podwire.insight.replay.exchange import Answer
from podwire.insight.replay.requests import ReplayRequest
from tests.edge.nginx.backend import FROM_BACKEND
from tests.edge.nginx.conftest import Served
from tests.edge.nginx.sides import HERE

SECONDS = 30.0
PLAIN = "plain"
CLIENTS = {"encrypted": "", **{f"of {name}": name for name in ("ann", "bob", "eve", "dan", "ivy", "joe")}}
"""The certificate of the client, by the part of the requests that are sent over HTTPS."""
REQUESTS: dict[str, list[dict[str, Any]]] = {
    name: entries for name, entries in yaml.safe_load((HERE / "requests.yaml").read_text()).items() if name[0] != "."
}


def request(entry: dict[str, Any]) -> ReplayRequest:
    values = {name: value for name, value in entry.items() if name != "differs"}
    body = values.get("body", "")
    if body.startswith("@"):
        values["body"] = "x" * int(body[1:])
    return msgspec.convert(values, ReplayRequest)


def found_differences(old: Answer, new: Answer) -> Iterator[str]:
    """Yield what differs; pages of the proxies' own answers are not compared."""
    own = not any(name == FROM_BACKEND for name, _ in (*old.headers, *new.headers))
    for one in differences.differences(old, new, differences.IGNORED):
        if not own or one.what not in {"body", "header content-type"}:
            yield one.what


@pytest.mark.asyncio(loop_scope="package")
@pytest.mark.parametrize("part", REQUESTS)
async def test_envoy_answers_as_nginx_does(served: Served, part: str) -> None:
    entries, sides, wrong = REQUESTS[part], served.sides, []
    requests = tuple(map(request, entries))
    old_url, new_url = (edge.urls[part != PLAIN] for edge in (sides.nginx, sides.envoy))
    answers = await exchange.exchange(old_url, new_url, requests, SECONDS, sides.tls[CLIENTS.get(part, "")])
    for entry, one, (old, new) in zip(entries, requests, answers, strict=True):
        expected = {what for group in entry.get("differs", {}).values() for what in group}
        if old.fault or new.fault or set(found_differences(old, new)) != expected:
            shown = [
                f"{line.what}: {line.old} -> {line.new}"
                for line in differences.differences(old, new, differences.IGNORED)
            ]
            wrong.append(f"{one} {dict(one.headers)}\n  " + "\n  ".join((*shown, old.fault, new.fault)))
    assert not wrong, "\n".join(wrong)
    logged = files.read(str(served.folder / "nginx" / "access.log"), "plain.example.com")
    without_body = [one for one in entries if "body" not in one]
    sent = Counter((one.get("method", "GET"), one["path"]) for one in without_body)
    found = Counter((one.method, one.path) for one in logged)
    assert sent <= found, "what nginx logs can be replayed"


def test_each_difference_is_documented() -> None:
    documented = {subject for subject, _ in BESIDE}
    documented |= {one.name for one in TABLE.values() if one.support is not Support.EXACT}
    named = {subject for entries in REQUESTS.values() for one in entries for subject in one.get("differs", {})}
    assert named, "some requests differ"
    assert named <= documented


OF_PACKETS = {
    "test_ingress_access": ("auth-always-set-cookie", "limit-whitelist"),
    "test_ingress_options": ("enable-global-auth",),
    "test_ingress_responses": (
        "disable-proxy-intercept-errors", "enable-access-log", "session-cookie-conditional-samesite-none",
    ),
}  # fmt: skip
"""Annotations that nothing of nginx is beside, by the module of tests/edge/controller that sends requests for them."""


def test_each_exact_annotation_is_tried_by_requests() -> None:
    replayed = {
        name for one in yaml.safe_load((HERE / "ingresses.yaml").read_text()) for name in one.get("annotations", ())
    }
    for module, names in OF_PACKETS.items():
        text = (HERE.parent / "controller" / f"{module}.py").read_text()
        missing = [name for name in names if f"{name.replace('-', '_')}=" not in text]
        assert not missing, module
    tried = replayed.union(*OF_PACKETS.values())
    assert {one.name for one in TABLE.values() if one.support is Support.EXACT} <= tried
