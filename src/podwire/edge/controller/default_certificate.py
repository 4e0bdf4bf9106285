"""The certificate of hosts of Ingresses that have none: made once, the same for every client and every leader."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from podwire.edge.controller.identity import data_of
from podwire.edge.model.tls import Certificate
from podwire.kube.client import ApiError
from podwire.kube.gateway_api import PROXIES
from podwire.kube.kinds import SECRETS
from podwire.kube.meta import NamespacedName
from podwire.pki.certificates import Authority

if TYPE_CHECKING:
    from podwire.kube.client import Client

SECRET = NamespacedName(PROXIES, "podwire-ingress-default")
NAME = "ingress.podwire.dev"
"""The name in it, by which clients are refused that verify."""
_FILES = {"tls.crt", "tls.key"}


async def provide(client: Client) -> Certificate:
    """Read the certificate, or create it. Raises ApiError, and ValueError for a bad Secret."""
    try:
        files = data_of(await client.get(SECRETS, SECRET))
    except ApiError as error:
        if error.reason != "NotFound":
            raise
        files = await _create(client)
    if not files.keys() >= _FILES:
        raise ValueError(f"secret {SECRET}: data has no tls.crt and tls.key: delete it, and it is created again")
    return Certificate(f"Secret/{SECRET}", files["tls.crt"].decode(), files["tls.key"].decode())


async def _create(client: Client) -> dict[str, bytes]:
    pair = Authority.create(NAME).server(names=(NAME,), addresses=(), common_name=NAME)
    files = {"tls.crt": pair.certificate, "tls.key": pair.key}
    body = {
        "metadata": {"name": SECRET.name},
        "type": "kubernetes.io/tls",
        "data": {name: base64.b64encode(content).decode() for name, content in files.items()},
    }
    try:
        await client.create(SECRETS, body, SECRET.namespace)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
        return data_of(await client.get(SECRETS, SECRET))
    return files
