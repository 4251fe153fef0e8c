"""Headers against aiortc's own parser, and against bytes nobody should send."""

from __future__ import annotations

import pytest
from aiortc import rtp as reference
from hypothesis import given
from hypothesis import strategies as st

from recorder.rtp import Malformed, Unwrapper, parse

TRANSPORT_ID, LEVEL_ID = 5, 3


def read(data: bytes, offset: int = 0) -> tuple[int, ...]:
    block = bytearray(offset) + bytearray(data) + bytearray(64)
    return parse(block, offset, len(data), TRANSPORT_ID, LEVEL_ID)


@given(
    st.integers(0, 127),
    st.integers(0, 1),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.lists(st.integers(0, 0xFFFFFFFF), max_size=15),
    st.binary(max_size=100),
    st.integers(0, 200),
    st.one_of(st.none(), st.integers(0, 0xFFFF)),
    st.one_of(st.none(), st.integers(0, 127)),
)
def test_it_reads_what_another_implementation_writes(
    kind: int,
    marker: int,
    sequence: int,
    timestamp: int,
    ssrc: int,
    csrc: list[int],
    payload: bytes,
    padding: int,
    transport: int | None,
    level: int | None,
) -> None:
    packet = reference.RtpPacket(
        payload_type=kind, marker=marker, sequence_number=sequence, timestamp=timestamp, ssrc=ssrc, payload=payload
    )
    packet.csrc = csrc
    packet.padding_size = padding
    extensions = reference.HeaderExtensionsMap()
    packet.extensions = reference.HeaderExtensions()
    elements = []
    if transport is not None:
        elements.append((TRANSPORT_ID, transport.to_bytes(2, "big")))
    if level is not None:
        elements.append((LEVEL_ID, bytes([level | 0x80])))
    data = packet.serialize(extensions)
    if elements:
        profile, value = reference.pack_header_extensions(elements)
        head = bytes([data[0] | 0x10]) + data[1 : 12 + 4 * len(csrc)]
        data = head + profile.to_bytes(2, "big") + (len(value) // 4).to_bytes(2, "big") + value
        data += packet.payload + (bytes(padding - 1) + bytes([padding]) if padding else b"")
    offset = 7
    found = read(data, offset)
    assert found[:5] == (kind, marker, sequence, timestamp, ssrc)
    assert (bytearray(offset) + data)[found[5] : found[6]] == payload
    assert found[7] == (-1 if transport is None else transport)
    assert found[8] == (-1 if level is None else level)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_packet_inside_their_bounds_or_malformed(data: bytes) -> None:
    try:
        found = read(data, 3)
    except Malformed:
        return
    assert 3 + 12 <= found[5] <= found[6] <= 3 + len(data)


def test_two_byte_extensions_are_read() -> None:
    elements = bytes([TRANSPORT_ID, 2, 0x12, 0x34, LEVEL_ID, 1, 0x85, 0])
    data = bytes([0x90, 96, 0, 1]) + bytes(8) + b"\x10\x00" + bytes([0, 2]) + elements + b"payload"
    found = read(data)
    assert found[7:] == (0x1234, 5)


@pytest.mark.parametrize("data", [b"", b"\x80", bytes(12), b"\x90" + bytes(12), b"\xa0" + bytes(11)])
def test_short_and_foreign_packets_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        read(data)


@given(st.integers(0, 0xFFFF), st.lists(st.integers(-0x7FFF, 0x7FFF), max_size=60))
def test_unwrapping_follows_steps_of_less_than_half_the_range(first: int, steps: list[int]) -> None:
    unwrapper = Unwrapper(16)
    true = unwrapper.unwrap(first)
    newest = true
    for step in steps:
        true = newest + step
        assert unwrapper.unwrap(true & 0xFFFF) == true
        newest = max(newest, true)
