"""JSON as the server stores and sends it."""

from __future__ import annotations

from typing import Any

import msgspec

decode: Any = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode
