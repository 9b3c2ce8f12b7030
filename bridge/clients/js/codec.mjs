// The bytes of NPCW 1 (PROTOCOL.md): headers, msgpack bodies, snapshots and actions. No I/O, no clock, no dependencies.
//
// Numbers that may need 64 bits are BigInt in headers; in bodies integers beyond 2^53 are. Rows of floats are Float32Array.

export const MAJOR = 1;
export const HEADER_BYTES = 48;
export const Kind = { HELLO: 1, WELCOME: 2, SCHEMA: 3, SNAPSHOT: 4, ACTION: 5, ERROR: 6, CONTROL: 7, ACK: 8, TELEMETRY: 9, BYE: 10 };
export const Code = {
  MAGIC: 1, VERSION: 2, SCHEMA: 3, LENGTH: 4, LIMIT: 5, VALUE: 6, SESSION: 7, AUTH: 8,
  BUSY: 9, DEADLINE: 10, STALE: 11, KEYFRAME: 12, CONTROL: 13, MODEL: 14, INTERNAL: 15,
};
export const Flag = { KEYFRAME: 1, DELTA: 2, FALLBACK: 4, REPLAY: 8 };
export const Rung = { PLAN: 0, TAIL: 1, CALLBACK: 2, BRAKE: 3, NONE: 4 };

export const LIMITS = {
  frame_bytes: 1 << 20, body_bytes: 1 << 18, schema_bytes: 1 << 16, depth: 8, items: 4096, text_bytes: 4096,
  name_bytes: 64, entity_types: 16, entities: 4096, fields: 256, channels: 64, steps: 64, polygons: 1024,
  vertices: 256, barks: 1024, games: 64, snapshots_per_s: 240, controls_per_s: 30, bad_messages: 10,
};

const LAST_TICK = (1n << 62n) - 1n;
const U32 = 0xffffffff;
const NAMES = Object.fromEntries(Object.entries(Kind).map(([name, kind]) => [kind, name]));
const utf8 = new TextEncoder();
const text = new TextDecoder("utf-8", { fatal: true });

/** A frame that breaks the protocol; `code` is what a receiver answers. */
export class ProtocolError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export const fail = (code, message) => {
  throw new ProtocolError(code, message);
};
export const padded = (size) => Math.ceil(size / 16) * 16;

// ---- header

/** Writes the 48 bytes of a header into the start of `bytes`. */
export function writeHeader(bytes, header) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  bytes.set([0x4e, 0x50, 0x43, 0x57, MAJOR, header.kind]);
  view.setUint16(6, header.flags ?? 0, true);
  view.setUint32(8, header.session ?? 0, true);
  view.setUint32(12, header.schemaId ?? 0, true);
  view.setBigUint64(16, BigInt(header.tick ?? 0), true);
  view.setBigInt64(24, BigInt(header.timeUs ?? 0), true);
  view.setUint32(32, header.sequence ?? 0, true);
  view.setUint32(36, header.count ?? 0, true);
  view.setUint16(40, header.fields ?? 0, true);
  bytes[42] = header.dtype ?? 0;
  bytes[43] = header.blocks ?? 0;
  view.setUint32(44, header.extra ?? 0, true);
  return bytes;
}

/** Reads and checks what all kinds share. */
export function readHeader(bytes, limits = LIMITS) {
  if (bytes.length > limits.frame_bytes) fail(Code.LIMIT, `message: expected at most ${limits.frame_bytes} bytes, got ${bytes.length}`);
  if (bytes[0] !== 0x4e || bytes[1] !== 0x50 || bytes[2] !== 0x43 || bytes[3] !== 0x57) {
    fail(Code.MAGIC, "message: expected it to begin with NPCW");
  }
  if (bytes.length < 6) fail(Code.LENGTH, `message: expected at least ${HEADER_BYTES} bytes, got ${bytes.length}`);
  if (bytes[4] !== MAJOR) fail(Code.VERSION, `message: expected major version ${MAJOR}, got ${bytes[4]}`);
  if (bytes.length < HEADER_BYTES) fail(Code.LENGTH, `message: expected at least ${HEADER_BYTES} bytes, got ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const header = {
    kind: bytes[5],
    flags: view.getUint16(6, true),
    session: view.getUint32(8, true),
    schemaId: view.getUint32(12, true),
    tick: view.getBigUint64(16, true),
    timeUs: view.getBigInt64(24, true),
    sequence: view.getUint32(32, true),
    count: view.getUint32(36, true),
    fields: view.getUint16(40, true),
    dtype: bytes[42],
    blocks: bytes[43],
    extra: view.getUint32(44, true),
  };
  const name = NAMES[header.kind];
  if (!name) fail(Code.VALUE, `message: expected a kind 1..10, got ${header.kind}`);
  if (header.flags & ~15) fail(Code.VALUE, `${name}: unknown flags ${header.flags}`);
  if (header.flags & Flag.DELTA && header.kind !== Kind.SNAPSHOT) fail(Code.VALUE, `${name}: expected no delta`);
  if (header.tick > LAST_TICK) fail(Code.VALUE, `${name}: expected ticks up to ${LAST_TICK}, got ${header.tick}`);
  return header;
}

// ---- msgpack: plain data, canonical when written (keys sorted, shortest integers, float64)

/** A number that is written as float64 even where it is whole. */
export class Float {
  constructor(value) {
    this.value = value;
  }
}

/** Returns canonical msgpack of null, booleans, numbers, BigInt, Float, strings, Uint8Array, arrays and plain objects. */
export function pack(value) {
  const out = [];
  const number = (head, bytes, write) => {
    const data = new Uint8Array(bytes);
    write(new DataView(data.buffer));
    out.push(Uint8Array.of(head), data);
  };
  const sized = (count, heads) => {
    // [first short byte or null, most short, 8-bit or null, 16-bit, 32-bit]
    const [short, most, one, two, four] = heads;
    if (short !== null && count <= most) out.push(Uint8Array.of(short | count));
    else if (one !== null && count < 256) out.push(Uint8Array.of(one, count));
    else if (count < 65536) number(two, 2, (v) => v.setUint16(0, count));
    else number(four, 4, (v) => v.setUint32(0, count));
  };
  const whole = (n) => {
    if (n >= 0 && n < 128) out.push(Uint8Array.of(Number(n)));
    else if (n < 0 && n >= -32) out.push(Uint8Array.of(256 + Number(n)));
    else if (n >= 0 && n < 256) out.push(Uint8Array.of(0xcc, Number(n)));
    else if (n >= 0 && n < 65536) number(0xcd, 2, (v) => v.setUint16(0, Number(n)));
    else if (n >= 0 && n <= U32) number(0xce, 4, (v) => v.setUint32(0, Number(n)));
    else if (n >= 0) number(0xcf, 8, (v) => v.setBigUint64(0, BigInt(n)));
    else if (n >= -128) number(0xd0, 1, (v) => v.setInt8(0, Number(n)));
    else if (n >= -32768) number(0xd1, 2, (v) => v.setInt16(0, Number(n)));
    else if (n >= -2147483648) number(0xd2, 4, (v) => v.setInt32(0, Number(n)));
    else number(0xd3, 8, (v) => v.setBigInt64(0, BigInt(n)));
  };
  const put = (item) => {
    if (item === null || item === undefined) out.push(Uint8Array.of(0xc0));
    else if (typeof item === "boolean") out.push(Uint8Array.of(item ? 0xc3 : 0xc2));
    else if (typeof item === "bigint") whole(item);
    else if (item instanceof Float) number(0xcb, 8, (v) => v.setFloat64(0, item.value));
    else if (typeof item === "number") {
      if (Number.isSafeInteger(item) && !Object.is(item, -0)) whole(item);
      else number(0xcb, 8, (v) => v.setFloat64(0, item));
    } else if (typeof item === "string") {
      const bytes = utf8.encode(item);
      sized(bytes.length, [0xa0, 31, 0xd9, 0xda, 0xdb]);
      out.push(bytes);
    } else if (item instanceof Uint8Array) {
      sized(item.length, [null, 0, 0xc4, 0xc5, 0xc6]);
      out.push(item);
    } else if (Array.isArray(item)) {
      sized(item.length, [0x90, 15, null, 0xdc, 0xdd]);
      item.forEach(put);
    } else {
      const keys = Object.keys(item).sort((a, b) => compare(utf8.encode(a), utf8.encode(b)));
      sized(keys.length, [0x80, 15, null, 0xde, 0xdf]);
      for (const key of keys) {
        put(key);
        put(item[key]);
      }
    }
  };
  put(value);
  return joined(out);
}

function compare(a, b) {
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

function joined(parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Reads one msgpack map. `exact` keeps whole float64 apart from integers, as Float. */
export function unpack(bytes, limits = LIMITS, exact = false) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  const unreadable = (what) => fail(Code.LENGTH, `body: expected one msgpack map, got ${what}`);
  const need = (size) => {
    if (at + size > bytes.length) unreadable("its first bytes");
    at += size;
    return at - size;
  };
  const whole = (big) => (big >= BigInt(Number.MIN_SAFE_INTEGER) && big <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(big) : big);
  const float = (value) => (exact && Number.isInteger(value) ? new Float(value) : value);
  const string = (size) => {
    if (size > limits.text_bytes) unreadable("a text that is too long");
    const start = need(size);
    try {
      return text.decode(bytes.subarray(start, start + size));
    } catch {
      return unreadable("a text that is not UTF-8");
    }
  };
  const blob = (size) => {
    const start = need(size);
    return bytes.slice(start, start + size);
  };
  const inside = (size, depth) => {
    if (size > limits.items) unreadable("too many items");
    if (depth >= limits.depth) fail(Code.LIMIT, `body: nested deeper than ${limits.depth}`);
  };
  const array = (size, depth) => {
    inside(size, depth);
    const out = [];
    for (let i = 0; i < size; i++) out.push(take(depth + 1));
    return out;
  };
  const map = (size, depth) => {
    inside(size, depth);
    const out = Object.create(null);
    for (let i = 0; i < size; i++) {
      const key = take(depth + 1);
      if (typeof key !== "string") unreadable("a key that is no text");
      if (key in out) unreadable("a key twice");
      out[key] = take(depth + 1);
    }
    return out;
  };
  const take = (depth) => {
    const head = bytes[need(1)];
    if (head < 0x80) return head;
    if (head < 0x90) return map(head & 15, depth);
    if (head < 0xa0) return array(head & 15, depth);
    if (head < 0xc0) return string(head & 31);
    if (head >= 0xe0) return head - 256;
    switch (head) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return blob(bytes[need(1)]);
      case 0xc5: return blob(view.getUint16(need(2)));
      case 0xc6: return blob(view.getUint32(need(4)));
      case 0xca: return float(view.getFloat32(need(4)));
      case 0xcb: return float(view.getFloat64(need(8)));
      case 0xcc: return bytes[need(1)];
      case 0xcd: return view.getUint16(need(2));
      case 0xce: return view.getUint32(need(4));
      case 0xcf: return whole(view.getBigUint64(need(8)));
      case 0xd0: return view.getInt8(need(1));
      case 0xd1: return view.getInt16(need(2));
      case 0xd2: return view.getInt32(need(4));
      case 0xd3: return whole(view.getBigInt64(need(8)));
      case 0xd9: return string(bytes[need(1)]);
      case 0xda: return string(view.getUint16(need(2)));
      case 0xdb: return string(view.getUint32(need(4)));
      case 0xdc: return array(view.getUint16(need(2)), depth);
      case 0xdd: return array(view.getUint32(need(4)), depth);
      case 0xde: return map(view.getUint16(need(2)), depth);
      case 0xdf: return map(view.getUint32(need(4)), depth);
      default: return unreadable("an extension type");
    }
  };
  if (bytes.length > limits.body_bytes) fail(Code.LIMIT, `body: expected at most ${limits.body_bytes} bytes, got ${bytes.length}`);
  const body = take(0);
  if (at !== bytes.length) unreadable("bytes behind it");
  if (!isMap(body)) fail(Code.VALUE, "body: expected a map");
  checkFinite(body);
  return body;
}

const isMap = (value) => typeof value === "object" && value !== null && Object.getPrototypeOf(value) === null;

function checkFinite(value) {
  if (value instanceof Float || value instanceof Uint8Array) return;
  if (typeof value === "number" && !Number.isFinite(value)) fail(Code.VALUE, `body: expected finite numbers, got ${value}`);
  if (typeof value === "object" && value !== null) Object.values(value).forEach(checkFinite);
}

// ---- bodies: what each kind of message holds besides its header

const readers = (where, limits, exact) => {
  const wrong = (key, expected) => fail(Code.VALUE, `${where}.${key}: expected ${expected}`);
  const one = {
    integer: (low, high) => (v, key) =>
      (typeof v === "number" && Number.isInteger(v) && v >= low && v <= high) ? v : wrong(key, `an integer ${low}..${high}`),
    number: () => (v, key) => {
      const n = v instanceof Float ? v.value : typeof v === "bigint" ? Number(v) : v;
      if (typeof n !== "number") wrong(key, "a number");
      return exact ? new Float(n) : n;
    },
    flag: () => (v, key) => (typeof v === "boolean" ? v : wrong(key, "true or false")),
    text: (most = limits.name_bytes) => (v, key) =>
      (typeof v === "string" && utf8.encode(v).length <= most) ? v : wrong(key, `a string of at most ${most} bytes`),
    blob: (most) => (v, key) => (v instanceof Uint8Array && v.length <= most ? v : wrong(key, `at most ${most} bytes`)),
    map: () => (v, key) => (isMap(v) ? v : wrong(key, "a map")),
  };
  one.list = (most, item) => (v, key) =>
    (Array.isArray(v) && v.length <= most) ? v.map((x) => item(x, key)) : wrong(key, `a list of at most ${most}`);
  one.texts = (item) => (v, key) =>
    Object.fromEntries(Object.entries(one.map()(v, key)).map(([name, x]) => [name, item(x, `${key}.${name}`)]));
  return one;
};

const BODIES = {
  HELLO: (r, limits) => ({
    majors: r.list(16, r.integer(0, 255)), client: r.text(), game: r.text(), schema: r.blob(limits.schema_bytes),
    capabilities: r.list(64, r.text()), resume: r.text(),
  }),
  WELCOME: (r, limits) => ({
    major: r.integer(1, 255), schema_sha256: r.text(),
    limits: (v, key) => {
      const given = r.map()(v, key);
      return Object.fromEntries(Object.entries(LIMITS).map(([name, most]) =>
        [name, name in given ? r.integer(1, U32)(given[name], `${key}.${name}`) : most]));
    },
    heartbeat_ms: r.integer(1, 60000), lead_ticks: r.integer(0, 1000), fresh_steps: r.integer(1, 1000),
    velocity_tolerance: (v, key) => {
      const given = r.number()(v, key);
      if ((given.value ?? given) < 0) fail(Code.VALUE, `WELCOME.${key}: expected at least 0`);
      return given;
    },
    server: r.text(), capabilities: r.list(64, r.text()), barks: r.list(limits.barks, r.text()),
    model: r.texts(r.text(limits.text_bytes)), warnings: r.list(limits.items, r.text(limits.text_bytes)),
    control: r.text(256), telemetry: r.text(256), resume: r.text(),
  }),
  SCHEMA: (r, limits) => ({ schema: r.blob(limits.schema_bytes) }),
  ERROR: (r) => ({ code: r.integer(1, 15), fatal: r.flag(), text: r.text(1024), remedy: r.text(1024) }),
  BYE: () => ({}),
  CONTROL: (r) => ({ verb: r.text(), arguments: r.map() }),
  ACK: (r) => ({ revision: r.integer(0, U32), code: r.integer(0, 15), text: r.text(1024), result: r.map() }),
  TELEMETRY: (r) => ({ topic: r.text(), body: r.map() }),
};

/** Returns a frame of any kind but SNAPSHOT and ACTION. */
export function encodeBody(header, body) {
  const packed = pack(body);
  return joined([writeHeader(new Uint8Array(HEADER_BYTES), { ...header, extra: packed.length }), packed]);
}

function decodeBody(bytes, header, limits, exact) {
  const name = NAMES[header.kind];
  if (header.dtype || header.fields || header.count || header.blocks || header.flags) {
    fail(Code.VALUE, `${name}: expected flags, count, fields, dtype and blocks 0`);
  }
  if (bytes.length !== HEADER_BYTES + header.extra) {
    fail(Code.LENGTH, `${name}: expected ${HEADER_BYTES + header.extra} bytes, got ${bytes.length}`);
  }
  const given = unpack(bytes.subarray(HEADER_BYTES), limits, exact);
  const body = {};
  for (const [key, read] of Object.entries(BODIES[name](readers(name, limits, exact), limits))) {
    if (!(key in given) && key === "resume") continue; // the one that may be missing
    if (!(key in given)) fail(Code.VALUE, `${name}: expected '${key}', got nothing`);
    body[key] = read(given[key], key);
  }
  if (header.kind === Kind.WELCOME && header.session === 0) fail(Code.VALUE, "WELCOME: expected a session other than 0");
  return { header, body };
}

// ---- snapshots and actions: blocks of 16-byte borders behind the header

/** Lays out blocks one after the other; each begins at a multiple of 16 bytes. */
class Writer {
  constructor(size) {
    this.bytes = new Uint8Array(size);
    this.at = HEADER_BYTES;
  }

  put(array) {
    this.bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), this.at);
    this.at += padded(array.byteLength);
  }
}

export const EXECUTING = [["ids", Uint32Array], ["chunk", Uint32Array], ["step", Uint16Array], ["rung", Uint8Array]];

/**
 * Returns a SNAPSHOT frame.
 * header: session, schemaId, tick, timeUs, sequence, flags. blocks: by entity type {ids: Uint32Array, values: Float32Array}.
 * executing: {ids, chunk, step, rung}, what each NPC did in the last tick.
 */
export function encodeSnapshot(header, schema, blocks, executing) {
  const present = schema.entities.map((entity, index) => ({ entity, index, block: blocks[entity.name] })).filter((e) => e.block);
  const unknown = Object.keys(blocks).filter((name) => !schema.entities.some((e) => e.name === name));
  if (unknown.length) throw new TypeError(`SNAPSHOT: entity types not in the schema: ${unknown.join(", ")}`);
  let size = HEADER_BYTES + padded(8 * present.length);
  let rows = 0;
  for (const { entity, block } of present) {
    const cells = block.ids.length * entity.fields.length;
    if (block.values.length !== cells) throw new TypeError(`entity '${entity.name}': expected ${cells} values, got ${block.values.length}`);
    size += padded(4 * block.ids.length) + padded(4 * cells);
    rows += block.ids.length;
  }
  const doing = executing.ids.length;
  size += 2 * padded(4 * doing) + padded(2 * doing) + padded(doing);
  const out = new Writer(size);
  writeHeader(out.bytes, { ...header, kind: Kind.SNAPSHOT, count: rows, dtype: 1, blocks: present.length, extra: doing });
  const table = new Uint8Array(8 * present.length);
  const view = new DataView(table.buffer);
  present.forEach(({ entity, index, block }, i) => {
    view.setUint16(8 * i, index, true);
    view.setUint16(8 * i + 2, entity.fields.length, true);
    view.setUint32(8 * i + 4, block.ids.length, true);
  });
  out.put(table);
  for (const { block } of present) {
    out.put(block.ids);
    out.put(block.values);
  }
  for (const [name] of EXECUTING) out.put(executing[name]);
  return out.bytes;
}

/** Reads an ACTION frame and refuses what a game must not execute. */
function decodeAction(bytes, header, schema, limits) {
  const refuse = (message) => fail(Code.VALUE, `ACTION: ${message}`);
  sameSchema(header, schema);
  if (header.dtype !== 1 || header.fields || header.blocks || header.extra !== 48) refuse("expected dtype 1, no blocks, a sub-header of 48 bytes");
  if (header.count > limits.entities) fail(Code.LIMIT, `ACTION: expected at most ${limits.entities} NPCs, got ${header.count}`);
  if (bytes.length < 96) fail(Code.LENGTH, `ACTION: expected a sub-header, got ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const action = {
    header,
    sourceTick: header.tick,
    applyTick: view.getBigUint64(48, true),
    validUntilTick: view.getBigUint64(56, true),
    receivedUs: view.getBigInt64(64, true),
    plannedUs: view.getBigInt64(72, true),
    chunk: view.getUint32(80, true),
    m: view.getUint16(84, true),
    k: view.getUint16(86, true),
  };
  const { m, k } = action;
  const n = header.count;
  if (k !== schema.channels.length || view.getBigUint64(88, true) !== 0n) refuse(`expected ${schema.channels.length} channels and reserved 0`);
  if (action.applyTick > LAST_TICK || action.validUntilTick > LAST_TICK) refuse("expected ticks of 62 bits");
  if (m < 1 || m > limits.steps) fail(Code.LIMIT, `ACTION: expected 1..${limits.steps} steps, got ${m}`);
  const parts = [["ids", Uint32Array, n], ["steps", Float32Array, n * m * k], ["expected", Float32Array, n * m * 4],
    ["brake", Float32Array, n], ["tolerance", Float32Array, n], ["status", Uint8Array, n], ["bark", Uint16Array, n]];
  const size = parts.reduce((sum, [, type, count]) => sum + padded(type.BYTES_PER_ELEMENT * count), 96);
  if (bytes.length !== size) fail(Code.LENGTH, `ACTION: expected ${size} bytes, got ${bytes.length}`);
  takeParts(action, bytes, 96, parts);
  if (!(action.sourceTick <= action.applyTick && action.applyTick <= action.validUntilTick)) refuse("expected source <= apply <= valid until");
  distinct([action.ids], "ACTION");
  action.steps.forEach((value, i) => {
    const channel = schema.channels[i % k];
    if (!(value >= Math.fround(channel.low) && value <= Math.fround(channel.high))) refuse(`channel '${channel.name}': expected ${channel.low}..${channel.high}, got ${value}`);
    if (channel.kind === "discrete" && !Number.isInteger(value)) refuse(`channel '${channel.name}': expected whole numbers, got ${value}`);
  });
  if (!action.expected.every(Number.isFinite)) refuse("expected finite poses");
  for (const name of ["brake", "tolerance"]) {
    if (!action[name].every((x) => Number.isFinite(x) && x >= 0)) refuse(`${name}: expected finite numbers of at least 0`);
  }
  if (action.status.some((bits) => bits > 7)) refuse("status: expected the bits 1, 2 and 4 only");
  return action;
}

/** Reads arrays that lie one behind the other on 16-byte borders; the frame is copied once, so that they are aligned. */
export function takeParts(into, bytes, at, parts) {
  const copy = bytes.slice();
  for (const [name, type, count] of parts) {
    into[name] = new type(copy.buffer, at, count);
    at += padded(type.BYTES_PER_ELEMENT * count);
  }
  return at;
}

export function sameSchema(header, schema) {
  if (header.schemaId !== schema.id) {
    fail(Code.SCHEMA, `${NAMES[header.kind]}: expected schema id ${schema.id.toString(16)}, got ${header.schemaId.toString(16)}`);
  }
}

export function distinct(parts, where) {
  const seen = new Set();
  for (const ids of parts) {
    for (const id of ids) {
      if (id === 0 || seen.has(id)) fail(Code.VALUE, `${where}: expected ids above 0, each once, got ${id}`);
      seen.add(id);
    }
  }
}

/** Reads any frame that a game or a tool receives; `exact` keeps whole float64 apart from integers. */
export function decode(bytes, schema, limits = LIMITS, exact = false) {
  const header = readHeader(bytes, limits);
  if (header.kind === Kind.ACTION) return decodeAction(bytes, header, schema, limits);
  if (header.kind === Kind.SNAPSHOT) fail(Code.VALUE, "a game receives no SNAPSHOT");
  return decodeBody(bytes, header, limits, exact);
}
