// What a game declares once: entities, channels, bodies, walls. The canonical bytes are its identity.
//
// Written as plain objects, with the names of docs/reference/schema.md; what is left out has the default given there.
// The brain judges a schema and says what is wrong with it; here it is only written down.

import { Float, pack } from "./codec.mjs";

const floats = (values) => values.map((value) => new Float(value + 0)); // + 0 turns -0 into 0

function field({ name, unit, low, high, role = "", nan = "reject", default: value = 0, aliases = [], coding = "f32" }) {
  const [l, h, d] = floats([low, high, value]);
  const out = { name, unit, low: l, high: h, role, nan, default: d, aliases };
  return coding === "f32" ? out : { ...out, coding };
}

function channel({ name, unit, low, high, kind = "continuous", default: value = 0, count = 0, hold = false }) {
  const [l, h, d] = floats([low, high, value]);
  return { name, unit, low: l, high: h, kind, default: d, count, hold };
}

function kinematics({ max_speed, max_acceleration, brake, radius, turn_rate, kind = "velocity", cell = 0, diagonals = false }) {
  const [v, a, b, r, t, c] = floats([max_speed, max_acceleration, brake, radius, turn_rate, cell]);
  const out = { max_speed: v, max_acceleration: a, brake: b, radius: r, turn_rate: t, kind };
  return kind === "grid" ? { ...out, cell: c, diagonals } : out;
}

export class Schema {
  /** @param {object} declared game, tick_hz, coordinates, bounds, entities, channels, kinematics, polygons, barks, origin */
  constructor(declared) {
    const { game, tick_hz, coordinates = "wire", bounds, entities, channels, polygons = [], barks = [], origin = [0, 0] } = declared;
    Object.assign(this, { game, tick_hz, coordinates, bounds, polygons, barks, origin });
    this.entities = entities;
    this.channels = channels.map((c) => ({ default: 0, hold: false, kind: "continuous", ...c }));
    this.kinematics = declared.kinematics;
    this.dt = 1 / tick_hz;
    const body = {
      game,
      tick_hz: new Float(tick_hz),
      coordinates,
      bounds: floats(bounds),
      entities: entities.map(({ name, role, max_count, fields }) => ({ name, role, max_count, fields: fields.map(field) })),
      channels: channels.map(channel),
      kinematics: kinematics(declared.kinematics),
      polygons: polygons.map(({ name, kind, vertices, opaque = true }) => ({ name, kind, vertices: vertices.map(floats), opaque })),
      barks,
    };
    if (origin[0] || origin[1]) body.origin = floats(origin);
    this.canonical = pack(body);
    this.sha256 = sha256(this.canonical);
    this.id = parseInt(this.sha256.slice(0, 8), 16);
  }

  channel(name) {
    return this.channels.findIndex((c) => c.name === name);
  }
}

/** SHA-256 (FIPS 180-4) in hexadecimal; browsers have it only as a promise, and a game needs the id at once. */
export function sha256(bytes) {
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
  const root = (n, power) => {
    const value = n ** power;
    return ((value - Math.floor(value)) * 2 ** 32) >>> 0;
  };
  const k = primes.map((p) => root(p, 1 / 3));
  const h = primes.slice(0, 8).map((p) => root(p, 1 / 2));
  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, BigInt(bytes.length) * 8n);
  const turn = (x, n) => (x >>> n) | (x << (32 - n));
  for (let at = 0; at < padded.length; at += 64) {
    const w = Array.from({ length: 16 }, (_, i) => view.getUint32(at + 4 * i));
    for (let i = 16; i < 64; i++) {
      const s0 = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ (w[i - 15] >>> 3);
      const s1 = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ (w[i - 2] >>> 10);
      w.push((w[i - 16] + s0 + w[i - 7] + s1) >>> 0);
    }
    let [a, b, c, d, e, f, g, z] = h;
    for (let i = 0; i < 64; i++) {
      const t1 = z + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + k[i] + w[i];
      const t2 = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      [a, b, c, d, e, f, g, z] = [(t1 + t2) >>> 0, a, b, c, (d + t1) >>> 0, e, f, g];
    }
    [a, b, c, d, e, f, g, z].forEach((x, i) => (h[i] = (h[i] + x) >>> 0));
  }
  return h.map((x) => x.toString(16).padStart(8, "0")).join("");
}
