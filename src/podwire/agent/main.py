"""The process of an agent: the entry of `podwire agent`, and of the same role in a world."""

from __future__ import annotations

from podwire.agent.config import AgentConfig
from podwire.agent.node_agent import Agent
from podwire.component import permissions, program
from podwire.kube import tls_buffers
from podwire.kube.client import Client


def main(config: AgentConfig) -> None:
    """Serve the node until SIGTERM or SIGINT. Raises OSError and NftablesError where the namespace cannot be used."""
    tls_buffers.shrink()
    config.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    program.run(_serve(config), log_format=config.log_format, verbosity=config.verbosity)


async def _serve(config: AgentConfig) -> None:
    if config.replace_kube_proxy:
        from podwire.agent import kube_proxy_leftovers

        await kube_proxy_leftovers.refuse_beside_kube_proxy()
    async with Client(config.credentials, "podwire-agent", role=permissions.AGENT) as client:
        await Agent(config, client).run()
