"""The options of `podwire up` about policies, as roles get them. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from podwire.policy.choices import OnEstablished, Scope


class PolicyOptions(msgspec.Struct, frozen=True):
    """Flags of the agent: `--flow-records` and `--policy-on-established`."""

    flow_records: Scope = "dropped"
    on_established: OnEstablished = "cut"

    @classmethod
    def read(cls, arguments: Mapping[str, str]) -> PolicyOptions:
        """The options of a role's arguments, as `arguments` made them. Raises msgspec.ValidationError."""
        return msgspec.convert({name: arguments[f"policy_{name}"] for name in cls.__struct_fields__}, cls)

    def arguments(self) -> dict[str, str]:
        """The options for the arguments of a role."""
        return {f"policy_{name}": value for name, value in msgspec.structs.asdict(self).items()}
