"""Offers read, codecs chosen, answers written; and every offer we cannot record refused with its reason."""

from __future__ import annotations

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.dtls import Fingerprint
from recorder.ice import Credentials
from recorder.messages import OfferProblem, OfferRefused
from recorder.sdp import LINES_LIMIT, LINES_LIMITS, OFFER_LIMIT_BYTES, Offer, read_offer, write_answer
from tests.recorder.offers import CHROMIUM, FINGERPRINT, FIREFOX, audio_only, without

BOTH = ("h264", "vp8")


def answer_to(offer: Offer, addresses: tuple[str, ...] = ("192.0.2.1", "2001:db8::1"), bitrate: int = 2_500_000) -> str:
    return write_answer(
        offer, Credentials("0xUfrag", "p" * 24), Fingerprint("sha-256", "CD:" * 31 + "CD"), addresses, 3478, bitrate
    )


def refusal(offer: str, codecs: tuple[str, ...] = BOTH) -> OfferProblem:
    with pytest.raises(OfferRefused) as raised:
        read_offer(offer, codecs)
    return raised.value.reason


def test_h264_in_packetization_mode_1_and_constrained_baseline_is_chosen_first() -> None:
    video = read_offer(CHROMIUM, BOTH).video
    assert video is not None
    assert (video.codec, video.payload_type, video.rtx_type) == ("h264", 102, 103)


def test_the_order_of_codecs_is_ours() -> None:
    video = read_offer(CHROMIUM, ("vp8", "h264")).video
    assert video is not None
    assert (video.codec, video.payload_type, video.rtx_type) == ("vp8", 96, 97)


def test_firefox_sends_a_picture_that_has_no_port_of_its_own() -> None:
    offer = read_offer(FIREFOX, BOTH)
    assert offer.video is not None and offer.audio is not None
    assert (offer.video.codec, offer.video.payload_type, offer.video.rtx_type) == ("vp8", 120, 124)
    assert (offer.audio.payload_type, offer.transport_id, offer.bundle) == (109, 7, ("0", "1"))
    answer = answer_to(offer)
    assert answer.count("a=recvonly") == 2 and "m=video 9 " in answer
    assert "a=rtcp-fb:109 nack\r\n" in answer and "a=rtcp-fb:120 transport-cc\r\n" in answer


def test_a_picture_without_a_port_that_nothing_carries_is_declined() -> None:
    declined = read_offer(without(FIREFOX, "a=bundle-only"), BOTH)
    assert declined.video is None and "m=video 0 " in answer_to(declined)
    with pytest.raises(OfferRefused):
        read_offer(FIREFOX.replace("BUNDLE 0 1", "BUNDLE 0"), BOTH)


def test_the_answer_is_one_that_another_implementation_reads() -> None:
    offer = read_offer(CHROMIUM, ("vp8",))
    session = SessionDescription.parse(answer_to(offer))
    assert [media.kind for media in session.media] == ["audio", "video"]
    for media, types in zip(session.media, ([111], [96, 97]), strict=True):
        assert media.fmt == types
        assert media.direction == "recvonly"
        assert media.ice.iceLite
        assert media.dtls is not None and media.dtls.role == "server"
        assert [(item.protocol, item.ip, item.port, item.tcpType) for item in media.ice_candidates] == [
            ("udp", "192.0.2.1", 3478, None),
            ("udp", "2001:db8::1", 3478, None),
            ("tcp", "192.0.2.1", 3478, "passive"),
            ("tcp", "2001:db8::1", 3478, "passive"),
        ]
        priorities = [item.priority for item in media.ice_candidates]
        assert priorities == sorted(set(priorities), reverse=True), "any UDP before any TCP, each in our order"
        # RFC 8445 §5.1.2.1 and RFC 6544 §4.2, by hand.
        assert priorities[::2] == [126 * 2**24 + 65535 * 2**8 + 255, 90 * 2**24 + (4 * 2**13 + 8191) * 2**8 + 255]
        assert len({item.foundation for item in media.ice_candidates}) == 4
    assert session.group[0].items == ["0", "1"]


def test_only_feedback_that_was_offered_is_answered() -> None:
    answer = answer_to(read_offer(CHROMIUM, ("vp8",)))
    assert "a=rtcp-fb:96 transport-cc" in answer
    assert "a=rtcp-fb:96 nack pli" in answer
    assert "a=rtcp-fb:111 nack" not in answer
    assert "goog-remb" not in answer
    bare = without(CHROMIUM, "a=extmap:3 ")
    assert "a=rtcp-fb:96 goog-remb" in answer_to(read_offer(bare, ("vp8",)))


def test_bug_10_sideways_phone_video_the_orientation_extension_is_never_answered() -> None:
    assert "urn:3gpp:video-orientation" in CHROMIUM
    assert "orientation" not in answer_to(read_offer(CHROMIUM, BOTH))


def test_the_bitrate_starts_high_and_is_capped() -> None:
    assert "x-google-start-bitrate=1000;x-google-max-bitrate=2500" in answer_to(read_offer(CHROMIUM, ("vp8",)))
    low = answer_to(read_offer(CHROMIUM, ("vp8",)), bitrate=800_000)
    assert "x-google-start-bitrate=720;x-google-max-bitrate=800" in low
    assert "b=TIAS:984000" in low, "15 % for headers and repairs, and 64 kbit/s of sound, on top of the pictures"
    assert "usedtx=0" in low


def test_sound_alone_is_an_offer_without_video() -> None:
    offer = read_offer(audio_only(CHROMIUM), BOTH)
    assert offer.video is None and offer.audio is not None
    assert "m=video" not in answer_to(offer)


def test_a_second_camera_and_a_data_channel_are_declined_in_place() -> None:
    second = CHROMIUM[CHROMIUM.index("m=video") :].replace("a=mid:1", "a=mid:2")
    data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:3\r\na=sctp-port:5000\r\n"
    offer = read_offer(CHROMIUM.replace("BUNDLE 0 1", "BUNDLE 0 1 2 3") + second + data, BOTH)
    session = SessionDescription.parse(answer_to(offer))
    assert [media.port for media in session.media] == [9, 9, 0, 0]
    assert session.group[0].items == ["0", "1"]


def test_bug_14_a_codec_we_do_not_record_is_refused_before_answering() -> None:
    assert refusal(CHROMIUM, ("vp9x",)) is OfferProblem.NO_VIDEO_CODEC
    no_opus = without(CHROMIUM, "a=rtpmap:111", "a=fmtp:111")
    assert refusal(no_opus) is OfferProblem.NO_AUDIO_CODEC


def test_an_offer_without_sound_is_refused() -> None:
    video_only = CHROMIUM[: CHROMIUM.index("m=audio")] + CHROMIUM[CHROMIUM.index("m=video") :]
    assert refusal(video_only.replace("BUNDLE 0 1", "BUNDLE 1")) is OfferProblem.NO_AUDIO_CODEC


def test_an_offer_that_sends_nothing_is_refused() -> None:
    assert refusal(CHROMIUM.replace("a=sendonly", "a=recvonly")) is OfferProblem.NO_MEDIA


@pytest.mark.parametrize(
    "offer",
    [
        without(CHROMIUM, "a=fingerprint"),
        without(CHROMIUM, "a=setup"),
        CHROMIUM.replace("a=setup:actpass", "a=setup:passive"),
        CHROMIUM.replace(FINGERPRINT, "sha-1 AB:CD"),
    ],
    ids=["no fingerprint", "no role", "passive", "weak digest"],
)
def test_an_offer_without_dtls_we_can_check_is_refused(offer: str) -> None:
    assert refusal(offer) in (OfferProblem.NOT_SECURE, OfferProblem.MALFORMED)


@pytest.mark.parametrize(
    "offer",
    [
        "",
        "v=0\r\n",
        "not sdp at all",
        CHROMIUM.replace("a=mid:1", "a=mid:0"),
        CHROMIUM.replace("a=mid:1", "a=mid:" + "x" * 40),
        CHROMIUM.replace("a=group:BUNDLE 0 1\r\n", ""),
        without(CHROMIUM, "a=ice-ufrag"),
        CHROMIUM + "a=x\r\n" * (OFFER_LIMIT_BYTES // 5),
        CHROMIUM.replace("96 97 102", "96 97 300"),
    ],
)
def test_malformed_offers_are_refused(offer: str) -> None:
    assert refusal(offer) in (OfferProblem.MALFORMED, OfferProblem.NO_MEDIA)


def many(*lines: str) -> str:
    """The offer, its picture followed by each of these lines until nothing more fits in."""
    room = OFFER_LIMIT_BYTES - len(CHROMIUM)
    return CHROMIUM + "".join((line + "\r\n") * (room // len(lines) // (len(line) + 2)) for line in lines)


@pytest.mark.parametrize(
    "offer",
    [
        many("a=x"),
        many("m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8"),
        many("a=ssrc:1 cname:4TOk42mSjXCkVIa6/4TOk42mSjXCkVIa6"),
        many("a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1"),
        many("a=rtcp-fb:96 transport-cc/transport-cc/transport-cc/transport-cc"),
        many("a=rtpmap:96 VP8/90000", "a=rtcp-fb:* x"),
        CHROMIUM + "".join(f"a=rtpmap:{number} VP8/90000\r\n" for number in range(130)),
        CHROMIUM + "a=rtcp-fb:* x\r\n" * 17,
        CHROMIUM + "a=rtpmap:096 VP8/90000\r\n",
    ],
    ids=["lines", "sections", "ssrc", "fmtp", "feedback", "product", "codecs", "feedback of all", "codecs of one type"],
)
def test_an_offer_that_would_take_long_to_parse_is_refused_before_it_is(
    offer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[str] = []
    monkeypatch.setattr(SessionDescription, "parse", parsed.append)
    assert refusal(offer) is OfferProblem.MALFORMED
    assert parsed == []


@pytest.mark.parametrize("offer", [CHROMIUM, FIREFOX], ids=["chromium", "firefox"])
def test_what_browsers_write_is_far_from_every_bound(offer: str) -> None:
    lines = offer.splitlines()
    assert len(offer) * 3 <= OFFER_LIMIT_BYTES and len(lines) * 3 <= LINES_LIMIT
    for start, limit in LINES_LIMITS.items():
        assert sum(line.startswith(start) for line in lines) * 3 <= limit, start


@settings(max_examples=150)
@given(st.integers(0, len(CHROMIUM) - 1), st.integers(0, 60), st.text(max_size=30))
def test_any_damage_to_an_offer_is_read_or_refused(position: int, length: int, text: str) -> None:
    damaged = CHROMIUM[:position] + text + CHROMIUM[position + length :]
    try:
        answer_to(read_offer(damaged, BOTH))
    except OfferRefused:
        return
