"""What a handler answers: a whole response, a watch, or what another server sends."""

from __future__ import annotations

from podwire.apiserver.base.requests import Response
from podwire.apiserver.reads.watcher import WatchAnswer
from podwire.apiserver.streams.relays import Proxied, Relay

Answer = Response | WatchAnswer | Relay | Proxied
