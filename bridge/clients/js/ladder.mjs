// The last hop (PROTOCOL.md, Ladder): which command an NPC gets in this tick, whatever became of the brain.
// Arithmetic only: no I/O, no clock, no geometry.

import { Rung } from "./codec.mjs";

const HELD = 8; // newest actions kept
const clip = (x, low, high) => Math.min(Math.max(x, low), high);

export class Ladder {
  /**
   * @param schema names the channels, their ranges and the brake
   * @param fallback the game's own behaviour: (tick, id, [x, y, vx, vy]) => command per channel; without it NPCs brake
   * @param before the ladder that this one replaces: it counts on, and NPCs brake as they were told
   */
  constructor(schema, fallback = null, before = null) {
    this.schema = schema;
    this.fallback = fallback;
    this.counters = before?.counters ?? { planned: 0, tail: 0, callback: 0, brake: 0, stale_dropped: 0, off_pose: 0 };
    this.low = schema.channels.map((c) => Math.fround(c.low));
    this.high = schema.channels.map((c) => Math.fround(c.high));
    this.move = [schema.channel("move_x"), schema.channel("move_y")];
    this.former = before ? before.told() : new Map(); // m/s^2, by NPC
    this.last = new Map((before ? [...before.last.keys()] : []).map((id) => [id, schema.channels.map((c) => c.default)]));
    this.held = []; // newest first
    this.executing = { ids: new Uint32Array(0), chunk: new Uint32Array(0), step: new Uint16Array(0), rung: new Uint8Array(0) };
    this.start(0);
  }

  /** Begins a session with the numbers of its WELCOME; chunks of the one before are dropped, brakes stay. */
  start(session, freshSteps = 4, velocityTolerance = 0.05) {
    this.former = this.told();
    this.held = [];
    this.session = session;
    this.freshSteps = freshSteps;
    this.velocityTolerance = velocityTolerance;
    this.chunk = -1;
    this.tick = -1;
  }

  /** Takes a checked action in; false if it is stale and was dropped. */
  accept(action) {
    const apply = Number(action.applyTick);
    const last = Math.min(Number(action.validUntilTick), apply + action.m - 1);
    if (action.header.session !== this.session || action.chunk <= this.chunk || last <= this.tick) {
      this.counters.stale_dropped += action.ids.length;
      return false;
    }
    this.chunk = action.chunk;
    this.held.unshift({ action, apply, last, row: new Map(Array.from(action.ids, (id, i) => [id, i])) });
    this.held.length = Math.min(this.held.length, HELD);
    return true;
  }

  /**
   * Picks the commands of one tick.
   * @param ids of the NPCs
   * @param pose per NPC [x, y, vx, vy] before this tick moves anybody, m and m/s, one after the other
   * @param alive per NPC; the dead get default commands
   * @returns {{commands: Float32Array, rung: Uint8Array, chunk: Uint32Array, step: Uint16Array}} n k, n, n, n
   */
  step(tick, ids, pose, alive = null) {
    const k = this.schema.channels.length;
    const out = {
      commands: new Float32Array(ids.length * k),
      rung: new Uint8Array(ids.length),
      chunk: new Uint32Array(ids.length),
      step: new Uint16Array(ids.length),
    };
    const last = new Map();
    for (let i = 0; i < ids.length; i++) {
      const here = Array.from(pose.slice(4 * i, 4 * i + 4), Number);
      const living = alive === null || Boolean(alive[i]);
      const command = living ? this.one(tick, ids[i], here, out, i) : this.schema.channels.map((c) => c.default);
      if (!living) out.rung[i] = Rung.NONE;
      out.commands.set(command, k * i);
      last.set(ids[i], Array.from(out.commands.subarray(k * i, k * i + k)));
    }
    this.tick = tick;
    this.last = last;
    this.executing = { ids: Uint32Array.from(ids), chunk: out.chunk, step: out.step, rung: out.rung };
    return out;
  }

  one(tick, id, here, out, i) {
    const k = this.schema.channels.length;
    let newest = null; // chunk of the newest that is due
    let valid = false;
    for (const { action, apply, last, row } of this.held) {
      const age = tick - apply;
      const at = row.get(id);
      if (age < 0 || at === undefined) continue;
      newest ??= action.chunk;
      if (tick > last) continue;
      const off = [0, 1, 2, 3].map((c) => here[c] - action.expected[(at * action.m + age) * 4 + c]);
      const fits = off[0] * off[0] + off[1] * off[1] <= action.tolerance[at] * action.tolerance[at]
        && off[2] * off[2] + off[3] * off[3] <= this.velocityTolerance * this.velocityTolerance; // false for NaN
      if (!valid && !fits) this.counters.off_pose += 1;
      valid = true;
      if (!fits) continue;
      const fresh = action.chunk === newest && age < this.freshSteps;
      out.rung[i] = fresh ? Rung.PLAN : Rung.TAIL;
      out.chunk[i] = action.chunk;
      out.step[i] = age;
      this.counters[fresh ? "planned" : "tail"] += 1;
      return action.steps.subarray((at * action.m + age) * k, (at * action.m + age + 1) * k);
    }
    const own = valid || !this.fallback ? null : this.fallback(tick, id, here);
    if (own && own.length === k && own.every(Number.isFinite)) {
      out.rung[i] = Rung.CALLBACK;
      this.counters.callback += 1;
      return Array.from(own, (x, c) => clip(x, this.low[c], this.high[c]));
    }
    out.rung[i] = Rung.BRAKE;
    this.counters.brake += 1;
    return this.braking(id, here);
  }

  /** v max(0, 1 - A dt / |v|) on the move channels, the others held or default. */
  braking(id, here) {
    const command = this.schema.channels.map((c, i) => (c.hold ? (this.last.get(id)?.[i] ?? c.default) : c.default));
    const velocity = here.slice(2).map((v) => (Number.isFinite(v) ? v : 0));
    const speed = Math.hypot(...velocity);
    const kept = Math.max(0, 1 - (this.brakeOf(id) * this.schema.dt) / Math.max(speed, 1e-12));
    this.move.forEach((c, axis) => (command[c] = clip(velocity[axis] * kept, this.low[c], this.high[c])));
    return command;
  }

  brakeOf(id) {
    for (const { action, row } of this.held) if (row.has(id)) return action.brake[row.get(id)];
    return this.former.get(id) ?? this.schema.kinematics.brake;
  }

  /** What every NPC of the last tick brakes with, m/s^2. */
  told() {
    return new Map([...this.last.keys()].map((id) => [id, this.brakeOf(id)]));
  }
}
