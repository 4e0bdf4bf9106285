"""A server under fire, and what must hold of each of its answers."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from podwire.apiserver.answers import Answer
from podwire.apiserver.base.requests import Request, Response
from podwire.apiserver.main import ApiServer
from podwire.apiserver.reads.watcher import WatchAnswer
from podwire.kube import kinds
from tests.apiserver.conftest import ADMIN, Files, configuration
from tests.apiserver.custom.widgets import DEFINITIONS, manifest
from tests.apiserver.fuzz.requests import Asked

DEADLINE_SECONDS = 20.0
MOST_PROCESSOR_SECONDS = 5.0
"""Of one request. Far more than any takes, and far less than a client waits."""

MAPS = "/api/v1/namespaces/default/configmaps"
WRITES = frozenset({"POST", "PUT", "PATCH"})
OWN_KINDS = {(kind.api_version, kind.kind): kind for kind in vars(kinds).values() if isinstance(kind, kinds.Kind)}
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
FAULT = "this is a fault of the server"


class Guarded:
    """One server and the loop that it lives in. Every answer is judged; logged errors count as faults."""

    def __init__(self, folder: Path) -> None:
        self._runner = asyncio.Runner()
        self._folder = folder
        self._count = 0

    @contextmanager
    def running(self, files: Files) -> Iterator[Guarded]:
        """Answer inside the block."""
        self._server = self._runner.run(self._start(files))
        self.ask("POST", DEFINITIONS, json.dumps(manifest()).encode())
        try:
            yield self
        finally:
            self._runner.run(self._server.stop())
            self._runner.close()

    def ask(self, method: str, path: str, body: bytes = b"", **request: Any) -> Answer:
        """Ask, and judge the answer."""
        named: dict[str, Any] = {"user": ADMIN, **request}
        requested = Request(method, path, body=body, source="192.0.2.1", **named)
        began = time.process_time()
        answer = self._runner.run(self._answer(requested))
        spent = time.process_time() - began
        assert spent < MOST_PROCESSOR_SECONDS, f"{spent:.1f} s of the processor for one request"
        judge(answer)
        return answer

    def endures(self, requested: Asked) -> None:
        """Answer a request; what it wrote can be shown, and the server goes on as before."""
        with errors_raise():
            answer = self.ask(
                requested.method, requested.path, requested.body, query=requested.query, headers=requested.headers
            )
            if requested.method in WRITES and isinstance(answer, Response) and answer.code < 300:
                readable(answer)
                self.ask("GET", requested.path, headers={"accept": TABLE})
            self.works()

    def works(self) -> None:
        """A good write is stored, with the next version, and reported in the next list."""
        self._count += 1
        before = self._server.store.version
        body = json.dumps({"metadata": {"name": f"good-{self._count}"}, "data": {"n": str(self._count)}}).encode()
        made = self.ask("POST", MAPS, body)
        assert isinstance(made, Response)
        assert made.code == 201, made.body
        assert before < int(json.loads(made.body)["metadata"]["resourceVersion"]) <= self._server.store.version
        gone = self.ask("DELETE", f"{MAPS}/good-{self._count}")
        assert isinstance(gone, Response)
        assert gone.code == 200, gone.body

    @property
    def watchers(self) -> int:
        """Open watch streams."""
        return len(self._server.hub)

    async def _start(self, files: Files) -> ApiServer:
        server = ApiServer(configuration(files, str(self._folder / "store.db")))
        await server.start()
        return server

    async def _answer(self, request: Request) -> Answer:
        async with asyncio.timeout(DEADLINE_SECONDS):
            answer = await self._server.api.handle(request)
        if isinstance(answer, WatchAnswer):
            self._drain(answer)
        return answer

    def _drain(self, answer: WatchAnswer) -> None:
        """What a client reads of a stream at once; then the client is gone."""
        while chunk := answer.watcher.take():
            for line in chunk.splitlines():
                event = json.loads(line)
                assert event["type"] in {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"}
                assert isinstance(event["object"], dict)
        self._server.hub.discard(answer.storage, answer.watcher)


def judge(answer: Answer) -> None:
    """A refusal is a whole Status, an answer is a whole JSON object, and nothing is the server's own fault."""
    if not isinstance(answer, Response):
        return
    assert 200 <= answer.code < 600
    if answer.code >= 400:
        judge_refusal(answer.code, answer.body)
    elif answer.content_type.startswith("application/json"):
        assert isinstance(json.loads(answer.body), dict)


def judge_refusal(code: int, body: bytes) -> None:
    """The body of a refusal is a Status that says why."""
    if not body.startswith(b"{"):
        assert b"kind: Status" in body
        return
    reported = json.loads(body)
    assert (reported["kind"], reported["apiVersion"], reported["status"]) == ("Status", "v1", "Failure"), reported
    assert reported["code"] == code
    assert reported["reason"]
    assert reported["message"]
    assert FAULT not in reported["message"], reported


def readable(answer: Response) -> None:
    """What was accepted can be read by podwire's own controllers: one that cannot would stop them all."""
    if not answer.content_type.startswith("application/json"):
        return
    reported = json.loads(answer.body)
    found = OWN_KINDS.get((reported["apiVersion"], reported["kind"]))
    if found is not None:
        msgspec.json.decode(answer.body, type=found.type)


@contextmanager
def errors_raise() -> Iterator[None]:
    """Whatever is logged as an error inside the block is raised at its end."""
    received = _Errors(logging.ERROR)
    root = logging.getLogger()
    root.addHandler(received)
    try:
        yield
    finally:
        root.removeHandler(received)
    assert not received.texts, received.texts


class _Errors(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(logging.Formatter().format(record))
