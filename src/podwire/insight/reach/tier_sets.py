"""What ClusterNetworkPolicies decide before and after NetworkPolicies, for all peers and ports at the same time. Pure.

The same order as `policy.verdict`: Admin, NetworkPolicies, Baseline, default; in a tier the first rule that matches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from podwire.policy.tiers import Action

SetRule = tuple[Action, int, int]
"""What is done with these ports of these peers."""


class _State(msgspec.Struct, frozen=True):
    """Ports of some peers: which are allowed, which nothing has decided yet, which passed the tier."""

    allowed: int
    left: int
    passed: int = 0

    def after(self, action: Action, ports: int) -> _State:
        meant = ports & self.left
        match action:
            case Action.ACCEPT:
                return _State(self.allowed | meant, self.left & ~meant, self.passed)
            case Action.DENY:
                return _State(self.allowed, self.left & ~meant, self.passed)
            case Action.PASS:
                return _State(self.allowed, self.left & ~meant, self.passed | meant)


def decided(
    peers: int,
    ports: int,
    before: Iterable[SetRule],
    isolated: Mapping[int, int] | None,
    after: Sequence[Iterable[SetRule]],
) -> dict[int, int]:
    """Return the ports that are allowed, each set of them with the peers for whom exactly these are.

    `before` are the rules of the Admin tier, `isolated` what NetworkPolicies allow (None: none selects the subject),
    `after` the rules of each later tier, which do not count where NetworkPolicies isolate.
    """
    states = {_State(0, ports): peers}
    states = _tier(states, before)
    if isolated is not None:
        states = _last(states, isolated)
    else:
        for rules in after:
            states = _tier(states, rules)
    found: dict[int, int] = {}
    for state, some in states.items():
        allowed = state.allowed | state.left
        if allowed:
            found[allowed] = found.get(allowed, 0) | some
    return found


def _tier(states: dict[_State, int], rules: Iterable[SetRule]) -> dict[_State, int]:
    for action, ports, peers in rules:
        result: dict[_State, int] = {}
        for state, some in states.items():
            meant = some & peers if state.left & ports else 0
            if meant:
                _add(result, state.after(action, ports), meant)
            if some ^ meant:
                _add(result, state, some ^ meant)
        states = result
    passed: dict[_State, int] = {}
    for state, some in states.items():
        _add(passed, _State(state.allowed, state.left | state.passed), some)
    return passed


def _last(states: dict[_State, int], isolated: Mapping[int, int]) -> dict[_State, int]:
    """Let NetworkPolicies decide all that is left."""
    result: dict[_State, int] = {}
    for state, some in states.items():
        rest = some
        for ports, peers in isolated.items():
            if both := some & peers:
                _add(result, _State(state.allowed | (state.left & ports), 0), both)
                rest &= ~peers
        if rest:
            _add(result, _State(state.allowed, 0), rest)
    return result


def _add(found: dict[_State, int], state: _State, peers: int) -> None:
    found[state] = found.get(state, 0) | peers
