"""What an explanation of a connection is about."""

from __future__ import annotations

import msgspec

from podwire.insight.snapshot.ends import End, Port


class Question(msgspec.Struct, frozen=True):
    """Who connects to what, on which port; without one, to each that is known."""

    source: End
    destination: End
    port: Port | None
