"""The options of `podwire up` about policies, as roles get them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import msgspec

from podwire.policy.flows.scope import Scope


class PolicyOptions(msgspec.Struct, frozen=True):
    """Which connections are recorded: `--flow-records` of the agent."""

    flow_records: Scope = "dropped"

    @classmethod
    def read(cls, arguments: Mapping[str, str]) -> PolicyOptions:
        """The options of a role's arguments, as `arguments` made them."""
        return cls(cast("Scope", arguments["flow_records"]))

    def arguments(self) -> dict[str, str]:
        """The options for the arguments of a role."""
        return {"flow_records": self.flow_records}
