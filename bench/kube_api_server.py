"""A real kube-apiserver on an etcd of its own, in this network namespace, and the shortest way into its store."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from tools.cluster.programs import ETCD, KUBERNETES

from bench.api_server import Served
from bench.isolation import end_with_parent
from bench.peer_programs import built
from podwire.lab.host import credentials
from podwire.pki import certificates

ETCD_PORT, ETCD_PEER_PORT, PORT = 2379, 2380, 6443
PATIENCE_SECONDS = 60.0
PUTS_A_TRANSACTION = 100
"""etcd takes 128 operations and 1.5 MB in one."""

KUBE_API_SERVER = next(program for program in KUBERNETES if program.name == "kube-apiserver")

Object = dict[str, Any]


def build() -> None:
    """Build both programs where they are missing. Raises MissingPeerError."""
    for program in (ETCD, KUBE_API_SERVER):
        built(program)


@contextlib.contextmanager
def kube_api_server(keys: Path, address: str, service_range: str) -> Iterator[Served]:
    """Both programs, ready at the address; `keys` is the folder that make_keys() filled. They end after the block."""
    accounts = certificates.Authority.create("service-accounts")
    certificates.write(keys, "service-accounts", accounts.pair)
    with (keys / "log").open("w") as log, contextlib.ExitStack() as stack:
        stack.enter_context(_running(_etcd(keys), log))
        process = stack.enter_context(_running(_api_server(keys, address, service_range), log))
        served = Served(process.pid, PORT, keys)
        _await_ready(served, process)
        yield served


@contextlib.contextmanager
def _running(command: list[str], log: IO[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command,
        stdout=log,
        stderr=log,
        preexec_fn=end_with_parent,  # noqa: PLW1509 this process has one thread
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _etcd(folder: Path) -> list[str]:
    client, peer = (f"http://127.0.0.1:{port}" for port in (ETCD_PORT, ETCD_PEER_PORT))
    return [
        str(built(ETCD)),
        f"--data-dir={folder / 'etcd'}",
        "--unsafe-no-fsync",  # the objects end with the sample
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        "--log-level=error",
    ]


def _api_server(keys: Path, address: str, service_range: str) -> list[str]:
    """With the defaults of the release but for what it must be given; pods need no ServiceAccount of their own."""
    server = keys / credentials.SERVER
    return [
        str(built(KUBE_API_SERVER)),
        f"--etcd-servers=http://127.0.0.1:{ETCD_PORT}",
        f"--advertise-address={address}",
        "--bind-address=0.0.0.0",
        f"--secure-port={PORT}",
        f"--service-cluster-ip-range={service_range}",
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=ServiceAccount",
        f"--client-ca-file={keys / 'ca.crt'}",
        f"--tls-cert-file={server}.crt",
        f"--tls-private-key-file={server}.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={keys / 'service-accounts.crt'}",
        f"--service-account-signing-key-file={keys / 'service-accounts.key'}",
    ]


def _await_ready(served: Served, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    context = served.context(credentials.ADMIN)
    while not _is_ready(context):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"kube-apiserver is not ready: {(served.folder / 'log').read_text()[-2000:]}")
        time.sleep(0.1)


def _is_ready(context: ssl.SSLContext) -> bool:
    connection = http.client.HTTPSConnection("127.0.0.1", PORT, context=context, timeout=5)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    return False


class Api:
    """Requests to the API server as its administrator."""

    def __init__(self, served: Served) -> None:
        context = served.context(credentials.ADMIN)
        self._connection = http.client.HTTPSConnection("127.0.0.1", served.port, context=context)

    def ask(self, method: str, path: str, body: Object | None = None) -> Object:
        """The object of the answer. Raises RuntimeError for a refusal."""
        content = None if body is None else json.dumps(body)
        self._connection.request(method, path, content, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise RuntimeError(f"{method} {path}: {text[:500]!r}")
        found: Object = json.loads(text)
        return found


class Store:
    """Writes objects as the API server has them in etcd, past its admission: thousands a second.

    The API server decodes JSON from its store as it decodes protobuf. Source: etcd.io "gRPC gateway"; the storage keys
    of k8s.io/kubernetes.
    """

    def __init__(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", ETCD_PORT)

    def put(self, objects: Iterable[tuple[str, Object]]) -> None:
        """Write objects under their keys, in transactions of many."""
        batch: list[Object] = []
        for key, item in objects:
            batch.append({"requestPut": {"key": _text(key), "value": _text(json.dumps(item))}})
            if len(batch) == PUTS_A_TRANSACTION:
                self._commit(batch)
                batch = []
        if batch:
            self._commit(batch)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove what is under these keys, in one transaction."""
        self._commit([{"requestDeleteRange": {"key": _text(key)}} for key in keys])

    def _commit(self, operations: list[Object]) -> None:
        self._connection.request("POST", "/v3/kv/txn", json.dumps({"success": operations}))
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"etcd refused {len(operations)} operations: {body[:300]!r}")


def _text(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
