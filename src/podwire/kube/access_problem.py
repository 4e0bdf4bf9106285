"""Why a kind cannot be listed or watched, and what repairs it. Pure.

Sources: kubernetes.io "Using RBAC Authorization"; k8s.io/apiserver `handlers/responsewriters/errors.go` (the text of a
Forbidden).
"""

from __future__ import annotations

import re
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

import aiohttp
import msgspec

from podwire.kube.client import ApiError
from podwire.kube.credentials import CredentialsError

if TYPE_CHECKING:
    from podwire.kube.kinds import Kind

Reason = Literal["Unauthorized", "Forbidden", "NotServed", "Certificate", "Credentials", "ServerError", "Unreachable"]
PERSISTENT = frozenset({"Unauthorized", "Forbidden", "NotServed", "Certificate", "Credentials"})
"""Reasons that no wait mends: a user must change something."""

_FORBIDDEN = re.compile(r'User "(?P<user>[^"]+)" cannot (?P<verb>[a-z]+) resource')
_ACCOUNT = re.compile(r"system:serviceaccount:(?P<namespace>[^:]+):(?P<name>.+)")


class AccessProblem(msgspec.Struct, frozen=True):
    """A problem with one resource; `message` names the resource and the verb, `remedy` is a sentence."""

    reason: Reason
    message: str
    remedy: str

    @property
    def is_persistent(self) -> bool:
        """Whether it remains until a user changes something."""
        return self.reason in PERSISTENT

    def __str__(self) -> str:
        return f"{self.message}: {self.remedy}"


def access_problem(
    error: Exception, kind: Kind[Any], role: str = "", verbs: str = "get, list and watch"
) -> AccessProblem:
    """What the error of a request means; `role` is the ClusterRole of this program, `verbs` what it must allow."""
    resource = resource_name(kind)
    if isinstance(error, ApiError):
        return _refused(error, kind, role, verbs)
    if isinstance(error, CredentialsError):
        return AccessProblem("Credentials", f"{resource}: {error}", "this program needs usable credentials")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError | ssl.SSLError):
        return AccessProblem("Certificate", f"{resource}: no TLS connection: {error}", _tls_remedy(error))
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        remedy = "give --server an address: the name of the API server must not depend on the cluster's DNS"
        return AccessProblem("Unreachable", f"{resource}: {_network_text(error)}", remedy)
    text = _network_text(error)
    remedy = "check that the API server runs and that --server, or the kubeconfig, has its address"
    return AccessProblem("Unreachable", f"{resource}: the API server cannot be followed: {text}", remedy)


def resource_name(kind: Kind[Any]) -> str:
    """Resource and group as kubectl writes them, such as endpointslices.discovery.k8s.io."""
    group = kind.api_version.rpartition("/")[0]
    return f"{kind.resource}.{group}" if group else kind.resource


def _refused(error: ApiError, kind: Kind[Any], role: str, verbs: str) -> AccessProblem:
    resource = resource_name(kind)
    if error.code == HTTPStatus.FORBIDDEN:
        return _forbidden(error, resource, role, verbs)
    if error.code == HTTPStatus.UNAUTHORIZED:
        remedy = "check that the token or client certificate is of this cluster and has not expired"
        return AccessProblem(
            "Unauthorized", f"{resource}: the API server does not accept the credentials (401): {error}", remedy
        )
    if error.code == HTTPStatus.NOT_FOUND:
        message = f"{resource}: the API server does not serve {kind.api_version} (404)"
        remedy = "install the CustomResourceDefinition or an API server that has it, and check the path of --server"
        return AccessProblem("NotServed", message, remedy)
    message = f"{resource}: the API server refuses a request: {error.code} {error.reason}: {error}"
    return AccessProblem("ServerError", message, "the log of the API server has more")


def _forbidden(error: ApiError, resource: str, role: str, verbs: str) -> AccessProblem:
    """Without RBAC nothing of a kind is known: name the role, and the command that binds it to this account."""
    found = _FORBIDDEN.search(str(error))
    user = found["user"] if found else "this account"
    verb = found["verb"] if found else "list or watch"
    message = f"{resource}: {user} may not {verb} it (403), so nothing of it is known"
    if not role:
        return AccessProblem("Forbidden", message, f"a role of {user} must allow {verbs} of {resource}")
    account = _ACCOUNT.fullmatch(user)
    subject = f"--serviceaccount={account['namespace']}:{account['name']}" if account else f"--user='{user}'"
    binding = f"kubectl create clusterrolebinding {role} --clusterrole={role} {subject}"
    remedy = (
        f"ClusterRole {role} must allow {verbs} of {resource} and be bound to {user}: `podwire install` "
        f"writes both; if only the binding is missing: {binding}"
    )
    return AccessProblem("Forbidden", message, remedy)


def _network_text(error: Exception) -> str:
    """What happened; aiohttp's own text holds the address of an object in memory."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{error.host}:{error.port}: {error.os_error.strerror or error.os_error}"
    return str(error) or type(error).__name__


def _tls_remedy(error: Exception) -> str:
    if "mismatch" in str(error) or "doesn't match" in str(error) or "not valid for" in str(error):
        return "use an address of --server that is in the certificate, or set tls-server-name in the kubeconfig"
    if "expired" in str(error):
        return "renew the API server's certificate, and check the clock of this node"
    return "check that --certificate-authority, or that of the kubeconfig, is the authority of this API server"
