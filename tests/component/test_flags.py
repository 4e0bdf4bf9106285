import functools
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from podwire.component import flags
from podwire.component.flags import credentials, program_flags
from podwire.kube.credentials import Credentials, in_cluster
from tests.kube.test_kubeconfig import written


def parsed(*arguments: str, **environment: str) -> Credentials | str:
    """The credentials of these flags, or what is reported to the user."""
    found: list[Credentials] = []

    @click.command()
    @program_flags
    def command(**given: Any) -> None:
        found.append(credentials(given))
        assert set(given) == {"log_format", "verbosity"}

    result = CliRunner(env={"KUBECONFIG": None, **environment}).invoke(command, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return found[0] if found else result.output


def test_flags_change_what_the_kubeconfig_says(tmp_path: Path) -> None:
    path = str(written(tmp_path, {"client-certificate": "a.crt", "client-key": "a.key"}))
    token = tmp_path / "token"
    token.touch()
    plain = parsed("--kubeconfig", path)
    assert isinstance(plain, Credentials)
    assert (plain.server, plain.certificate_file) == ("https://10.0.0.1:6443", str(tmp_path / "a.crt"))
    assert parsed(KUBECONFIG=path) == plain
    changed = parsed("--kubeconfig", path, "--server", "https://api:1", "--token-file", str(token))
    assert changed == Credentials("https://api:1", token_file=str(token))


def test_flags_alone_are_enough(tmp_path: Path) -> None:
    authority, certificate, key = (str(tmp_path / name) for name in ("ca.crt", "a.crt", "a.key"))
    for name in (authority, certificate, key):
        Path(name).touch()
    given = ("--certificate-authority", authority, "--client-certificate", certificate, "--client-key", key)
    assert parsed("--server", "https://api:1", *given) == Credentials("https://api:1", authority, certificate, key)


def test_a_pod_needs_no_flag_and_may_name_another_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").touch()
    monkeypatch.setattr(flags, "in_cluster", functools.partial(in_cluster, folder=tmp_path))
    inside = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    authority, token = str(tmp_path / "ca.crt"), str(tmp_path / "token")
    assert parsed(**inside) == Credentials("https://10.96.0.1:443", authority, token_file=token)
    direct = parsed("--server", "https://192.0.2.1:6443", **inside)
    assert direct == Credentials("https://192.0.2.1:6443", authority, token_file=token)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "use --kubeconfig"),
        (("--context", "a"), "--context needs --kubeconfig"),
        (("--kubeconfig", "/nonexistent"), "does not exist"),
        (("--client-key", __file__), "need each other"),
        (("--log-format", "xml"), "'xml' is not one of"),
    ],
)
def test_what_is_missing_or_wrong_is_named(arguments: tuple[str, ...], problem: str) -> None:
    answer = parsed(*arguments, KUBERNETES_SERVICE_HOST="")
    assert isinstance(answer, str)
    assert problem in answer
