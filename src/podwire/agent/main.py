"""The process of an agent: the entry of `podwire agent`, and of the same role in a world."""

from __future__ import annotations

import asyncio
import gc
import importlib
import sys

from podwire.agent.config import AgentConfig
from podwire.agent.inputs import Inputs
from podwire.agent.known_objects import KnownObjects
from podwire.component import permissions, program
from podwire.component.imports import lasting
from podwire.kube import tls_buffers
from podwire.kube.client import Client

SWITCH_SECONDS = 0.0005
"""A thread that writes to the kernel waits no longer than this for one that derives rows (Python's default: 5 ms)."""


COLLECT_AFTER = 50_000
"""Objects after which garbage is looked for until all is written once: what is loaded lasts, and is no garbage."""


def main(config: AgentConfig) -> None:
    """Serve the node until SIGTERM or SIGINT. Raises OSError and NftablesError where the namespace cannot be used."""
    tls_buffers.shrink()
    gc.set_threshold(COLLECT_AFTER)
    sys.setswitchinterval(SWITCH_SECONDS)
    config.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    program.run(_serve(config), log_format=config.log_format, verbosity=config.verbosity)


async def _serve(config: AgentConfig) -> None:
    if config.expect_kube_proxy:
        from podwire.agent import kube_proxy_leftovers

        await kube_proxy_leftovers.refuse_beside_kube_proxy()
    async with Client(config.credentials, "podwire-agent", role=permissions.AGENT) as client:
        inputs = Inputs(client, config.node)
        inputs.remember(KnownObjects(config.known_objects))
        inputs.start()
        await _import_capabilities()
        from podwire.agent.node_agent import Agent

        await Agent(config, client, inputs).run()


async def _import_capabilities() -> None:
    """Import the rest of the agent while the API server prepares its lists."""
    module = f"{__package__}.node_agent"
    if module not in sys.modules:
        with lasting():
            await asyncio.to_thread(importlib.import_module, module)
