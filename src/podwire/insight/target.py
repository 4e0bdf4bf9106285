"""Which API server an answer is read from: that of a world, or of a context of a kubeconfig."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from podwire.kube import kubeconfig as kubeconfig_file
from podwire.kube.credentials import Credentials
from podwire.lab.host import credentials, kubeconfig, select_world, worlds
from podwire.lab.host.worlds import World

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from podwire.kube.client import Client

AnswerT = TypeVar("AnswerT")


class UnreachableError(Exception):
    """The API server does not answer, or refuses to. The text has its URL."""


class Choice(msgspec.Struct, frozen=True):
    """What the flags of a command name: a world, or a context of a kubeconfig file; empty where they do not."""

    name: str | None = None
    context: str = ""
    kubeconfig: str = ""


class Target(msgspec.Struct, frozen=True):
    """An API server and, where it is a world's, the world."""

    credentials: Credentials
    world: World | None = None
    context: str = ""

    def read(self, question: Callable[[Client], Awaitable[AnswerT]]) -> AnswerT:
        """Run a question against the API server. Raises UnreachableError, and what the question raises."""
        import aiohttp  # half of a short command's time, and most questions about a world need none of it

        from podwire.kube.client import ApiError, Client

        async def ask() -> AnswerT:
            async with Client(self.credentials, "podwire-insight") as client:
                return await question(client)

        try:
            return asyncio.run(ask())
        except (aiohttp.ClientError, TimeoutError, OSError, ApiError) as error:
            raise UnreachableError(f"{self.credentials.server}: {str(error) or type(error).__name__}") from error


def choose(choice: Choice) -> Target:
    """Return the world of this name, else what a context names: by default kubectl's, else the world that runs.

    Raises WorldError, KubeconfigError and CredentialsError.
    """
    if choice.name is not None:
        return _of_world(select_world.choose_ready(choice.name))
    context = choice.context or _current(choice.kubeconfig)
    if not context and not choice.kubeconfig:
        return _of_world(select_world.choose_ready(None))
    known = next((world for world in worlds.living() if world.context == context), None)
    if known is not None:
        return _of_world(select_world.choose_ready(known.name))
    return Target(kubeconfig_file.load(_file(choice), context), context=context)


def names_cluster(choice: Choice) -> bool:
    """Whether a context is named or current that is no running world's."""
    if choice.name is not None:
        return False
    context = choice.context or _current(choice.kubeconfig)
    return bool(context or choice.kubeconfig) and context not in {world.context for world in worlds.living()}


def _of_world(world: World) -> Target:
    return Target(credentials.of_host(world), world, world.context)


def _current(file: str) -> str:
    return kubeconfig.current_of(Path(file)) if file else kubeconfig.current()


def _file(choice: Choice) -> Path:
    if choice.kubeconfig:
        return Path(choice.kubeconfig)
    return kubeconfig.file_of(choice.context) if choice.context else kubeconfig.current_file()
