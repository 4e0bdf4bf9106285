import json
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from podwire.kube import exec_credentials
from podwire.kube.authentication import Authentication
from podwire.kube.client import Client
from podwire.kube.credentials import Credentials, CredentialsError, ExecCommand
from podwire.kube.kinds import CONFIG_MAPS
from podwire.kube.kubeconfig import load
from tests.apiserver.conftest import write_files
from tests.kube.fake_server import connected, listing

V1 = "client.authentication.k8s.io/v1"


def command(folder: Path, script: str) -> ExecCommand:
    """A program of one line of shell."""
    path = folder / "login"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return ExecCommand(V1, (str(path),), (("OUT", str(folder / "out")),), "install login")


def credential(**status: object) -> str:
    return json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": status})


async def test_a_command_runs_again_when_its_token_expires_or_is_refused(tmp_path: Path) -> None:
    seen = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers["Authorization"].removeprefix("Bearer "))
        return web.Response(status=401) if seen[-1] == "revoked" else listing(5)

    async with connected(handler) as plain:
        given = command(tmp_path, 'cat "$OUT"')
        out, past = tmp_path / "out", exec_credentials.now() - timedelta(seconds=1)
        out.write_text(credential(token="expired", expirationTimestamp=past.isoformat()))
        async with Client(Credentials(plain._credentials.server, command=given)) as client:
            out.write_text(credential(token="revoked"))
            await client._authentication.renew()
            out.write_text(credential(token="good"))
            await client.list(CONFIG_MAPS)
            out.write_text(credential(token="unused"))
            await client.list(CONFIG_MAPS)
    assert seen == ["revoked", "good", "good"]


async def test_a_command_that_fails_later_leaves_what_there_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out, past = tmp_path / "out", exec_credentials.now() - timedelta(seconds=1)
    authentication = Authentication(Credentials("http://a", command=command(tmp_path, 'cat "$OUT"')))
    out.write_text(credential(token="first", expirationTimestamp=past.isoformat()))
    await authentication.renew()
    out.unlink()
    await authentication.renew()
    assert authentication.headers() == {"Authorization": "Bearer first"}
    assert "credentials remain as they were" in caplog.text


async def test_a_client_certificate_of_a_command_is_used(tmp_path: Path) -> None:
    files = write_files(tmp_path)
    proof = [(files.folder / f"admin.{end}").read_text() for end in ("crt", "key")]
    (tmp_path / "out").write_text(credential(clientCertificateData=proof[0], clientKeyData=proof[1]))
    own = Credentials("https://a", str(files.folder / "ca.crt"), command=command(tmp_path, 'cat "$OUT"'))
    authentication = Authentication(own)
    await authentication.renew()
    before = authentication.context()
    assert not await authentication.refused()
    assert authentication.context() is not before
    assert authentication._credentials.certificate_file.startswith("/proc/self/fd/")


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo denied >&2; exit 3", "ended with 3: denied"),
        ("echo '{'", "printed no ExecCredential"),
        ("""echo '{"kind": "ExecCredential", "apiVersion": "v9"}'""", "of v9 instead of"),
        (f"""echo '{credential()}'""", "without token and certificate"),
        (f"""echo '{credential(clientCertificateData="x")}'""", "need each other"),
    ],
)
async def test_a_command_that_yields_no_credentials_is_named(tmp_path: Path, script: str, problem: str) -> None:
    with pytest.raises(CredentialsError, match=f"login.*{problem}"):
        await exec_credentials.run(command(tmp_path, script))


async def test_a_command_that_is_not_installed_comes_with_its_hint() -> None:
    with pytest.raises(CredentialsError, match="No such file or directory; install it"):
        await exec_credentials.run(ExecCommand(V1, ("/nonexistent/login",), (), "install it"))


async def test_a_certificate_of_a_command_remains_when_the_kubeconfig_is_written_again(tmp_path: Path) -> None:
    files = write_files(tmp_path)
    proof = [(files.folder / f"admin.{end}").read_text() for end in ("crt", "key")]
    (tmp_path / "out").write_text(credential(clientCertificateData=proof[0], clientKeyData=proof[1]))
    path = tmp_path / "kubeconfig"

    def write(folder: Path) -> None:
        login = {"apiVersion": V1, "command": "cat", "args": [str(folder / "out")]}
        # A certificate in files of the kubeconfig is no file of the command: it is not closed.
        own = {"client-certificate": str(files.folder / "admin.crt"), "client-key": str(files.folder / "admin.key")}
        document = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": "https://a"}}],
            "users": [{"name": "u", "user": {"exec": login, **own}}],
        }
        path.write_text(json.dumps(document, indent=len(str(folder)) % 7))

    write(tmp_path)
    authentication = Authentication(load(path))
    await authentication.renew()
    authentication.context()
    used = authentication._credentials.certificate_file
    assert used.startswith("/proc/self/fd/")
    path.touch()
    authentication.context()
    assert authentication._credentials.certificate_file == used
    write(tmp_path / "elsewhere")
    authentication.context()
    assert authentication._credentials.certificate_file != used
