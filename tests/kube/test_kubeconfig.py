import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
import yaml

from podwire.kube.credentials import CredentialsError, in_cluster
from podwire.kube.kubeconfig import load

V1 = "client.authentication.k8s.io/v1"


def written(folder: Path, user: dict[str, Any], **cluster: Any) -> Path:
    path = folder / "config"
    document = {
        "current-context": "main",
        "contexts": [
            {"name": "main", "context": {"cluster": "c", "user": "u"}},
            {"name": "other", "context": {"cluster": "nowhere", "user": "u"}},
        ],
        "clusters": [{"name": "c", "cluster": {"server": "https://10.0.0.1:6443", **cluster}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(document))
    return path


def test_files_are_relative_to_the_kubeconfig(tmp_path: Path) -> None:
    user = {"client-certificate": "a.crt", "client-key": "/keys/a.key", "tokenFile": "token"}
    found = load(written(tmp_path, user, **{"certificate-authority": "ca.crt", "tls-server-name": "api"}))
    assert found.server == "https://10.0.0.1:6443"
    assert found.authority_file == str(tmp_path / "ca.crt")
    assert (found.certificate_file, found.key_file) == (str(tmp_path / "a.crt"), "/keys/a.key")
    assert (found.token_file, found.server_name, found.insecure) == (str(tmp_path / "token"), "api", False)


def test_what_is_inline_is_read_as_from_a_file_and_comes_first(tmp_path: Path) -> None:
    data = b64encode(b"the authority").decode()
    cluster = {"certificate-authority-data": data, "certificate-authority": "ca.crt"}
    found = load(written(tmp_path, {"token": "secret"}, **cluster))
    assert Path(found.authority_file).read_bytes() == b"the authority"
    assert Path(found.token_file).read_text() == "secret"
    assert [path.name for path in tmp_path.iterdir()] == ["config"]


@pytest.mark.parametrize(
    ("user", "cluster", "context", "problem"),
    [
        ({"exec": {"command": "aws"}}, {}, "", "exec.apiVersion"),
        ({"exec": {"apiVersion": V1}}, {}, "", "exec.command is not set"),
        ({"exec": {"apiVersion": V1, "command": "x", "interactiveMode": "Always"}}, {}, "", "no terminal for x"),
        ({}, {"proxy-url": "http://proxy"}, "", "proxy-url is not supported"),
        ({}, {"certificate-authority-data": "?"}, "", "is not base64"),
        ({}, {}, "missing", "contexts has no 'missing'"),
        ({}, {}, "other", "clusters has no 'nowhere'"),
    ],
)
def test_what_cannot_be_used_is_named(
    tmp_path: Path, user: dict[str, Any], cluster: dict[str, Any], context: str, problem: str
) -> None:
    with pytest.raises(CredentialsError, match=problem):
        load(written(tmp_path, user, **cluster), context)


@pytest.mark.parametrize("text", ["", "- 1", "a: {", "current-context: x"])
def test_files_that_are_no_kubeconfig_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(CredentialsError, match="config"):
        load(path)
    with pytest.raises(CredentialsError, match="No such file"):
        load(tmp_path / "absent")


def test_a_pod_has_its_server_in_the_environment_and_its_token_in_a_file(tmp_path: Path) -> None:
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    with pytest.raises(CredentialsError, match="token"):
        in_cluster(environment, tmp_path)
    (tmp_path / "token").write_text("secret")
    found = in_cluster(environment, tmp_path)
    assert (found.server, found.token_file) == ("https://[fd00::1]:443", str(tmp_path / "token"))
    with pytest.raises(CredentialsError, match="KUBERNETES_SERVICE_HOST"):
        in_cluster({}, tmp_path)


def test_a_command_is_found_beside_the_kubeconfig_and_knows_the_cluster(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(b"the authority")
    entry = {
        "apiVersion": V1,
        "command": "bin/login",
        "args": ["--short"],
        "env": [{"name": "PROFILE", "value": "ops"}],
        "provideClusterInfo": True,
        "installHint": "install it",
    }
    found = load(written(tmp_path, {"exec": entry}, **{"certificate-authority": "ca.crt"})).command
    assert found is not None
    assert found.arguments == (str(tmp_path / "bin/login"), "--short")
    environment = dict(found.environment)
    assert (environment["PROFILE"], found.hint) == ("ops", "install it")
    information = json.loads(environment["KUBERNETES_EXEC_INFO"])
    data = b64encode(b"the authority").decode()
    cluster = {"server": "https://10.0.0.1:6443", "certificate-authority-data": data}
    assert information["spec"] == {"interactive": False, "cluster": cluster}


def test_a_token_has_precedence_over_a_command(tmp_path: Path) -> None:
    entry = {"apiVersion": V1, "command": "login"}
    found = load(written(tmp_path, {"exec": entry, "token": "secret"}))
    assert (found.command, Path(found.token_file).read_text()) == (None, "secret")
    assert load(written(tmp_path, {"exec": entry})).command is not None
