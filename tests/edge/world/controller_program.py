"""One of several gateway controllers, on a node: a program that `test_lost_node.py` starts in a world.

controller_program.py KEYS NAME ADDRESS...    the world's keys, the name in the Lease, the node's addresses
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

from podwire.edge.controller.main import GatewayConfig, run
from podwire.edge.controller.xds_service import XDS_SERVER
from podwire.lab.host import credentials
from podwire.lab.roles.builtin_images import ENVOY_IMAGE

API_SERVER = "https://172.18.0.1:6443"


def config(keys: str, name: str, *addresses: str) -> GatewayConfig:
    return GatewayConfig(
        credentials=credentials.of_folder(Path(keys), credentials.GATEWAY, API_SERVER),
        identity=name,
        server=XDS_SERVER,
        image=ENVOY_IMAGE,
        own_addresses=addresses,
        creates_class=True,
        bind="[::]",
    )


async def main() -> None:
    """Run until the end of standard input."""
    controller = asyncio.ensure_future(run(config(*sys.argv[1:])))
    await asyncio.to_thread(sys.stdin.read)
    controller.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await controller


if __name__ == "__main__":
    asyncio.run(main())
