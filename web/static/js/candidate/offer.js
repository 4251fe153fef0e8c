/**
 * A connection's offer, with what browsers leave out: that lost sound may be asked for again.
 * Browsers can send packets of Opus once more (RFC 4585 §6.2.1), and offer it for pictures alone. Without it a path
 * that loses 5 % of the packets costs 5 % of the sound.
 */

/**
 * Makes an offer this connection's local description. Rejects as setLocalDescription does.
 * @param {RTCPeerConnection} peer
 */
export async function describe(peer) {
  const { sdp } = await peer.createOffer();
  try {
    await peer.setLocalDescription({ type: "offer", sdp: repeatingSound(sdp ?? "") });
  } catch {
    // A browser that wants its own words back unchanged.
    await peer.setLocalDescription();
  }
}

/**
 * The same description with a NACK for each Opus payload type that has none. Pure.
 * @param {string} sdp
 */
export function repeatingSound(sdp) {
  return sdp.replace(/^a=rtpmap:(\d+) opus\/48000.*\r\n/gim, (line, type) => {
    const asked = `a=rtcp-fb:${type} nack\r\n`;
    return sdp.includes(asked) ? line : line + asked;
  });
}
