"""The protocol of a port-forward: SPDY inside a WebSocket, or channels of WebSocket messages."""

from __future__ import annotations

from aiohttp import web

from podwire.lab.streams.forwarding import channel_tunnel, spdy_tunnel
from podwire.lab.streams.forwarding.tunnel import Tunnel


def negotiate(request: web.Request) -> tuple[Tunnel, tuple[str, ...]]:
    """Return the tunnel for a client and the subprotocols to answer with. Raises HTTPBadRequest."""
    offered = [one.strip() for one in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
    if spdy_tunnel.SUBPROTOCOL in offered:
        return spdy_tunnel.SpdyTunnel(), (spdy_tunnel.SUBPROTOCOL,)
    try:
        requested = channel_tunnel.ports(request.query.getall("port", []))
    except channel_tunnel.PortsError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    named = channel_tunnel.SUBPROTOCOL in offered
    return channel_tunnel.ChannelTunnel(requested), (channel_tunnel.SUBPROTOCOL,) if named else ()
