"""What a browser is told of the most it may send: by REMB when it offers no transport-wide feedback."""

from __future__ import annotations

import time

import pytest
from aiortc import rtp as reference

from recorder.messages import PeerId
from recorder.peer import Peer
from recorder.sdp import EXTENSION_TRANSPORT_CC, read_offer
from tests.recorder.offers import CHROMIUM
from tests.recorder.test_peer import AUDIO, OURS, VIDEO, Home, packet

BARE = "".join(
    line
    for line in CHROMIUM.splitlines(keepends=True)
    if EXTENSION_TRANSPORT_CC not in line and "transport-cc" not in line
)


@pytest.mark.parametrize(("offer", "told"), [(BARE, [984_000]), (CHROMIUM, [])])
async def test_the_cap_is_told_by_remb_where_transport_cc_is_not_offered(offer: str, told: list[int]) -> None:
    home = Home()
    peer = Peer(PeerId("peer"), read_offer(offer, ("vp8",)), OURS, home, 800_000)
    peer._keys = home.peer()._keys
    peer.reach.route = home.way(b"here")
    home.deliver(peer, packet(VIDEO, 1, 0, 5))
    home.deliver(peer, packet(AUDIO, 1, 0, 6))
    peer.tick(time.monotonic_ns() // 1000)
    found = []
    for sent, *_ in home.udp.sent:
        for message in reference.RtcpPacket.parse(bytes(sent)):
            if isinstance(message, reference.RtcpPsfbPacket) and message.fmt == reference.RTCP_PSFB_APP:
                bitrate, ssrcs = reference.unpack_remb_fci(message.fci)
                assert sorted(ssrcs) == [5, 6]
                found.append(bitrate)
    assert found == told
