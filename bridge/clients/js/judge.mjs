// Judges the cases of `python -m npc_bridge.conformance check` (docs/reference/conformance.md), wherever this client runs.
//
// Reads every frame of the cases and writes it again, or says by which code it is refused; plays the ladder's scripts.
// Kinds that a game only sends are read here, and nowhere else in this client.

import {
  Code, EXECUTING, Flag, Kind, LIMITS, ProtocolError, decode, distinct, encodeBody, encodeSnapshot, fail, pack, padded, readHeader,
  sameSchema, takeParts, unpack,
} from "./codec.mjs";
import { preset } from "./coordinates.mjs";
import { Ladder } from "./ladder.mjs";
import { sha256 } from "./schema.mjs";

const plain = (value) => JSON.parse(JSON.stringify(value, (_, v) => (v && v.constructor?.name === "Float" ? v.value : v)));
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const bytesOf = (text) => Uint8Array.from(text.match(/../g) ?? [], (byte) => parseInt(byte, 16));
const lines = (name) => new TextDecoder().decode(file(name)).trim().split("\n");

let file; // reads a file of the cases
let schema; // of their frames

/**
 * Judges all cases.
 * @param {(name: string) => Uint8Array} read a file of their folder
 * @returns {string} the verdicts
 */
export function judge(read) {
  file = read;
  const canonical = file("schema.bin");
  schema = { ...plain(unpack(canonical, LIMITS, true)), id: parseInt(sha256(canonical).slice(0, 8), 16) };
  schema.channel = (name) => schema.channels.findIndex((c) => c.name === name);
  schema.dt = 1 / schema.tick_hz;
  const said = [];
  for (const line of lines("cases.txt")) {
    const [kind, name] = line.split(" ");
    if (kind === "frame") said.push(frame(name));
    if (kind === "ladder") for (const one of play(name)) said.push(`ladder ${name} ${one}`);
    if (kind === "preset" && ["wire", "pygame"].includes(name)) for (const one of converted(name)) said.push(`preset ${name} ${one}`);
  }
  return said.join("\n") + "\n";
}

const CODINGS = { f32: Float32Array, f16: Uint16Array, q16: Uint16Array, q8: Uint8Array };

/** Lists the arrays of a SNAPSHOT in the order of the wire: [name, type, count]; checks header and block table. */
function* layout(bytes, header, start) {
  sameSchema(header, schema);
  if (header.dtype !== 1 || header.fields) fail(Code.VALUE, "SNAPSHOT: expected dtype 1 and fields 0");
  if (header.blocks > schema.entities.length) fail(Code.LIMIT, "SNAPSHOT: too many blocks");
  if (header.count > LIMITS.entities || header.extra > LIMITS.entities) fail(Code.LIMIT, "SNAPSHOT: too many rows");
  if (bytes.length < start + padded(8 * header.blocks)) fail(Code.LENGTH, "SNAPSHOT: expected a block table");
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let last = -1;
  let rows = 0;
  for (let i = 0; i < header.blocks; i++) {
    const at = start + 8 * i;
    const [index, width, n] = [view.getUint16(at, true), view.getUint16(at + 2, true), view.getUint32(at + 4, true)];
    const entity = schema.entities[index];
    if (index <= last || !entity || width !== entity.fields.length) fail(Code.VALUE, "SNAPSHOT: block table");
    if (n > entity.max_count) fail(Code.LIMIT, `entity '${entity.name}': expected at most ${entity.max_count} rows, got ${n}`);
    last = index;
    rows += n;
    yield { entity, n, width };
  }
  if (rows !== header.count) fail(Code.VALUE, `SNAPSHOT: expected ${header.count} rows in all, got ${rows}`);
}

function readSnapshot(bytes, header) {
  const table = [...layout(bytes, header, 48)];
  const parts = [];
  for (const { n, width } of table) parts.push(["ids", Uint32Array, n], ["values", Float32Array, n * width]);
  for (const [name, type] of EXECUTING) parts.push([name, type, header.extra]);
  const size = parts.reduce((sum, [, type, count]) => sum + padded(type.BYTES_PER_ELEMENT * count), 48 + padded(8 * table.length));
  if (bytes.length !== size) fail(Code.LENGTH, `SNAPSHOT: expected ${size} bytes, got ${bytes.length}`);
  let at = 48 + padded(8 * table.length);
  const blocks = table.map(({ entity, n, width }) => {
    const block = { entity };
    at = takeParts(block, bytes, at, [["ids", Uint32Array, n], ["values", Float32Array, n * width]]);
    return block;
  });
  const executing = {};
  takeParts(executing, bytes, at, EXECUTING.map(([name, type]) => [name, type, header.extra]));
  distinct(blocks.map((block) => block.ids), "SNAPSHOT");
  distinct([executing.ids], "executing");
  if (executing.rung.some((rung) => rung > 4)) fail(Code.VALUE, "executing: rung expected 0..4");
  for (const { entity, values } of blocks) {
    values.forEach((value, i) => {
      const { name, nan } = entity.fields[i % entity.fields.length];
      if (!Number.isFinite(value) && nan === "reject") fail(Code.VALUE, `field '${name}': expected a number, got ${value}`);
    });
  }
  return encodeSnapshot(header, schema, Object.fromEntries(blocks.map((block) => [block.entity.name, block])), executing);
}

function readDelta(bytes, header) {
  if (bytes.length < 64) fail(Code.LENGTH, "SNAPSHOT: expected a sub-header");
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const baseline = view.getBigUint64(48, true);
  const keyframe = header.flags & Flag.KEYFRAME;
  if (view.getBigUint64(56, true) !== 0n || (keyframe ? baseline !== 0n : baseline >= header.tick)) fail(Code.VALUE, "SNAPSHOT: baseline");
  const table = [...layout(bytes, header, 64)];
  let at = 64 + padded(8 * table.length);
  const skip = (size) => {
    at += padded(size);
    if (at > bytes.length) fail(Code.LENGTH, `SNAPSHOT: expected at least ${at} bytes, got ${bytes.length}`);
    return at - padded(size);
  };
  for (const { entity, n, width } of table) {
    skip(4 * n);
    const bits = skip(Math.ceil((n * width) / 8));
    const counts = { f32: 0, f16: 0, q16: 0, q8: 0 };
    for (let cell = 0; cell < 8 * Math.ceil((n * width) / 8); cell++) {
      if (!(bytes[bits + (cell >> 3)] & (1 << (cell & 7)))) continue;
      if (cell >= n * width) fail(Code.VALUE, `entity '${entity.name}': expected 0 behind its cells`);
      counts[entity.fields[cell % width].coding ?? "f32"] += 1;
    }
    for (const [coding, type] of Object.entries(CODINGS)) skip(type.BYTES_PER_ELEMENT * counts[coding]);
  }
  for (const [, type] of EXECUTING) skip(type.BYTES_PER_ELEMENT * header.extra);
  if (at !== bytes.length) fail(Code.LENGTH, `SNAPSHOT: expected ${at} bytes, got ${bytes.length}`);
  return null;
}

function checkSchema(header, blob) {
  let body;
  try {
    body = unpack(blob, LIMITS, true);
  } catch (error) {
    fail(Code.SCHEMA, error.message);
  }
  if (hex(pack(body)) !== hex(blob)) fail(Code.SCHEMA, "schema: expected canonical bytes");
  const { kind, cell, diagonals, brake, max_acceleration: change } = plain(body).kinematics;
  const needed = 2 * cell * (diagonals ? Math.SQRT2 : 1) * plain(body).tick_hz ** 2;
  if (kind === "grid" && Math.min(brake, change) < needed) fail(Code.SCHEMA, "kinematics: expected to stop at once");
  const id = parseInt(sha256(blob).slice(0, 8), 16);
  if (header.schemaId !== id) fail(Code.SCHEMA, `expected schema id ${id}, got ${header.schemaId}`);
}

/** Returns a frame as this client writes what it read; null for what it never writes. */
function again(bytes) {
  const header = readHeader(bytes);
  if (header.kind === Kind.SNAPSHOT) return header.flags & Flag.DELTA ? readDelta(bytes, header) : readSnapshot(bytes, header);
  const message = decode(bytes, schema, LIMITS, true);
  if (header.kind === Kind.ACTION) return null;
  if (message.body.schema) checkSchema(header, message.body.schema);
  return encodeBody(header, message.body);
}

function frame(name) {
  try {
    const frame = again(file(`${name}.bin`));
    return `frame ${name} ok ${frame ? hex(frame) : "-"}`;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return `frame ${name} error ${error.code}`;
  }
}

function* play(name) {
  const ladder = new Ladder(schema);
  for (const line of lines(`${name}.txt`)) {
    const [word, ...rest] = line.split(" ");
    if (word === "start") ladder.start(...rest.map(Number));
    if (word === "accept") yield `accepted ${Number(ladder.accept(decode(bytesOf(rest[0]), schema)))}`;
    if (word === "step") {
      const [tick, ...rows] = rest.map(Number);
      const n = rows.length / 5;
      const ids = Array.from({ length: n }, (_, i) => rows[5 * i]);
      const pose = ids.flatMap((_, i) => rows.slice(5 * i + 1, 5 * i + 5));
      const out = ladder.step(tick, ids, pose);
      const k = schema.channels.length;
      yield `step ${ids.map((_, i) => [out.rung[i], out.chunk[i], out.step[i], ...out.commands.subarray(k * i, k * i + k)].join(" ")).join(" ")}`;
    }
  }
  const c = ladder.counters;
  yield `counters ${[c.planned, c.tail, c.callback, c.brake, c.stale_dropped, c.off_pose].join(" ")}`;
}

function* converted(name) {
  const one = preset(name);
  for (const line of lines(`${name}.txt`)) {
    const [a, b, angle] = line.split(" ").map(Number);
    yield `converted ${[...one.toWire([a, b]), one.angleToWire(angle), ...one.fromWire([a, b]), one.angleFromWire(angle)].join(" ")}`;
  }
}
