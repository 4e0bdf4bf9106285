"""Run work against the API server of a cluster, with the errors that a user can mend."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiohttp

from podwire.install.cluster_objects import InstallError
from podwire.kube.client import ApiError, Client
from podwire.kube.credentials import Credentials

ResultT = TypeVar("ResultT")


def run(credentials: Credentials, work: Callable[[Client], Awaitable[ResultT]]) -> ResultT:
    """Return what the work returns. Raises InstallError, also where the server does not answer or refuses."""

    async def connected() -> ResultT:
        async with Client(credentials, "podwire-install") as client:
            return await work(client)

    try:
        return asyncio.run(connected())
    except ApiError as error:
        raise InstallError(f"{credentials.server} refuses: {error}") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise InstallError(
            f"{credentials.server} does not answer: {str(error) or type(error).__name__}; choose the cluster with "
            "--kubeconfig and --context"
        ) from error
