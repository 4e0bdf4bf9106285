"""The request to fork a process from the zygote, as one line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class SpawnRequest:
    """What to fork: `function` is "module:name", `log` a file that takes its output, `inherits` names descriptors."""

    name: str
    function: str
    network: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    inherits: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """The request as one line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> SpawnRequest:
        """Read a request; raises ValueError or KeyError where it is none."""
        raw = json.loads(line)
        return cls(raw["name"], raw["function"], raw["network"], raw["arguments"], tuple(raw["inherits"]))
