// ZeroMQ for Node, by the package `zeromq`: a transport for Client.

import { Dealer } from "zeromq";

const OPTIONS = {
  linger: 0, immediate: true, sendHighWaterMark: 2, sendTimeout: 0, reconnectInterval: 20, maxMessageSize: 1 << 20,
  heartbeatInterval: 500, heartbeatTimeout: 1500, heartbeatTimeToLive: 2000, handshakeInterval: 2000,
};

export class ZmqTransport {
  /** @param {string} endpoint of the brain's data channel, such as tcp://127.0.0.1:5757 */
  constructor(endpoint) {
    this.endpoint = endpoint;
    this.events = [];
    this.inbox = [];
    this.sending = false;
    this.socket = new Dealer(OPTIONS);
    let greeting = false;
    this.socket.events.on("connect", () => (greeting = true));
    this.socket.events.on("handshake", () => {
      greeting = false;
      this.events.push("up");
    });
    this.socket.events.on("disconnect", () => {
      this.events.push(greeting ? "stranger" : "down");
      greeting = false;
    });
    this.socket.events.on("connect:retry", () => this.events.push("refused"));
    this.socket.connect(endpoint);
    this.read();
  }

  async read() {
    try {
      for await (const frames of this.socket) {
        const frame = frames.length === 1 ? frames[0] : []; // several frames are never ours
        if (this.inbox.length < 64) this.inbox.push(new Uint8Array(frame));
      }
    } catch {
      // closed
    }
  }

  poll() {
    return this.events.splice(0);
  }

  receive() {
    return this.inbox.shift() ?? null;
  }

  /** Hands a frame to ZeroMQ; false while it still has the one before: an old snapshot is worth nothing. */
  send(bytes) {
    if (this.sending || this.socket.closed) return false;
    this.sending = true;
    this.socket.send(bytes).catch(() => {}).finally(() => (this.sending = false));
    return true;
  }

  close() {
    this.socket.close();
  }
}
