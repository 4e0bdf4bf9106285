"""Frames against bytes that were taken from RFC 5227 and RFC 4861 by hand, and the checksum by its own rule."""

import ipaddress
import struct

from podwire.announcement.frames import announcements

MAC = bytes.fromhex("02aabbccddee")


def test_arp_announces_by_a_request_and_a_reply() -> None:
    request, reply = announcements(ipaddress.ip_address("192.0.2.1"), MAC)
    head = "ffffffffffff" + "02aabbccddee" + "0806" + "0001080006040001" + "02aabbccddee" + "c0000201"
    assert request.hex() == head + "000000000000" + "c0000201"
    assert reply.hex() == head.replace("06040001", "06040002") + "02aabbccddee" + "c0000201"


def test_an_unsolicited_advertisement_overrides_and_has_a_valid_checksum() -> None:
    (frame,) = announcements(ipaddress.ip_address("2001:db8::1"), MAC)
    assert frame[:14].hex() == "333300000001" + "02aabbccddee" + "86dd"
    header, body = frame[14:54], frame[54:]
    assert struct.unpack("!IHBB", header[:8]) == (6 << 28, 32, 58, 255)
    assert header[24:].hex() == "ff020000000000000000000000000001"
    assert body[0] == 136
    assert body[4:24].hex() == "20000000" + "20010db8000000000000000000000001"
    assert body[24:].hex() == "0201" + "02aabbccddee"
    words = struct.unpack("!36H", header[8:] + struct.pack("!II", 32, 58) + body)
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert total == 0xFFFF
