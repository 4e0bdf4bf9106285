import os
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from podwire.apiserver.main import running
from podwire.kube.authentication import Authentication
from podwire.kube.client import ApiError, Client
from podwire.kube.credentials import Credentials, CredentialsError
from podwire.kube.kinds import CONFIG_MAPS
from podwire.kube.kubeconfig import load
from tests.apiserver.conftest import configuration, free_listener, write_files
from tests.kube.fake_server import connected, listing


def replaced(path: Path, text: str) -> None:
    """As a kubelet renews a token: a new file under the same name."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.rename(path)


async def test_each_request_bears_the_token_that_its_file_has_now(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    seen = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers["Authorization"])
        return listing(5)

    async with connected(handler) as plain:
        server = plain._credentials.server
        async with Client(Credentials(server, token_file=str(token))) as client:
            await client.list(CONFIG_MAPS)
            replaced(token, "renewed\n")
            await client.list(CONFIG_MAPS)
            token.unlink()
            await client.list(CONFIG_MAPS)
    assert seen == ["Bearer first", "Bearer renewed", "Bearer renewed"]


def test_a_token_that_was_never_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="token: No such file"):
        Authentication(Credentials("https://a", token_file=str(tmp_path / "token"))).headers()


def test_a_file_that_tls_cannot_use_is_named(tmp_path: Path) -> None:
    files = write_files(tmp_path)
    (tmp_path / "empty.crt").touch()
    own = (str(files.folder / "admin.crt"), str(files.folder / "admin.key"))
    for authority in ("absent.crt", "empty.crt"):
        with pytest.raises(CredentialsError, match=authority):
            Authentication(Credentials("https://a", str(tmp_path / authority), *own)).context()


def test_files_that_do_not_fit_while_they_are_renewed_leave_what_was_there(tmp_path: Path) -> None:
    files = write_files(tmp_path)
    authentication = Authentication(files.credentials("https://a"))
    before = authentication.context()
    replaced(tmp_path / "admin.key", "half a key")
    assert authentication.context() is before
    write_files(tmp_path)
    assert authentication.context() is not before


async def test_a_renewed_client_certificate_is_used_without_a_restart(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    old, new = (write_files(tmp_path / name) for name in ("old", "new"))
    current = tmp_path / "current"
    current.symlink_to(old.folder)
    listener = free_listener()
    async with running(configuration(new, sockets=(listener,))):
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        own = str(current / "admin")
        proof = Credentials(url, str(new.folder / "ca.crt"), f"{own}.crt", f"{own}.key")
        async with Client(proof) as client:
            with pytest.raises((OSError, ApiError)):
                await client.list(CONFIG_MAPS)
            os.symlink(new.folder, tmp_path / "fresh")
            (tmp_path / "fresh").rename(current)
            await client.list(CONFIG_MAPS)


async def test_a_token_that_the_server_refuses_is_read_again_and_the_call_repeated(tmp_path: Path) -> None:
    """A file that was renewed with the same size within one tick of the clock looks unchanged."""
    token = tmp_path / "token"
    token.write_text("old-1")
    seen = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers["Authorization"].removeprefix("Bearer "))
        return web.json_response({"reason": "Unauthorized"}, status=401) if seen[-1] != "new-1" else listing(5)

    async with (
        connected(handler) as plain,
        Client(Credentials(plain._credentials.server, token_file=str(token))) as client,
    ):
        await _renewed_between_calls(client, token)
    assert seen == ["old-1", "old-1", "new-1"]


async def _renewed_between_calls(client: Client, token: Path) -> None:
    with pytest.raises(ApiError) as refusal:
        await client.list(CONFIG_MAPS)
    assert refusal.value.code == 401
    before = token.stat()
    token.write_text("new-1")
    os.utime(token, ns=(before.st_atime_ns, before.st_mtime_ns))
    await client.list(CONFIG_MAPS)


async def test_a_kubeconfig_that_is_written_again_is_read_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization", "").removeprefix("Bearer "))
        return listing(5)

    def kubeconfig(server: str, user: dict[str, str]) -> str:
        return yaml.safe_dump(
            {
                "current-context": "main",
                "contexts": [{"name": "main", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": user}],
            }
        )

    path = tmp_path / "config"
    async with connected(handler) as plain:
        server = plain._credentials.server
        path.write_text(kubeconfig(server, {"token": "first"}))
        async with Client(load(path)) as client:
            for text in (
                kubeconfig("http://elsewhere.invalid", {"token": "renewed"}),
                "half a file: [",
                kubeconfig(server, {"token": "third"}),
                kubeconfig(server, {}),
            ):
                await client.list(CONFIG_MAPS)
                replaced(path, text)
            await client.list(CONFIG_MAPS)
    assert seen == ["first", "renewed", "renewed", "third", ""]
    assert "remain as they were" in caplog.text
