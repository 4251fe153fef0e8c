"""A browser's offer in, our answer out (RFC 8829, RFC 9143 bundle, JSEP): what we record and what we feed back.

Parsing is aiortc.sdp's; whatever it cannot read is refused with a reason a page has
a sentence for. The orientation extension is never answered, so that a phone rotates
its own pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.sdp import MediaDescription, SessionDescription

from recorder.dtls import STRONG_DIGESTS, Fingerprint
from recorder.ice import Credentials
from recorder.messages import OfferProblem, OfferRefused

OFFER_LIMIT_BYTES = 32 * 1024
LINES_LIMIT = 800
LINES_LIMITS = {
    "m=": 8,
    "a=ssrc:": 64,
    "a=rtpmap:": 128,
    "a=fmtp:": 128,
    "a=rtcp-fb:": 320,
    "a=rtcp-fb:*": 16,
}
"""Of an offer, each several times what a browser writes: Chromium 156 has 6 KB and 165 lines, with 6, 31, 22 and 51 of
those counted after `m=`. aiortc.sdp holds the lines of one kind against each other or against those of another, so that
its time grows with their product: seconds, for what fits into 48 KiB."""
EXTENSION_MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
EXTENSION_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
EXTENSION_TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
START_BITRATE_KBPS = 1000
AUDIO_KBPS = 64
HEADERS_PERCENT = 15
"""On top of the pictures: their packets' headers, and what is sent again."""
UDP_HOST, TCP_HOST = 126, 90
"""Type preferences: any UDP candidate before any of TCP (RFC 6544 §4.2)."""
PASSIVE = 4
"""The direction preference of a passive candidate (RFC 6544 §4.2)."""


@dataclass(frozen=True, slots=True)
class TrackOffer:
    """One track we will receive. `codec` is vp8, h264 or opus; `rtx_type` and extension ids are 0 when absent."""

    mid: str
    kind: str
    codec: str
    payload_type: int
    rtx_type: int
    clock_rate: int
    ssrc: int
    level_id: int
    parameters: dict[str, str]
    feedback: frozenset[str]
    """The RTCP feedback the browser offers for this codec, as its rtcp-fb lines say it."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What of an offer matters to a recorder."""

    media: tuple[MediaDescription, ...]
    tracks: tuple[TrackOffer, ...]
    bundle: tuple[str, ...]
    ufrag: str
    fingerprints: tuple[Fingerprint, ...]
    transport_id: int
    """Header extension id of the transport-wide sequence number; 0 when not offered."""

    @property
    def video(self) -> TrackOffer | None:
        return next((track for track in self.tracks if track.kind == "video"), None)

    @property
    def audio(self) -> TrackOffer | None:
        return next((track for track in self.tracks if track.kind == "audio"), None)


def read_offer(text: str, video_codecs: Sequence[str]) -> Offer:
    """Reads an offer and chooses the codecs, by our order of preference; none of video: sound alone is taken.

    Raises OfferRefused.
    """
    if len(text) > OFFER_LIMIT_BYTES:
        raise OfferRefused(OfferProblem.MALFORMED, "too long")
    lines = text.splitlines()
    _check_cost(lines)
    try:
        session = SessionDescription.parse(text)
    except Exception as error:  # aiortc.sdp asserts, indexes and converts on what it is given
        raise OfferRefused(OfferProblem.MALFORMED, type(error).__name__) from error
    if not session.media:
        raise OfferRefused(OfferProblem.NO_MEDIA)
    mids = [media.rtp.muxId for media in session.media]
    if any(not _token(mid) for mid in mids) or len(set(mids)) != len(mids):
        raise OfferRefused(OfferProblem.MALFORMED, "mid")
    bundle = next((group.items for group in session.group if group.semantic == "BUNDLE"), [])
    alone = _bundle_only(lines)
    wanted = [media for index, media in enumerate(session.media) if _sends(media, index in alone)]
    if not wanted:
        raise OfferRefused(OfferProblem.NO_MEDIA)
    if len(session.media) > 1 and any(media.rtp.muxId not in bundle for media in wanted):
        raise OfferRefused(OfferProblem.MALFORMED, "not bundled")
    tracks = _choose(wanted, video_codecs)
    first = wanted[0]
    if first.ice is None or not first.ice.usernameFragment or not first.ice.password:
        raise OfferRefused(OfferProblem.MALFORMED, "no ICE credentials")
    if len(first.ice.usernameFragment) > 256:
        raise OfferRefused(OfferProblem.MALFORMED, "ICE ufrag")
    return Offer(
        media=tuple(session.media),
        tracks=tuple(tracks),
        bundle=tuple(mid for mid in mids if any(track.mid == mid for track in tracks)),
        ufrag=first.ice.usernameFragment,
        fingerprints=_fingerprints(first),
        transport_id=next((found for media in wanted if (found := _extension(media, EXTENSION_TRANSPORT_CC))), 0),
    )


def _check_cost(lines: Sequence[str]) -> None:
    """That these lines are parsed in milliseconds, whoever wrote them. Raises OfferRefused."""
    if len(lines) > LINES_LIMIT:
        raise OfferRefused(OfferProblem.MALFORMED, "too many lines")
    for start, limit in LINES_LIMITS.items():
        if sum(line.startswith(start) for line in lines) > limit:
            raise OfferRefused(OfferProblem.MALFORMED, f"too many lines {start}")
    mapped: set[int] = set()
    for line in lines:
        if line.startswith("m="):
            mapped.clear()
        elif line.startswith("a=rtpmap:"):
            payload_type = line.removeprefix("a=rtpmap:").split(" ", 1)[0]
            # A feedback line belongs to each codec of its payload type, so one type has one codec (RFC 8866 §6.6).
            if not (payload_type.isdecimal() and len(payload_type) <= 3) or int(payload_type) in mapped:
                raise OfferRefused(OfferProblem.MALFORMED, "payload type")
            mapped.add(int(payload_type))


def _token(mid: object) -> bool:
    return isinstance(mid, str) and 0 < len(mid) <= 32 and all(char.isalnum() or char in "-_.:+" for char in mid)


def _bundle_only(lines: Sequence[str]) -> frozenset[int]:
    """The sections that have no port because they are carried by another's (RFC 9143 §6); Firefox writes them so."""
    found: set[int] = set()
    index = -1
    for line in lines:
        if line.startswith("m="):
            index += 1
        elif line == "a=bundle-only":
            found.add(index)
    return frozenset(found)


def _sends(media: MediaDescription, bundle_only: bool) -> bool:
    """Neither refused by port 0 nor receiving only."""
    return (
        media.kind in ("audio", "video")
        and (media.port != 0 or bundle_only)
        and (media.direction or "sendrecv") in ("sendrecv", "sendonly")
    )


def _choose(wanted: Sequence[MediaDescription], video_codecs: Sequence[str]) -> list[TrackOffer]:
    """The first audio and the first video section, each with its codec."""
    tracks: list[TrackOffer] = []
    for kind, names, problem in (
        ("video", video_codecs, OfferProblem.NO_VIDEO_CODEC),
        ("audio", ("opus",), OfferProblem.NO_AUDIO_CODEC),
    ):
        media = next((item for item in wanted if item.kind == kind), None)
        if media is None or not names:
            if kind == "audio":
                raise OfferRefused(OfferProblem.NO_AUDIO_CODEC, "no audio offered")
            continue
        codec = _codec(media, names)
        if codec is None:
            raise OfferRefused(problem)
        tracks.append(_track(media, codec))
    return tracks


def _codec(media: MediaDescription, names: Sequence[str]) -> RTCRtpCodecParameters | None:
    for name in names:
        found = [codec for codec in media.rtp.codecs if codec.name.lower() == name and _recordable(codec)]
        if name == "h264":
            # Constrained baseline first: every player has it.
            found.sort(key=lambda codec: not str(codec.parameters.get("profile-level-id", "")).lower().startswith("42"))
        if found:
            return found[0]
    return None


def _recordable(codec: RTCRtpCodecParameters) -> bool:
    name = codec.name.lower()
    if codec.payloadType is None or not 0 <= codec.payloadType <= 127:
        return False
    if name == "h264":
        return str(codec.parameters.get("packetization-mode", "0")) == "1" and codec.clockRate == 90000
    if name == "opus":
        return codec.clockRate == 48000 and codec.channels == 2
    return codec.clockRate == 90000


def _track(media: MediaDescription, codec: RTCRtpCodecParameters) -> TrackOffer:
    rtx = next(
        (
            item.payloadType
            for item in media.rtp.codecs
            if item.payloadType
            and item.name.lower() == "rtx"
            and str(item.parameters.get("apt")) == str(codec.payloadType)
        ),
        0,
    )
    return TrackOffer(
        mid=media.rtp.muxId,
        kind=media.kind,
        codec=codec.name.lower(),
        payload_type=codec.payloadType or 0,
        rtx_type=rtx,
        clock_rate=codec.clockRate,
        ssrc=media.ssrc[0].ssrc if media.ssrc else 0,
        level_id=_extension(media, EXTENSION_LEVEL) if media.kind == "audio" else 0,
        parameters={key: str(value) for key, value in codec.parameters.items() if value is not None},
        feedback=frozenset(item.type + (f" {item.parameter}" if item.parameter else "") for item in codec.rtcpFeedback),
    )


def _extension(media: MediaDescription, uri: str) -> int:
    return next((item.id for item in media.rtp.headerExtensions if item.uri == uri and 0 < item.id < 256), 0)


def _fingerprints(media: MediaDescription) -> tuple[Fingerprint, ...]:
    if media.dtls is None or media.dtls.role not in ("auto", "client"):
        raise OfferRefused(OfferProblem.NOT_SECURE, "no DTLS role we can answer")
    found = [Fingerprint(item.algorithm, item.value) for item in media.dtls.fingerprints]
    if not any(item.algorithm.lower() in STRONG_DIGESTS for item in found) or len(found) > 8:
        raise OfferRefused(OfferProblem.NOT_SECURE, "no fingerprint we can check")
    return tuple(found)


def write_answer(
    offer: Offer,
    credentials: Credentials,
    fingerprint: Fingerprint,
    addresses: Sequence[str],
    port: int,
    max_bitrate_bps: int,
) -> str:
    """The answer: recvonly, ICE-lite, passive, every advertised address a host candidate for UDP and one for TCP."""
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        f"a=group:BUNDLE {' '.join(offer.bundle)}",
        "a=msid-semantic: WMS *",
    ]
    for media in offer.media:
        track = next((item for item in offer.tracks if item.mid == media.rtp.muxId), None)
        if track is None:
            formats = " ".join(str(item) for item in media.fmt[:1])
            lines += [f"m={media.kind} 0 {media.profile} {formats}", "c=IN IP4 0.0.0.0", "a=inactive",
                      f"a=mid:{media.rtp.muxId}"]  # fmt: skip
            continue
        lines += _section(offer, media, track, max_bitrate_bps)
        lines += [
            f"a=ice-ufrag:{credentials.ufrag}",
            f"a=ice-pwd:{credentials.password}",
            f"a=fingerprint:{fingerprint.algorithm} {fingerprint.value}",
            "a=setup:passive",
        ]
        lines += candidates(addresses, port)
        lines.append("a=end-of-candidates")
    return "\r\n".join(lines) + "\r\n"


def candidates(addresses: Sequence[str], port: int) -> list[str]:
    """The candidate lines (RFC 8839 §5.1, RFC 6544 §4.5), in our order of preference: UDP first, then TCP."""
    udp = [
        f"a=candidate:{index + 1} 1 udp {_priority(UDP_HOST, max(0, 65535 - index))} {address} {port} typ host"
        for index, address in enumerate(addresses)
    ]
    tcp = [
        f"a=candidate:{len(addresses) + index + 1} 1 tcp {_priority(TCP_HOST, PASSIVE << 13 | max(0, 8191 - index))}"
        f" {address} {port} typ host tcptype passive"
        for index, address in enumerate(addresses)
    ]
    return udp + tcp


def _priority(type_preference: int, local_preference: int) -> int:
    """RFC 8445 §5.1.2.1, of the one component there is."""
    return type_preference << 24 | local_preference << 8 | 255


def transport_bps(video_bps: int) -> int:
    """What a browser must believe of the way to send pictures of `video_bps`: sound and all headers go off it."""
    return video_bps * (100 + HEADERS_PERCENT) // 100 + AUDIO_KBPS * 1000


def _section(offer: Offer, media: MediaDescription, track: TrackOffer, max_bitrate_bps: int) -> list[str]:
    types = [track.payload_type, *([track.rtx_type] if track.rtx_type else [])]
    name = {"vp8": "VP8", "h264": "H264", "opus": "opus"}[track.codec]
    kbps = max_bitrate_bps // 1000
    bandwidth_kbps = transport_bps(max_bitrate_bps) // 1000 if track.kind == "video" else AUDIO_KBPS
    lines = [
        f"m={track.kind} 9 {media.profile} {' '.join(map(str, types))}",
        "c=IN IP4 0.0.0.0",
        f"b=AS:{bandwidth_kbps}",
        f"b=TIAS:{bandwidth_kbps * 1000}",
        "a=recvonly",
        f"a=mid:{track.mid}",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        f"a=rtpmap:{track.payload_type} {name}/{track.clock_rate}{'/2' if track.kind == 'audio' else ''}",
    ]
    wanted = {EXTENSION_MID, EXTENSION_TRANSPORT_CC, *([EXTENSION_LEVEL] if track.kind == "audio" else [])}
    lines += [f"a=extmap:{item.id} {item.uri}" for item in media.rtp.headerExtensions if item.uri in wanted]
    feedback = ["transport-cc" if offer.transport_id else "goog-remb", "nack", "nack pli"]
    if track.kind == "video":
        start = min(START_BITRATE_KBPS, kbps * 9 // 10)
        parameters = [f"x-google-start-bitrate={start}", f"x-google-max-bitrate={kbps}"]
        if track.codec == "h264":
            parameters = [
                "level-asymmetry-allowed=1",
                "packetization-mode=1",
                f"profile-level-id={track.parameters.get('profile-level-id', '42e01f')}",
                *parameters,
            ]
        lines += [f"a=fmtp:{track.payload_type} {';'.join(parameters)}"]
        if track.rtx_type:
            lines += [f"a=rtpmap:{track.rtx_type} rtx/90000", f"a=fmtp:{track.rtx_type} apt={track.payload_type}"]
    else:
        lines += [f"a=fmtp:{track.payload_type} minptime=10;useinbandfec=0;usedtx=0"]
    return lines + [f"a=rtcp-fb:{track.payload_type} {item}" for item in feedback if item in track.feedback]
