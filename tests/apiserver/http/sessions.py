"""Sessions of an HTTP client with a served Api, and what it sends."""

import ssl
from typing import Any

import aiohttp

from tests.apiserver.conftest import Served

MAPS = "/api/v1/namespaces/default/configmaps"


def session(served: Served, **options: Any) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(ssl=served.credentials.ssl_context())
    return aiohttp.ClientSession(served.url, connector=connector, **options)


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


async def connect(url: str, context: ssl.SSLContext) -> int:
    async with aiohttp.ClientSession() as plain, plain.get(f"{url}/api", ssl=context) as answer:
        return answer.status
