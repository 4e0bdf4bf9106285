from __future__ import annotations

import struct

from tools.cluster.dns_answer import has_answer, query


def test_a_query_has_the_name_label_by_label() -> None:
    assert query("a.bc.")[12:] == b"\x01a\x02bc\x00" + struct.pack("!2H", 1, 1)


def test_only_a_message_without_error_and_with_a_record_is_an_answer() -> None:
    assert has_answer(struct.pack("!6H", 1, 0x8180, 1, 1, 0, 0))
    assert not has_answer(struct.pack("!6H", 1, 0x8183, 1, 1, 0, 0)), "NXDOMAIN"
    assert not has_answer(struct.pack("!6H", 1, 0x8180, 1, 0, 0, 0)), "no record"
    assert not has_answer(b"\0")
