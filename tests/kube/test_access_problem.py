"""Each way in which the API server cannot be followed has a name and a remedy; TLS errors are real ones."""

from pathlib import Path

import aiohttp
import pytest

from podwire.apiserver.main import running
from podwire.kube.access_problem import access_problem
from podwire.kube.client import ApiError, Client
from podwire.kube.credentials import Credentials
from podwire.kube.kinds import CONFIG_MAPS, ENDPOINT_SLICES, NAMESPACES
from tests.apiserver.conftest import configuration, free_listener, write_files

ACCOUNT = "system:serviceaccount:kube-system:podwire-agent"
FORBIDDEN = (
    f'namespaces is forbidden: User "{ACCOUNT}" cannot list resource "namespaces" in API group "" at the cluster scope'
)


def test_a_missing_right_names_verb_account_role_and_the_command_that_repairs_it() -> None:
    problem = access_problem(ApiError(403, "Forbidden", FORBIDDEN), NAMESPACES, "podwire:agent")
    assert (problem.reason, problem.is_persistent) == ("Forbidden", True)
    assert problem.message == f"namespaces: {ACCOUNT} may not list it (403), so nothing of it is known"
    binding = "podwire:agent --clusterrole=podwire:agent --serviceaccount=kube-system:podwire-agent"
    assert problem.remedy.endswith(f"kubectl create clusterrolebinding {binding}")


def test_a_user_of_a_certificate_is_bound_as_a_user() -> None:
    text = FORBIDDEN.replace(ACCOUNT, "system:node:a").replace("cannot list", "cannot watch")
    problem = access_problem(ApiError(403, "Forbidden", text), NAMESPACES, "podwire:agent")
    assert problem.remedy.endswith("--clusterrole=podwire:agent --user='system:node:a'")
    assert "may not watch it" in problem.message


@pytest.mark.parametrize(
    ("error", "reason", "text"),
    [
        (ApiError(401, "Unauthorized", "Unauthorized"), "Unauthorized", "has not expired"),
        (ApiError(404, "NotFound", "page not found"), "NotServed", "does not serve discovery.k8s.io/v1"),
        (ApiError(500, "InternalError", "etcd"), "ServerError", "500 InternalError: etcd"),
        (ApiError(429, "TooManyRequests", "later"), "ServerError", "429 TooManyRequests"),
        (ConnectionRefusedError(111, "Connection refused"), "Unreachable", "check that the API server runs"),
        (TimeoutError(), "Unreachable", "TimeoutError"),
        (aiohttp.ServerDisconnectedError(), "Unreachable", "cannot be followed"),
    ],
)
def test_other_errors_have_their_remedy(error: Exception, reason: str, text: str) -> None:
    problem = access_problem(error, ENDPOINT_SLICES)
    assert problem.reason == reason
    assert text in str(problem)
    assert str(problem).startswith("endpointslices.discovery.k8s.io: ")
    assert problem.is_persistent == (reason in {"Unauthorized", "NotServed"})


async def failure(credentials: Credentials) -> Exception:
    async with Client(credentials) as client:
        with pytest.raises((aiohttp.ClientError, OSError)) as caught:
            await client.list(CONFIG_MAPS)
        return caught.value


async def test_an_untrusted_authority_and_another_name_have_different_remedies(tmp_path: Path) -> None:
    for name in ("own", "other"):
        (tmp_path / name).mkdir()
    files, other = write_files(tmp_path / "own"), write_files(tmp_path / "other")
    listener = free_listener()
    async with running(configuration(files, sockets=(listener,))):
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        untrusted = access_problem(await failure(Credentials(url, str(other.folder / "ca.crt"))), CONFIG_MAPS)
        assert (untrusted.reason, "--certificate-authority" in untrusted.remedy) == ("Certificate", True)
        named = Credentials(url, str(files.folder / "ca.crt"), server_name="elsewhere.example")
        mismatch = access_problem(await failure(named), CONFIG_MAPS)
        assert (mismatch.reason, "in the certificate" in mismatch.remedy) == ("Certificate", True), mismatch


async def test_a_name_that_cannot_be_resolved_is_one_of_dns() -> None:
    problem = access_problem(await failure(Credentials("http://api.invalid:6443")), CONFIG_MAPS)
    assert (problem.reason, "must not depend on the cluster's DNS" in problem.remedy) == ("Unreachable", True)


async def test_a_server_that_is_away_is_named_by_its_address() -> None:
    listener = free_listener()
    port = listener.getsockname()[1]
    listener.close()
    problem = access_problem(await failure(Credentials(f"https://127.0.0.1:{port}")), CONFIG_MAPS)
    assert (problem.reason, problem.is_persistent) == ("Unreachable", False)
    assert f"cannot be followed: 127.0.0.1:{port}: " in problem.message
    assert "object at" not in problem.message
