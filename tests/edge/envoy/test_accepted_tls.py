"""Keys and cipher suites: a real Envoy takes those that a listener may have, and refuses the others."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from podwire.edge.gateway.certificates import pair_fault
from podwire.edge.gateway.tls_options import CIPHERS, SUITES, TlsOptions, parse
from tests.edge.xds.real_envoy import BINARY

_T = "type.googleapis.com/envoy.extensions"


def pair(key: Any) -> tuple[str, str]:
    """Return a certificate and its key, PEM."""
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a")]), datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    made = builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.public_bytes(Encoding.PEM).decode(), text.decode()


def is_taken(folder: Path, chain: str, key: str, suites: tuple[str, ...] = ()) -> bool:
    """Whether Envoy takes a listener with this certificate."""
    certificate = {"certificate_chain": {"inline_string": chain}, "private_key": {"inline_string": key}}
    common = {"tls_params": {"cipher_suites": suites}, "tls_certificates": [certificate]}
    context = {"@type": f"{_T}.transport_sockets.tls.v3.DownstreamTlsContext", "common_tls_context": common}
    proxy = {"@type": f"{_T}.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "a", "cluster": "a"}
    filter_chain = {
        "transport_socket": {"name": "tls", "typed_config": context},
        "filters": [{"name": "tcp", "typed_config": proxy}],
    }
    listener = {"name": "a", "address": {"pipe": {"path": str(folder / "a")}}, "filter_chains": [filter_chain]}
    whole = {"static_resources": {"listeners": [listener], "clusters": [{"name": "a"}]}}
    (folder / "envoy.json").write_text(json.dumps(whole))
    command = [BINARY, "-c", str(folder / "envoy.json"), "--mode", "validate", "-l", "off"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("generate", "text"),
    [
        (lambda: rsa.generate_private_key(65537, 2048), ""),
        (lambda: ec.generate_private_key(ec.SECP521R1()), ""),
        (ed25519.Ed25519PrivateKey.generate, ""),
        (lambda: rsa.generate_private_key(65537, 1024), "is RSA of 1024 bits"),
        (lambda: ec.generate_private_key(ec.SECP256K1()), "is ECDSA on secp256k1"),
        (lambda: dsa.generate_private_key(1024), "DSAPrivateKey"),
    ],
)
def test_a_key_that_envoy_does_not_take_is_a_fault_of_the_certificate(
    tmp_path: Path, generate: Callable[[], Any], text: str
) -> None:
    key = generate()
    fault = pair_fault(*pair(key))
    assert text in fault
    assert bool(fault) == bool(text)
    assert is_taken(tmp_path, *pair(key)) == (not text)


def test_cipher_suites_are_those_that_envoy_knows(tmp_path: Path) -> None:
    own = pair(ec.generate_private_key(ec.SECP256R1()))
    assert is_taken(tmp_path, *own, SUITES)
    assert parse({CIPHERS: ", ".join(SUITES)}) == TlsOptions(cipher_suites=SUITES)
    for name in ("nonsense", "TLS_AES_128_GCM_SHA256"):
        assert not is_taken(tmp_path, *own, (name,))
        found = parse({CIPHERS: f"{SUITES[0]},{name}"})
        assert isinstance(found, str)
        assert f"{name} is not supported" in found
