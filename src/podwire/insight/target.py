"""Which API server an answer is read from: that of a world, or of kubectl's current context."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiohttp
import msgspec

from podwire.kube import kubeconfig as kubeconfig_file
from podwire.kube.client import ApiError, Client
from podwire.kube.credentials import Credentials
from podwire.lab.host import credentials, kubeconfig, select_world, worlds
from podwire.lab.host.worlds import World

AnswerT = TypeVar("AnswerT")


class UnreachableError(Exception):
    """The API server does not answer, or refuses to. The text has its URL."""


class Target(msgspec.Struct, frozen=True):
    """An API server and, where it is a world's, the world."""

    credentials: Credentials
    world: World | None = None

    def read(self, question: Callable[[Client], Awaitable[AnswerT]]) -> AnswerT:
        """Run a question against the API server. Raises UnreachableError, and what the question raises."""

        async def ask() -> AnswerT:
            async with Client(self.credentials, "podwire-explain") as client:
                return await question(client)

        try:
            return asyncio.run(ask())
        except (aiohttp.ClientError, TimeoutError, OSError, ApiError) as error:
            raise UnreachableError(f"{self.credentials.server}: {str(error) or type(error).__name__}") from error


def choose(name: str | None) -> Target:
    """Return the world of this name, else what kubectl's current context names, else the world that runs.

    Raises WorldError, KubeconfigError and CredentialsError.
    """
    context = kubeconfig.current() if name is None else ""
    known = next((world for world in worlds.living() if world.context == context), None)
    if not context:
        known = select_world.choose_ready(name)
    if known is not None:
        return Target(credentials.of_host(known), known)
    return Target(kubeconfig_file.load(kubeconfig.current_file(), context))
