"""A kind that is followed only when somebody needs it."""

import asyncio

from aiohttp import web

from podwire.kube.informer import Informer
from podwire.kube.kinds import CONFIG_MAPS
from podwire.kube.on_demand_informer import OnDemandInformer
from tests.kube.fake_server import connected, item, listing, stream


async def test_nothing_is_read_before_it_is_required() -> None:
    requests = []

    async def handler(request: web.Request) -> web.StreamResponse:
        requests.append(request.path)
        if "watch" not in request.query:
            return listing(5, item("a", 3))
        return await stream(request, ("ADDED", item(f"m{len(requests)}", 5 + len(requests))))

    async with connected(handler) as client, asyncio.timeout(60):
        informer = OnDemandInformer(Informer(client, CONFIG_MAPS))
        names: list[str] = []
        informer.subscribe(lambda change: names.append(change.new.key.name if change.new else ""))
        task = asyncio.create_task(informer.run())
        await client.fetch("/first")
        assert requests == ["/first"]
        assert not informer.required
        informer.require()
        await informer.synced.wait()
        assert informer.required
        assert names[0] == "a"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
