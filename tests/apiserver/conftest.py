"""A server to talk to: in process without sockets (`talk`), or over TLS on a loopback port (`served`)."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from podwire.apiserver.answers import Answer
from podwire.apiserver.base.authentication import User
from podwire.apiserver.base.requests import Request, Response
from podwire.apiserver.main import ApiServer, ApiServerConfig, running
from podwire.apiserver.reads.watcher import WatchAnswer
from podwire.component import permissions
from podwire.kube.credentials import Credentials
from podwire.lab.kubelet.node_dialer import UnixSocketDialer
from podwire.pki import certificates

ADMIN = User("kubernetes-admin", ("system:masters",))
KUBECTL = str(Path(__file__).parents[2] / ".venv/bin/kubectl")


@dataclass(frozen=True)
class Files:
    """The files of a cluster's certificates."""

    folder: Path

    def credentials(self, server: str, client: str = "admin") -> Credentials:
        authority, certificate, key = (
            str(self.folder / f"{name}") for name in ("ca.crt", f"{client}.crt", f"{client}.key")
        )
        return Credentials(server, authority, certificate, key)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return write_files(tmp_path)


def write_files(folder: Path) -> Files:
    """The certificates of a new cluster."""
    authority = certificates.Authority.create()
    certificates.write(folder, "ca", authority.pair)
    certificates.write(folder, "server", authority.server())
    certificates.write(folder, "admin", authority.client("kubernetes-admin", ["system:masters"]))
    return Files(folder)


def configuration(files: Files, store: str = ":memory:", **changes: Any) -> ApiServerConfig:
    paths = {"authority_file": "ca.crt", "certificate_file": "server.crt", "key_file": "server.key"}
    named: dict[str, Any] = {name: str(files.folder / path) for name, path in paths.items()}
    chosen: dict[str, Any] = {
        "store": store,
        "service_ranges": ("10.96.0.0/16", "fd00:10:96::/112"),
        "cluster_addresses": ("10.96.0.1", "fd00:10:96::1"),
        "endpoint_addresses": ("172.18.0.1", "fd00:172:18::1"),
        "dial_nodes": lambda _: UnixSocketDialer(files.folder / "nodes"),
        "roles": tuple(permissions.objects(permissions.CERTIFICATE_SUBJECTS)),
    }
    return ApiServerConfig(**{**chosen, **named, **changes})


async def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Return when the condition holds; TimeoutError when it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  (other processes change it: there is no event to wait for)
            await asyncio.sleep(0.01)


class Talk:
    """Requests to the Api itself, as the administrator, as another user, or without authentication (None)."""

    def __init__(
        self, server: ApiServer, user: User | None = ADMIN, impersonation: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self.server = server
        self.user = user
        self.impersonation = impersonation

    def as_user(self, name: str, *groups: str) -> Talk:
        """The same server, with requests of another authenticated user."""
        return Talk(self.server, User(name, (*groups, "system:authenticated")))

    def impersonating(self, *headers: tuple[str, str]) -> Talk:
        """The same user, impersonating another."""
        return Talk(self.server, self.user, headers)

    async def answer(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        where, _, query = path.partition("?")
        parameters: dict[str, tuple[str, ...]] = {}
        for pair in filter(None, query.split("&")):
            name, _, value = pair.partition("=")
            parameters[name] = (*parameters.get(name, ()), value.replace("%2C", ","))
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(method, where, self.user, parameters, named, content, self.impersonation, "192.0.2.1")
        return await self.server.api.handle(request)

    async def response(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        answer = await self.answer(method, path, body, **headers)
        assert isinstance(answer, Response)
        return answer.code, json.loads(answer.body)

    async def ok(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        code, answer = await self.response(method, path, body, **headers)
        assert code in {200, 201}, answer
        return answer

    async def refused(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str, str]:
        """Code, reason and message of a refusal."""
        code, answer = await self.response(method, path, body, **headers)
        assert answer["kind"] == "Status", answer
        assert answer["status"] == "Failure"
        assert answer["code"] == code
        return code, answer["reason"], answer["message"]

    async def watch(self, path: str, **headers: str) -> list[dict[str, Any]]:
        """The events that a new watch has at once."""
        answer = await self.answer("GET", path, **headers)
        assert isinstance(answer, WatchAnswer), answer
        lines = b""
        while chunk := answer.watcher.take():
            lines += chunk
        return [json.loads(line) for line in lines.splitlines()]


@pytest_asyncio.fixture
async def talk(files: Files) -> AsyncIterator[Talk]:
    async with running(configuration(files)) as server:
        yield Talk(server)


@dataclass(frozen=True)
class Served:
    """A server on a loopback port, and the kubectl that talks to it."""

    server: ApiServer
    port: int
    files: Files

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def credentials(self) -> Credentials:
        return self.files.credentials(self.url)

    @property
    def kubeconfig(self) -> Path:
        return write_kubeconfig(self.files, self.url)

    async def kubectl(self, *arguments: str, stdin: str = "", fails: bool = False) -> str:
        """What kubectl prints; its error too where it shall fail."""
        process = await asyncio.create_subprocess_exec(
            KUBECTL,
            f"--kubeconfig={self.kubeconfig}",
            f"--cache-dir={self.files.folder / 'cache'}",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, error = await asyncio.wait_for(process.communicate(stdin.encode()), 60)
        assert bool(process.returncode) is fails, (arguments, process.returncode, out, error)
        return (error if fails else out).decode()


def write_kubeconfig(files: Files, url: str) -> Path:
    path = files.folder / "kubeconfig"
    folder = files.folder
    cluster = {"server": url, "certificate-authority": str(folder / "ca.crt")}
    user = {"client-certificate": str(folder / "admin.crt"), "client-key": str(folder / "admin.key")}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }
    path.write_text(json.dumps(content))
    return path


def free_listener() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    return listener


@pytest_asyncio.fixture
async def served(files: Files) -> AsyncIterator[Served]:
    listener = free_listener()
    async with running(configuration(files, sockets=(listener,))) as server:
        yield Served(server, listener.getsockname()[1], files)
