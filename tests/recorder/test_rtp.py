"""Headers against aiortc's own parser, and against bytes nobody should send."""

from __future__ import annotations

import pytest
from aiortc import rtp as reference
from hypothesis import given
from hypothesis import strategies as st

from recorder.rtp import HEAD, PLAIN_FLAGS, Malformed, Unwrapper, parse, shape_of

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


element_lists = st.lists(
    st.tuples(st.sampled_from([0, 1, TRANSPORT_ID, LEVEL_ID, 15]), st.binary(min_size=1, max_size=4)), max_size=4
)


def with_elements(elements: list[tuple[int, bytes]], payload: bytes, flags: int = PLAIN_FLAGS) -> bytes:
    body = b"".join(bytes([kind << 4 | len(value) - 1]) + value for kind, value in elements)
    body += bytes(-len(body) % 4)
    return bytes([flags, 96, 0, 1]) + bytes(8) + b"\xbe\xde" + (len(body) // 4).to_bytes(2, "big") + body + payload


@given(element_lists, element_lists, st.data(), st.binary(min_size=12, max_size=40))
def test_a_packet_that_fits_the_shape_of_another_is_read_as_the_parser_reads_it(
    elements: list[tuple[int, bytes]], others: list[tuple[int, bytes]], data: st.DataObject, payload: bytes
) -> None:
    shape = shape_of(HEAD.unpack_from(with_elements(elements, payload)), TRANSPORT_ID, LEVEL_ID)
    likely = [(kind, data.draw(st.binary(min_size=len(value), max_size=len(value)))) for kind, value in elements]
    fitting = 0
    for candidate in (likely, others):
        packet = with_elements(candidate, payload)
        head = HEAD.unpack_from(packet)
        if shape is None or head[5] != shape.extension or head[6] & shape.mask != shape.pattern:
            continue
        fitting += 1
        found = read(packet)
        transport = head[6] >> shape.transport_shift & 0xFFFF if shape.transport_shift >= 0 else -1
        level = head[6] >> shape.level_shift & 0x7F if shape.level_shift >= 0 else -1
        assert found[5:] == (shape.payload_at, len(packet), transport, level)
    assert shape is None or fitting


def test_the_headers_of_browsers_have_a_shape_and_unusual_ones_have_none() -> None:
    def shape(packet: bytes) -> object:
        return shape_of(HEAD.unpack_from(packet), TRANSPORT_ID, LEVEL_ID)

    transport, level = (TRANSPORT_ID, b"\x12\x34"), (LEVEL_ID, b"\x85")
    assert shape(with_elements([transport], bytes(20))) is not None
    assert shape(with_elements([level, transport], bytes(20))) is not None
    assert shape(with_elements([transport], bytes(20), flags=PLAIN_FLAGS | 0x20)) is None, "padding"
    assert shape(with_elements([transport], bytes(20), flags=PLAIN_FLAGS | 1)) is None, "a contributing source"
    assert shape(with_elements([(1, bytes(9)), transport], bytes(20))) is None, "more than two words"
    assert shape(bytes([0x80, 96, 0, 1]) + bytes(30)) is None, "no extension"


@given(st.integers(0, 0xFFFF), st.lists(st.integers(-0x7FFF, 0x7FFF), max_size=60))
def test_unwrapping_follows_steps_of_less_than_half_the_range(first: int, steps: list[int]) -> None:
    unwrapper = Unwrapper(16)
    true = unwrapper.unwrap(first)
    newest = true
    for step in steps:
        true = newest + step
        assert unwrapper.unwrap(true & 0xFFFF) == true
        newest = max(newest, true)
