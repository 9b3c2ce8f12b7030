// The game's end of a session: `poll`, `step`, `push` in every frame. Nothing here waits, and nothing throws for what a
// brain does. The sockets are a `transport`: node.mjs has one over ZeroMQ, browser.mjs one over WebSocket.

import { Code, Flag, Kind, LIMITS, ProtocolError, decode, encodeBody, encodeSnapshot, readHeader } from "./codec.mjs";
import { Ladder } from "./ladder.mjs";

const HELLO_AGAIN_US = 250_000; // an unanswered HELLO is repeated
const REFUSED_AGAIN_US = 1_000_000; // a refused game asks again
const DEAF_US = 500_000; // a peer that has not answered HELLO by then is not ours, or hangs
const SILENT_US = 1_500_000; // without actions while snapshots are sent
const FRAMES_PER_POLL = 16;

const REMEDIES = {
  connecting: "wait a second",
  not_listening: "start the brain (npc-sdk serve), or correct the port",
  not_ours: "correct the port: npc-sdk serve prints its own",
  lost: "wait: the session is opened anew by itself",
  silent: "look at the brain's log",
  local: "pass arrays as the schema declares them",
};

export class Client {
  /**
   * @param transport {poll(): ("up"|"down"|"refused"|"stranger"|"closed")[], send(bytes): boolean, receive(): Uint8Array|null, close(),
   *   endpoint, remedy?: where nothing listens, reason?: of "closed"}
   * @param schema a Schema
   * @param options name of this game instance; fallback, the game's own behaviour, see Ladder; clockUs, monotonic
   */
  constructor(transport, schema, { name = schema.game, fallback = null, clockUs = () => Math.round(performance.now() * 1000) } = {}) {
    this.transport = transport;
    this.schema = schema;
    this.name = name;
    this.fallback = fallback;
    this.clockUs = clockUs;
    this.ladder = new Ladder(schema, fallback);
    this.phase = "idle"; // idle, greeting, live, refused
    this.welcome = null;
    this.resume = ""; // goes on with the session that is, or was, open
    this.nonce = Math.floor(Math.random() * 2 ** 32);
    this.sequence = 0;
    this.helloUs = null; // when HELLO was said last
    this.deafUs = null; // since when a peer owes its first answer
    this.unansweredUs = null; // since when snapshots have had no answer
    this.owed = null; // a HELLO that did not go out
    this.fault = { kind: "connecting", text: `connecting to ${transport.endpoint}`, remedy: REMEDIES.connecting };
    this.snapshotsSent = 0;
    this.snapshotsDropped = 0;
    this.lastTick = 0;
  }

  /** Number of the open session, 0 if there is none. */
  get session() {
    return this.phase === "live" ? this.welcome.session : 0;
  }

  get counters() {
    return this.ladder.counters;
  }

  /** Takes in what has arrived; returns the actions accepted now. */
  poll() {
    const now = this.clockUs();
    for (const event of this.transport.poll()) this.connection(event, now);
    const accepted = [];
    for (let i = 0; i < FRAMES_PER_POLL; i++) {
      const bytes = this.transport.receive();
      if (!bytes) break;
      const action = this.take(bytes, now);
      if (action) accepted.push(action);
    }
    const again = { greeting: HELLO_AGAIN_US, refused: REFUSED_AGAIN_US }[this.phase];
    if (again && now - this.helloUs >= again) this.hello(now, this.phase === "refused");
    if (this.owed && this.transport.send(this.owed)) this.owed = null;
    if (this.deafUs !== null && now - this.deafUs > DEAF_US) {
      this.say("not_ours", `the peer at ${this.transport.endpoint} does not answer HELLO; it may also be a brain that hangs`);
    }
    if (!this.fault && this.unansweredUs !== null && now - this.unansweredUs > SILENT_US) {
      this.say("silent", `the brain at ${this.transport.endpoint} sends no actions`);
    }
    return accepted;
  }

  /** Picks every NPC's command for this tick; see Ladder.step. */
  step(tick, ids, pose, alive = null) {
    return this.ladder.step(tick, ids, pose, alive);
  }

  /**
   * Sends the game's state at a tick.
   * @param blocks by entity type {ids: Uint32Array, values: Float32Array}
   * @returns {boolean} false if nothing was sent: no session, the brain does not read, or `fault` says what is wrong
   */
  push(tick, blocks, timeUs = Math.round((tick * 1e6) / this.schema.tick_hz)) {
    this.lastTick = tick;
    let sent = false;
    if (this.phase === "live") {
      this.sequence = (this.sequence + 1) >>> 0;
      const { session } = this.welcome;
      const header = { flags: Flag.KEYFRAME, session, schemaId: this.schema.id, tick, timeUs, sequence: this.sequence };
      try {
        const bytes = encodeSnapshot(header, this.schema, blocks, this.ladder.executing);
        const most = this.welcome.limits.frame_bytes;
        if (bytes.length > most) throw new TypeError(`SNAPSHOT: expected at most ${most} bytes, got ${bytes.length}`);
        sent = this.transport.send(bytes);
      } catch (error) {
        this.say("local", error.message);
      }
    }
    if (!sent) this.snapshotsDropped += 1;
    else {
      this.snapshotsSent += 1;
      this.unansweredUs ??= this.clockUs();
    }
    return sent;
  }

  /** Leaves the session and opens another: after a level restart, or with another schema. */
  restart(schema = null) {
    if (schema) {
      this.schema = schema;
      this.ladder = new Ladder(schema, this.fallback, this.ladder);
    }
    this.resume = "";
    if (this.phase !== "idle") this.hello(this.clockUs(), true);
  }

  /** The text of a bark, "" for 0 and unknown ones. */
  bark(number) {
    return this.welcome?.barks[number - 1] ?? "";
  }

  /** Says goodbye and closes the sockets. */
  close() {
    if (this.phase === "live") this.transport.send(encodeBody({ kind: Kind.BYE, session: this.session }, {}));
    this.phase = "idle";
    this.transport.close();
  }

  connection(event, now) {
    const at = this.transport.endpoint;
    if (event === "up") {
      this.deafUs = now;
      this.hello(now, true);
      return;
    }
    if (event === "down" && this.phase !== "idle") this.say("lost", `the connection to ${at} broke`);
    if (event === "closed") this.say("lost", `${at} closed the connection: ${this.transport.reason}`);
    if (event === "refused") this.say("not_listening", `nothing listens at ${at}`, this.transport.remedy);
    if (event === "stranger") this.say("not_ours", `the peer at ${at} does not speak this protocol`);
    this.phase = "idle";
    this.helloUs = this.deafUs = this.unansweredUs = this.owed = null;
  }

  hello(now, anew) {
    if (anew) this.nonce = (this.nonce + 1) >>> 0;
    this.phase = "greeting";
    this.helloUs = now;
    this.owed = encodeBody(
      { kind: Kind.HELLO, schemaId: this.schema.id, sequence: this.nonce },
      {
        majors: [1], client: "npcw js", game: this.name, schema: this.schema.canonical, capabilities: [],
        ...(this.resume && { resume: this.resume }),
      },
    );
  }

  take(bytes, now) {
    let message;
    try {
      const { kind, session } = readHeader(bytes);
      if (kind === Kind.ACTION && (this.phase !== "live" || session !== this.session)) return null;
      message = decode(bytes, this.schema, this.welcome?.limits ?? LIMITS);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.say("not_ours", `from ${this.transport.endpoint}: ${error.message}`);
      return null;
    }
    this.deafUs = null;
    const { header, body } = message;
    if (header.kind === Kind.WELCOME) this.welcomed(header, body);
    else if (header.kind === Kind.ERROR) this.reported(header, body, now);
    else if (header.kind === Kind.ACTION) {
      this.unansweredUs = null;
      if (!this.fault?.tick || message.sourceTick > this.fault.tick) this.fault = null;
      return this.ladder.accept(message) ? message : null;
    }
    return null;
  }

  welcomed(header, body) {
    const mine = this.phase === "greeting" ? header.sequence === this.nonce : header.session === this.session;
    if (!mine || body.schema_sha256 !== this.schema.sha256) return;
    this.phase = "live";
    this.welcome = { ...body, session: header.session };
    this.resume = body.resume ?? "";
    if (header.session !== this.ladder.session) {
      this.ladder.start(header.session, body.fresh_steps, body.velocity_tolerance);
    }
    this.unansweredUs = null;
    this.fault = null;
  }

  reported(header, body, now) {
    if (header.session !== 0 && header.session !== this.session) return;
    this.fault = { kind: "reported", code: body.code, text: body.text, remedy: body.remedy };
    if (!body.fatal) {
      this.fault.tick = Number(header.tick) || this.lastTick;
      return;
    }
    this.phase = "refused"; // a session that is merely unknown is opened anew at once
    this.helloUs = body.code === Code.SESSION ? now - REFUSED_AGAIN_US : now;
  }

  say(kind, text, remedy = REMEDIES[kind]) {
    this.fault = { kind, text, remedy, tick: kind === "local" ? this.lastTick : 0 };
  }
}
