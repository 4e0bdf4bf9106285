"""The certificate of a client of a replay: a server that requires one gets it; what is none is an error."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from click.testing import CliRunner

from podwire.cli import podwire
from podwire.insight.replay import client_tls, exchange
from podwire.insight.replay.exchange import Answer
from podwire.insight.replay.requests import ReplayRequest
from podwire.pki.certificates import Authority, KeyPair

SECONDS = 30.0
CLIENTS, SERVERS = Authority.create("clients"), Authority.create("servers")
ANN = CLIENTS.client("ann")


def written(folder: Path, name: str, content: bytes) -> str:
    file = folder / name
    file.write_bytes(content)
    return str(file)


async def name_of_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the common name of the client's certificate."""
    await reader.readuntil(b"\r\n\r\n")
    subject = dict(one[0] for one in writer.get_extra_info("peercert")["subject"])
    body = subject["commonName"].encode()
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    writer.close()


async def answers(folder: Path, tls: ssl.SSLContext | None) -> tuple[Answer, Answer]:
    """Send one request to a server that requires certificates of `CLIENTS`, as both servers."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=CLIENTS.pair.certificate.decode())
    context.verify_mode = ssl.CERT_REQUIRED
    pair = SERVERS.server(("a.example",))
    context.load_cert_chain(written(folder, "server.pem", pair.certificate + pair.key))
    server = await asyncio.start_server(name_of_client, "127.0.0.1", 0, ssl=context)
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return (await exchange.exchange(url, url, (ReplayRequest("/", "a.example"),), SECONDS, tls))[0]


@pytest.mark.parametrize("has_own_file", [True, False])
async def test_both_servers_get_the_certificate(tmp_path: Path, *, has_own_file: bool) -> None:
    certificate = written(tmp_path, "ann.pem", ANN.certificate + (b"" if has_own_file else ANN.key))
    key = written(tmp_path, "ann.key", ANN.key) if has_own_file else ""
    for one in await answers(tmp_path, client_tls.context(certificate, key)):
        assert (one.fault, one.status, one.body) == ("", 200, b"ann")


async def test_without_a_certificate_a_server_that_requires_one_answers_nothing(tmp_path: Path) -> None:
    assert all(one.fault for one in await answers(tmp_path, None))
    other = Authority.create("others").client("ann")
    of_others = written(tmp_path, "other.pem", other.certificate + other.key)
    assert all(one.fault for one in await answers(tmp_path, client_tls.context(of_others)))


def encrypted(pair: KeyPair) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return serialization.load_pem_private_key(pair.key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )


@pytest.mark.parametrize(
    ("certificate", "key", "message"),
    [
        (None, ANN.key, "a.pem: No such file"),
        (ANN.certificate, None, "a.key: No such file"),
        (ANN.certificate, CLIENTS.client("bob").key, "a.key: the key is not of the certificate in"),
        (ANN.certificate, encrypted(ANN), "without a password, are expected"),
        (b"text", ANN.key, "a certificate and its private key in PEM"),
        (ANN.certificate, b"", "a certificate and its private key in PEM"),
    ],
)
def test_what_is_no_certificate_is_an_error_of_the_command(
    tmp_path: Path, certificate: bytes | None, key: bytes | None, message: str
) -> None:
    for name, content in (("a.pem", certificate), ("a.key", key)):
        if content is not None:
            written(tmp_path, name, content)
    requests = written(tmp_path, "requests.yaml", b"- {path: /}\n")
    urls = ["--old", "https://127.0.0.1:1", "--new", "https://127.0.0.1:1"]
    given = ["--cert", str(tmp_path / "a.pem"), "--key", str(tmp_path / "a.key")]
    found = CliRunner().invoke(podwire, ["replay", *urls, *given, requests])
    assert (found.exit_code, "Error: --cert: " in found.output) == (2, True), found.output
    assert message in " ".join(found.output.split()), found.output


def test_a_certificate_without_its_key_needs_the_option(tmp_path: Path) -> None:
    alone = written(tmp_path, "ann.crt", ANN.certificate)
    with pytest.raises(client_tls.ClientCertificateError, match="a key in another file needs --key"):
        client_tls.context(alone)
