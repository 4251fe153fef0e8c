/**
 * STUN and TURN servers, asked of the server for each connection: their credentials last for a while only.
 * Never touches the document.
 */

/** @typedef {import("./messages.js").IceServer} Told */

/** No answer for so long: what is known already has to do. */
const PATIENCE_MS = 3000;

export class Relays {
  /**
   * @param {boolean} wanted false where the operator has none: nothing is asked
   * @param {() => boolean} ask sends the question; false when the socket is away
   */
  constructor(wanted, ask) {
    this.wanted = wanted;
    this.ask = ask;
    /** @type {RTCIceServer[]} */
    this.servers = [];
    /** @type {(() => void)[]} */
    this.waiting = [];
  }

  /** Those for the next connection or restart. Never rejects, and never takes long. @returns {Promise<RTCIceServer[]>} */
  async fresh() {
    if (this.wanted && this.ask()) {
      await new Promise((done) => {
        this.waiting.push(() => done(undefined));
        setTimeout(done, PATIENCE_MS);
      });
    }
    return this.servers;
  }

  /** @param {Told[]} servers */
  told(servers) {
    this.servers = servers.map(({ urls, username, credential }) =>
      username !== null && credential !== null ? { urls, username, credential } : { urls },
    );
    for (const done of this.waiting.splice(0)) done();
  }
}
