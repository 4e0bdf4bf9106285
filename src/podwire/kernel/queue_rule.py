"""The rule that holds packets in a queue (NFQUEUE), in whichever form the kernel has it.

Sources: nft(8) `queue`; linux/netfilter/nf_tables.h (expression `target`), linux/netfilter/xt_NFQUEUE.h.
"""

from __future__ import annotations

import struct

from podwire.kernel.netlink import NETLINK_NETFILTER, Netlink, Request, attribute, nested, number_be, text
from podwire.kernel.nftables import NftablesError, Transactions

_SUBSYSTEM = 10
_NEW_RULE = _SUBSYSTEM << 8 | 6
_CREATE_AND_APPEND = 0x400 | 0x800
_INET = 1
_RULE_TABLE, _RULE_CHAIN, _RULE_EXPRESSIONS = 1, 2, 4
_ELEMENT, _NAME, _DATA = 1, 1, 2
_TARGET_NAME, _TARGET_REVISION, _TARGET_INFO = 1, 2, 3
_REVISION, _BYPASS = 3, 1


def hold(nft: Transactions, table: str, chain: str, queue: int) -> None:
    """Append the rule to a chain of an inet table; packets go on at once while no process reads the queue.

    A kernel without nft_queue may have the same as a target of xtables. Raises NetlinkError where it has neither.
    """
    try:
        nft.run(f"add rule inet {table} {chain} queue num {queue} bypass")
    except NftablesError:
        with Netlink(protocol=NETLINK_NETFILTER) as netlink:
            netlink.transaction(_SUBSYSTEM, [_rule(table, chain, queue)])


def _rule(table: str, chain: str, queue: int) -> Request:
    target = nested(
        _DATA,
        text(_TARGET_NAME, "NFQUEUE"),
        number_be(_TARGET_REVISION, _REVISION),
        attribute(_TARGET_INFO, struct.pack("=HHH2x", queue, 1, _BYPASS)),
    )
    expressions = nested(_RULE_EXPRESSIONS, nested(_ELEMENT, text(_NAME, "target"), target))
    body = struct.pack("!BBH", _INET, 0, 0) + text(_RULE_TABLE, table) + text(_RULE_CHAIN, chain) + expressions
    return Request(_NEW_RULE, _CREATE_AND_APPEND, body, f"hold packets in queue {queue}")
