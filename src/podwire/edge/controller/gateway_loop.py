import asyncio
from podwire.edge.controller.fleets import Fleets
from podwire.edge.controller.owned_objects import OwnedObjects


class GatewayLoop:
    def __init__(self, client, objects, translation, proxies, fleet):
        self.client, self.objects, self.proxies, self.fleet = client, objects, proxies, fleet

    def reported(self, report):
        print(report, flush=True)

    async def follow(self):
        self.proxies.add("podwire", ())
        await asyncio.sleep(1e9)

    async def lead(self, identity):
        f = Fleets(self.client, self.objects, OwnedObjects(self.client), self.fleet)
        await f.provide(identity, "podwire")
        await asyncio.sleep(1e9)
