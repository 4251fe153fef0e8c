// A camera and a microphone of one clock: each picture says in a barcode when it was drawn, by the AudioContext's
// time, and flashes while the oscillator beeps, once a second, by its pitch one of TONES. `stage` publishes them; the
// test answers the offer.
const CELLS = 24;
const TONES = [600, 1000, 1400, 1800, 2200];
const QUIET = 0.002;  // not nothing: a packet of that is like the recorder's own silence

window.stage = async ({ codec, width, height }) => {
  const clock = new AudioContext({ sampleRate: 48000 });
  await clock.resume();
  const microphone = clock.createMediaStreamDestination();
  const volume = clock.createGain();
  volume.gain.value = QUIET;
  const tone = clock.createOscillator();
  tone.connect(volume).connect(microphone);
  tone.start();
  let scheduled = 0;
  const schedule = () => {
    for (; scheduled < clock.currentTime + 3; scheduled++) {
      tone.frequency.setValueAtTime(TONES[scheduled % TONES.length], scheduled);
      volume.gain.setValueAtTime(0.5, scheduled);
      volume.gain.setValueAtTime(QUIET, scheduled + 0.1);
    }
  };
  schedule();
  setInterval(schedule, 500);

  const draw = (canvas, pen) => {
    const { width: wide, height: tall } = canvas;
    const now = clock.currentTime;
    pen.fillStyle = now % 1 < 0.1 ? "#fff" : "#345";
    pen.fillRect(0, 0, wide, tall);
    let code = Math.round(now * 1000);
    for (let cell = 0; cell < CELLS; cell++, code >>= 1) {
      pen.fillStyle = code & 1 ? "#fff" : "#000";
      pen.fillRect(Math.round(cell * wide / CELLS), 0, Math.ceil(wide / CELLS), Math.round(tall / 6));
    }
  };
  const camera = (wide, tall) => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [wide, tall];
    const pen = canvas.getContext("2d", { alpha: false });
    const timer = setInterval(draw, 1000 / 30, canvas, pen);
    draw(canvas, pen);
    const [track] = canvas.captureStream(30).getVideoTracks();
    return { track, off: () => { clearInterval(timer); track.stop(); } };
  };

  const peer = new RTCPeerConnection();
  const [sound] = microphone.stream.getAudioTracks();
  let on = camera(width, height);
  const video = peer.addTransceiver(on.track, { direction: "sendonly" });
  peer.addTransceiver(sound, { direction: "sendonly" });
  const wanted = RTCRtpSender.getCapabilities("video").codecs
    .filter((each) => each.mimeType.toLowerCase() === `video/${codec}` || each.mimeType === "video/rtx");
  video.setCodecPreferences(wanted);
  await peer.setLocalDescription();
  window.answered = async (sdp) => {
    await peer.setRemoteDescription({ type: "answer", sdp });
    const parameters = video.sender.getParameters();
    parameters.degradationPreference = "maintain-resolution";
    await video.sender.setParameters(parameters);
  };
  window.swap = async (wide, tall) => {
    const before = on;
    on = camera(wide, tall);
    await video.sender.replaceTrack(on.track);
    before.off();
  };
  window.nowMs = () => Math.round(clock.currentTime * 1000);
  window.sent = async () => {
    for (const report of (await peer.getStats()).values()) {
      if (report.type === "outbound-rtp" && report.kind === "video") {
        return { frames: report.framesSent, width: report.frameWidth, height: report.frameHeight,
          target: report.targetBitrate ?? 0 };
      }
    }
    return null;
  };
  return peer.localDescription.sdp;
};
