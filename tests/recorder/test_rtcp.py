"""Our RTCP against aiortc's reading of it, and theirs against ours."""

from __future__ import annotations

from aiortc import rtp as reference
from hypothesis import given
from hypothesis import strategies as st

from recorder import rtcp
from recorder.transport_cc import TICK_US, TransportFeedback


def test_a_sender_report_is_read() -> None:
    packet = reference.RtcpSrPacket(
        ssrc=7,
        sender_info=reference.RtcpSenderInfo(
            ntp_timestamp=0x1122334455667788, rtp_timestamp=0xFFFFFFFF, packet_count=1, octet_count=2
        ),
    )
    (found,) = rtcp.parse(bytes(packet))
    assert isinstance(found, rtcp.SenderReport)
    assert (found.ssrc, found.ntp, found.rtp, found.middle_ntp) == (7, 0x1122334455667788, 0xFFFFFFFF, 0x33445566)


def test_a_goodbye_is_read() -> None:
    (found,) = rtcp.parse(bytes(reference.RtcpByePacket(sources=[1, 2])))
    assert found == rtcp.Goodbye((1, 2))


@given(st.binary(max_size=300))
def test_any_bytes_are_reports_or_malformed(data: bytes) -> None:
    try:
        rtcp.parse(data)
    except rtcp.Malformed:
        return


@given(st.lists(st.integers(0, 70000), max_size=40, unique=True))
def test_a_nack_names_exactly_the_missing(sequences: list[int]) -> None:
    data = rtcp.nack(1, 2, sorted(sequences))
    if not sequences:
        assert data == b""
        return
    (found,) = reference.RtcpPacket.parse(data)
    assert isinstance(found, reference.RtcpRtpfbPacket)
    assert {item & 0xFFFF for item in sequences} == {item & 0xFFFF for item in found.lost}
    assert (found.ssrc, found.media_ssrc, found.fmt) == (1, 2, 1)


def test_a_receiver_report_carries_its_blocks() -> None:
    data = rtcp.receiver_report(9, [rtcp.Reception(3, 12, -5, 70000, 4, 0x01020304, 65536)])
    (found,) = reference.RtcpPacket.parse(data)
    assert isinstance(found, reference.RtcpRrPacket)
    block = found.reports[0]
    assert (block.ssrc, block.fraction_lost, block.packets_lost, block.highest_sequence) == (3, 12, -5, 70000)
    assert (block.jitter, block.lsr, block.dlsr) == (4, 0x01020304, 65536)


def test_a_pli_and_a_remb_are_what_another_implementation_reads() -> None:
    (found,) = reference.RtcpPacket.parse(rtcp.pli(1, 2))
    assert isinstance(found, reference.RtcpPsfbPacket)
    assert (found.fmt, found.media_ssrc) == (1, 2)
    (found,) = reference.RtcpPacket.parse(rtcp.remb(1, 2_500_000, [5, 6]))
    assert isinstance(found, reference.RtcpPsfbPacket)
    bitrate, ssrcs = reference.unpack_remb_fci(found.fci)
    assert abs(bitrate - 2_500_000) < 2_500_000 / 1000 and ssrcs == [5, 6]


# Transport-wide feedback, decoded here straight from the draft.


def decode(message: bytes) -> tuple[int, dict[int, int], int]:
    """First sequence number, arrivals in ticks by sequence number (unwrapped from it), and the message's count."""
    assert message[0] & 0x1F == 15 and message[1] == 205
    assert len(message) == 4 * (int.from_bytes(message[2:4], "big") + 1)
    first, count = int.from_bytes(message[12:14], "big"), int.from_bytes(message[14:16], "big")
    clock = int.from_bytes(message[16:19], "big", signed=True) * 256
    position, statuses = 20, list[int]()
    while len(statuses) < count:
        chunk = int.from_bytes(message[position : position + 2], "big")
        position += 2
        if chunk & 0x8000 == 0:
            statuses += [chunk >> 13] * (chunk & 0x1FFF)
        elif chunk & 0x4000:
            statuses += [chunk >> shift & 3 for shift in range(12, -1, -2)]
        else:
            statuses += [chunk >> shift & 1 for shift in range(13, -1, -1)]
    arrivals = {}
    for index, status in enumerate(statuses[:count]):
        if status == 1:
            clock += message[position]
            position += 1
        elif status == 2:
            clock += int.from_bytes(message[position : position + 2], "big", signed=True)
            position += 2
        else:
            assert status == 0
            continue
        arrivals[first + index] = clock
    padding = message[-1] if message[0] & 0x20 else 0
    assert position + padding == len(message)
    return first, arrivals, message[19]


@given(
    st.integers(0, 0xFFFF),
    st.lists(st.tuples(st.integers(-3, 40), st.integers(-5_000, 300_000)), min_size=1, max_size=300),
)
def test_feedback_says_when_each_packet_arrived(first: int, steps: list[tuple[int, int]]) -> None:
    feedback = TransportFeedback(1)
    sequence, now_us = first, 50_000_000
    sent: dict[int, int] = {}
    for step, pause in steps:
        sequence, now_us = sequence + step, now_us + pause
        feedback.note(sequence & 0xFFFF, now_us * 1000)
        sent[sequence & 0xFFFF] = now_us // TICK_US
    messages = feedback.messages(2)
    found: dict[int, int] = {}
    counts = []
    for message in messages:
        _, arrivals, count = decode(message)
        counts.append(count)
        assert len(message) <= 1200
        found |= {number & 0xFFFF: tick for number, tick in arrivals.items()}
    assert found == sent
    assert counts == list(range(len(messages)))
    assert feedback.messages(2) == []


def test_feedback_reports_a_hole_that_opened_between_two_messages() -> None:
    feedback = TransportFeedback(1)
    feedback.note(100, 1_000_000_000)
    assert decode(feedback.messages(2)[0])[1].keys() == {100}
    feedback.note(103, 1_100_000_000)
    first, arrivals, _ = decode(feedback.messages(2)[0])
    assert first == 101 and arrivals.keys() == {103}


def test_feedback_crosses_the_wrap() -> None:
    feedback = TransportFeedback(1)
    for index, sequence in enumerate((65534, 65535, 0, 1)):
        feedback.note(sequence, 2_000_000_000 + index * 1_000_000)
    (message,) = feedback.messages(2)
    first, arrivals, _ = decode(message)
    assert first == 65534 and list(arrivals) == [65534, 65535, 65536, 65537]
