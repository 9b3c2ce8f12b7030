// WebSocket for web pages, to `npc-sdk gateway`: a transport for Client.

const AGAIN_MS = 500; // until a gateway that is not there is looked for again; browsers may wait longer
const WAITING = 64; // messages kept for a page that does not poll

export class WebSocketTransport {
  /** @param {string} url of the gateway, such as ws://127.0.0.1:5760 */
  constructor(url) {
    this.url = url;
    this.endpoint = url; // the brain's, once the gateway has named it
    this.reason = ""; // why the gateway closed
    this.events = [];
    this.inbox = [];
    this.last = 0; // bytes of the newest message
    this.connect();
  }

  connect() {
    let open = false;
    this.socket = new WebSocket(this.url);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => (open = true);
    this.socket.onmessage = ({ data }) => (typeof data === "string" ? this.told(data) : this.take(new Uint8Array(data)));
    this.socket.onclose = ({ reason }) => {
      this.endpoint = this.url;
      this.reason = reason;
      this.happened(reason ? "closed" : open ? "down" : "refused");
      this.again = setTimeout(() => this.connect(), AGAIN_MS);
    };
  }

  /** What to do where nothing listens; a page is not told whether it is a gateway that does not let it in. */
  get remedy() {
    return this.endpoint === this.url ? `npc-sdk gateway --origin ${location.origin}; its log says whom it does not let in` : undefined;
  }

  poll() {
    return this.events.splice(0);
  }

  receive() {
    return this.inbox.shift() ?? null;
  }

  /** Hands a message to the browser; false while more than the one before waits: an old snapshot is worth nothing. */
  send(bytes) {
    if (this.socket.readyState !== WebSocket.OPEN || this.socket.bufferedAmount > this.last) return false;
    this.socket.send(bytes);
    this.last = bytes.length;
    return true;
  }

  close() {
    clearTimeout(this.again);
    this.socket.onclose = null;
    this.socket.close();
  }

  /** What the gateway says of its connection to the brain: a word and the brain's endpoint. */
  told(text) {
    const [word, endpoint] = text.split(" ");
    this.endpoint = endpoint;
    this.happened(word);
  }

  happened(event) {
    if (this.events.at(-1) !== event) this.events.push(event);
  }

  take(bytes) {
    this.inbox.push(bytes);
    if (this.inbox.length > WAITING) this.inbox.shift(); // the oldest says least
  }
}
