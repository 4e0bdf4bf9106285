"""Requests of files, and what answers of two servers differ in."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from podwire.insight.migration import ingresses, proving_requests
from podwire.insight.replay import differences, exchange, requests
from podwire.insight.replay.exchange import Answer
from podwire.insight.replay.requests import ReplayRequest, RequestsError
from podwire.insight.sources import reading

EXAMPLES = Path(__file__).parents[3] / "examples" / "ingress"


def written(folder: Path, name: str, text: str) -> str:
    file = folder / name
    file.write_text(text)
    return str(file)


def test_requests_of_yaml_archives_and_logs(tmp_path: Path) -> None:
    listed = written(
        tmp_path, "a.yaml", "- {path: /x, host: a.example, headers: {X-A: b}}\n- {method: POST, body: y}\n"
    )
    assert requests.read(listed, "b.example") == (
        ReplayRequest("/x", "a.example", headers={"X-A": "b"}),
        ReplayRequest("/", "b.example", "POST", body="y"),
    )
    mapped = {"kind": "ConfigMap", "data": {"requests.yaml": "- {path: /x, host: a.example}\n"}}
    assert requests.read(written(tmp_path, "b.yaml", json.dumps(mapped))) == (ReplayRequest("/x", "a.example"),)
    request = {"method": "GET", "url": "https://a.example/x?y=1", "headers": [{"name": "Host", "value": "a"}]}
    archive = written(tmp_path, "a.har", json.dumps({"log": {"entries": [{"request": request}]}}))
    assert requests.read(archive) == (ReplayRequest("/x?y=1", "a.example"),)
    line = '10.0.0.1 - - [01/Jan/2026:00:00:00 +0000] "GET /x HTTP/1.1" 200 12 "-" "curl/8"\n'
    probe = line.replace("GET /x HTTP/1.1", r"\x16\x03\x01").replace("200", "400")
    log = written(tmp_path, "access.log", line + line.replace("GET", "POST") + probe)
    assert requests.read(log) == (ReplayRequest("/x", headers={"User-Agent": "curl/8"}),)
    escaped = written(tmp_path, "escaped.log", line.replace("/x", r"/a\x5Cb\xC3\xA9"))
    assert [one.path for one in requests.read(escaped)] == ["/a\\b%C3%A9"]


@pytest.mark.parametrize(
    ("name", "text"), [("a.yaml", "a: ["), ("a.yaml", "- {pat: /}"), ("a.har", "{}"), ("a.log", "x"), ("a.yaml", "[]")]
)
def test_what_has_no_requests_is_an_error(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(RequestsError, match=name):
        requests.read(written(tmp_path, name, text))


def test_answers_are_compared_by_what_a_user_sees() -> None:
    old = Answer(200, (("date", "1"), ("x-a", "1"), ("set-cookie", "id=1; Path=/")), b'{"a": 1, "b": 2}')
    alike = Answer(200, (("date", "2"), ("x-a", "1"), ("set-cookie", "id=2; Path=/")), b'{"b": 2, "a": 1}')
    assert list(differences.differences(old, alike, differences.IGNORED)) == []
    other = Answer(308, (("location", "/y"),))
    assert [one.what for one in differences.differences(old, other, differences.IGNORED)] == [
        "status",
        "header location",
        "header set-cookie",
        "header x-a",
    ]
    text = differences.differences(Answer(200, body=b"a\nb"), Answer(200, body=b"a\nc"), differences.IGNORED)
    assert [(one.old, one.new) for one in text] == [("b", "c")]
    stand_ins = (((differences.STAND_IN, "x"),), b"pod: web/a\npath: /x")
    one, other = (Answer(200, stand_ins[0], stand_ins[1].replace(b"/a", name)) for name in (b"/a", b"/b"))
    left_out = re.compile(b"path")
    assert differences.outcomes([ReplayRequest()], [(one, other)])[0].differences == ()
    changed = Answer(200, one.headers, b"path: /y")
    assert [line.what for line in differences.outcomes([ReplayRequest()], [(one, changed)])[0].differences] == ["body"]
    assert differences.outcomes([ReplayRequest()], [(one, changed)], (), [left_out])[0].differences == ()
    absent = Answer(fault="refused")
    for one in (old, absent):
        assert [line.what for line in differences.differences(one, absent, differences.IGNORED)] == ["answer"]


@pytest.mark.parametrize(
    ("other", "is_alike"),
    [
        ("id=2; HttpOnly; Max-Age=600; path=/; SameSite=Lax", True),
        ("id=1; Path=/; Max-Age=600; HttpOnly", False),
        ("id=1; Path=/x; Max-Age=600; HttpOnly; SameSite=Lax", False),
        ("id=1; Path=/; Max-Age=600; HttpOnly; SameSite=lax; Secure", False),
        ("other=1; Path=/; Max-Age=600; HttpOnly; SameSite=Lax", False),
    ],
)
def test_cookies_are_compared_by_name_and_attributes(other: str, *, is_alike: bool) -> None:
    cookies = ("id=1; Path=/; Max-Age=600; HttpOnly; SameSite=Lax", other)
    old, new = (Answer(200, (("set-cookie", one),)) for one in cookies)
    assert (list(differences.differences(old, new, differences.IGNORED)) == []) is is_alike


def test_a_server_that_answers_nothing_is_no_likeness() -> None:
    absent = Answer(fault="refused")
    assert differences.silence([absent, absent]) == "refused"
    assert differences.silence([absent, Answer(200)]) == ""
    assert differences.silence([]) == ""


async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    path = head.split()[1]
    port = writer.get_extra_info("sockname")[1]
    body = b"%d" % port if path == b"/port" else path + head.lower().partition(b"host: ")[2].partition(b"\r\n")[0]
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    writer.close()


def test_both_servers_get_the_same_requests() -> None:
    async def run() -> tuple[differences.Outcome, ...]:
        servers = [await asyncio.start_server(answering, "127.0.0.1", 0) for _ in range(2)]
        old, new = (f"http://127.0.0.1:{one.sockets[0].getsockname()[1]}" for one in servers)
        wanted = (ReplayRequest("/a%2Fb?x=1", "a.example"), ReplayRequest("/port", "a.example"))
        answers = await exchange.exchange(old, new, wanted, 30.0)
        assert answers[0][0].body == b"/a%2Fb?x=1a.example"
        for server in servers:
            server.close()
        return differences.outcomes(wanted, answers)

    same, different = asyncio.run(run())
    assert not same.differences
    assert [one.what for one in different.differences] == ["body"]
    assert differences.text((same, different)).endswith("2 requests: 1 alike, 1 different\n")


def test_requests_that_prove_the_examples_are_in_their_file() -> None:
    found = ingresses.written(reading.read((str(EXAMPLES),)))
    made = proving_requests.proving_requests(found)
    assert requests.read(str(EXAMPLES / "requests.yaml")) == made, "run: podwire migrate ingress -o requests"
    assert ReplayRequest("/api/below?q=1", "example.com") in made
