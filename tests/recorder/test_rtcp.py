"""Our RTCP against aiortc's reading of it, and theirs against ours."""

from __future__ import annotations

from aiortc import rtp as reference
from hypothesis import given
from hypothesis import strategies as st

from recorder import rtcp
from recorder.transport_cc import MOST_MESSAGES, MOST_NOTED, TICK_US, TransportFeedback


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
        feedback.note([(sequence & 0xFFFF, now_us)])
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
    feedback.note([(100, 1_000_000)])
    assert decode(feedback.messages(2)[0])[1].keys() == {100}
    feedback.note([(103, 1_100_000)])
    first, arrivals, _ = decode(feedback.messages(2)[0])
    assert first == 101 and arrivals.keys() == {103}


def test_feedback_crosses_the_wrap() -> None:
    feedback = TransportFeedback(1)
    for index, sequence in enumerate((65534, 65535, 0, 1)):
        feedback.note([(sequence, 2_000_000 + index * 1_000)])
    (message,) = feedback.messages(2)
    first, arrivals, _ = decode(message)
    assert first == 65534 and list(arrivals) == [65534, 65535, 65536, 65537]


@given(
    st.integers(0, 0xFFFF),
    st.lists(st.lists(st.integers(0, 80_000), min_size=1, max_size=300), min_size=1, max_size=4),
    st.integers(1, 1 << 45),
)
def test_packets_in_order_are_reported_as_any_others_are(first: int, calls: list[list[int]], now_us: int) -> None:
    """The short way for what all arrived, and the long one, write the same bytes."""
    quick, slow = TransportFeedback(1), TransportFeedback(1)
    slow._all_in_order = lambda *_: None  # type: ignore[method-assign, assignment]
    sequence = first
    for pauses in calls:
        heard = []
        for pause_us in pauses:
            now_us += pause_us
            heard.append((sequence & 0xFFFF, now_us))
            sequence += 1
        quick.note(heard)
        slow.note(list(heard))
        assert quick.messages(2) == slow.messages(2)


@given(st.data(), st.integers(0, 0xFFFF), st.integers(60, 1_500))
def test_a_long_stream_with_losses_and_disorder_is_reported_whole(data: st.DataObject, first: int, count: int) -> None:
    """Over many messages and the wrap: each packet that arrived once, at its time, and no other."""
    lost = set(data.draw(st.lists(st.integers(1, count - 1), max_size=60)))
    late = data.draw(st.dictionaries(st.integers(1, count - 1), st.integers(1, 9), max_size=40))
    order = sorted((number for number in range(count) if number not in lost), key=lambda n: n + late.get(n, 0))
    feedback = TransportFeedback(1)
    now_us, reported, counts = 7_000_000, dict[int, int](), list[int]()
    noted = dict[int, int]()
    for index, number in enumerate(order):
        now_us += 3_000 + 700_000 * (index % 401 == 400)
        feedback.note([(first + number & 0xFFFF, now_us)])
        noted[first + number & 0xFFFF] = now_us // TICK_US
        if index % 97 == 96 or index == len(order) - 1:
            for message in feedback.messages(2):
                _, arrivals, message_count = decode(message)
                counts.append(message_count)
                assert not {sequence & 0xFFFF for sequence in arrivals} & reported.keys()
                reported |= {sequence & 0xFFFF: tick for sequence, tick in arrivals.items()}
    assert reported == noted
    assert counts == [index & 0xFF for index in range(len(counts))]


def test_feedback_uses_runs_where_statuses_repeat_and_vectors_where_they_change() -> None:
    feedback = TransportFeedback(1)
    feedback.note([(number, 1_000_000 + number * 1_000) for number in range(40)])
    (steady,) = feedback.messages(2)
    assert len(steady) == 20 + 2 + 40 + 2 and steady[20] & 0x80 == 0
    feedback.note([(number, 1_000_000 + number * 1_000) for number in range(40, 80, 3)])
    (holes,) = feedback.messages(2)
    assert holes[20] & 0xC0 == 0xC0
    assert set(decode(holes)[1]) == set(range(40, 80, 3))


def test_the_reference_time_wraps_after_twelve_days_with_the_numbers_that_follow_from_it() -> None:
    feedback = TransportFeedback(1)
    wrap_us = (1 << 24) * 256 * TICK_US
    for now_us in (wrap_us - 1_000, wrap_us + 1_000):
        feedback.note([(now_us // 2_000 & 0xFFFF, now_us)])
    (message,) = feedback.messages(2)
    clocks = list(decode(message)[1].values())
    assert clocks[1] - clocks[0] == 8
    feedback.note([((wrap_us + 3_000) // 2_000 & 0xFFFF, wrap_us + 3_000)])
    (message,) = feedback.messages(2)
    assert message[16:19] == b"\0\0\0"


def test_feedback_remembers_no_more_than_a_bounded_number_of_packets() -> None:
    feedback = TransportFeedback(1)
    feedback.note([(number & 0xFFFF, number) for number in range(MOST_NOTED + 5)])
    feedback.note([(0, 1)])
    assert feedback.dropped == 6
    assert len(feedback.messages(2)) == MOST_MESSAGES
