// The yard itself: its schema, its four guards and the player, a tick at a time. yard.mjs plays it in Node, canvas.mjs in a page.

import { Rung } from "../codec.mjs";
import { Client } from "../client.mjs";
import { Schema } from "../schema.mjs";

export const HZ = 30;
const PI = Math.fround(Math.PI);
const pose = ["x", "y"].map((name) => ({ name, unit: "m", low: -16, high: 16, role: name }))
  .concat(["vx", "vy"].map((name) => ({ name, unit: "m/s", low: -12, high: 12, role: name })));
const number = (name, high, more = {}) => ({ name, unit: "1", low: 0, high, role: name, ...more });
const body = [
  ...pose,
  { name: "heading", unit: "rad", low: -PI, high: PI, role: "heading" },
  { name: "health", unit: "hp", low: 0, high: 200, role: "health", default: 100 },
];
const alive = number("alive", 1, { default: 1 });
const home = ["home_x", "home_y"].map((name) => ({ name, unit: "m", low: -16, high: 16, role: name }));
export const schema = new Schema({
  game: "yard",
  tick_hz: HZ,
  bounds: [-12, -12, 12, 12],
  entities: [
    { name: "player", role: "player", max_count: 1, fields: [...body, number("shots", 1e6), alive] },
    {
      name: "npc", role: "npc", max_count: 4,
      fields: [
        ...body, number("ammo", 100), { name: "cooldown", unit: "s", low: 0, high: 10, role: "cooldown" }, number("grenades", 10),
        number("shots", 1e6), number("squad", 63), number("leader", 1), ...home, alive,
      ],
    },
    {
      name: "grenade", role: "projectile", max_count: 1,
      fields: [...pose, { name: "fuse", unit: "s", low: 0, high: 10, role: "fuse" }],
    },
    { name: "mode", role: "mode", max_count: 1, fields: [number("hold_fire", 1)] },
  ],
  channels: [
    { name: "move_x", unit: "m/s", low: -6, high: 6 },
    { name: "move_y", unit: "m/s", low: -6, high: 6 },
    { name: "aim", unit: "rad", low: -PI, high: PI, hold: true },
    { name: "fire", unit: "1", low: 0, high: 1, kind: "discrete", count: 2 },
    { name: "throw", unit: "1", low: 0, high: 1, kind: "discrete", count: 2 },
    { name: "reach", unit: "m", low: 0, high: 10 },
  ],
  kinematics: { max_speed: 4, max_acceleration: 16, brake: 16, radius: 0.35, turn_rate: 2 * Math.PI },
  polygons: [{ name: "shed", kind: "wall", vertices: [[-1, 7], [1, 7], [1, 9], [-1, 9]] }],
});

export const ids = Uint32Array.of(101, 102, 103, 104);
export const homes = [[-9, 1], [-9, -1], [9, 1], [9, -1]];
const stand = () => [0, 0, 0, 0, 0, 0];

export class Yard {
  /**
   * @param transport of a Client
   * @param say gets a line a tick: what the guards do and where they are
   */
  constructor(transport, say) {
    this.client = new Client(transport, schema, { fallback: stand });
    this.say = say;
    this.guards = homes.map(([x, y]) => ({ x, y, vx: 0, vy: 0, heading: 0, rung: Rung.BRAKE }));
    this.player = { x: 3, y: 0, vx: 0, vy: 0, heading: 0 };
    this.action = null; // the newest
  }

  /** Plays one tick. */
  frame(tick) {
    this.action = this.client.poll().at(-1) ?? this.action;
    const out = this.client.step(tick, ids, this.guards.flatMap((g) => [g.x, g.y, g.vx, g.vy]));
    this.guards.forEach((g, i) => {
      [g.vx, g.vy] = out.commands.subarray(6 * i, 6 * i + 2);
      g.x = Math.fround(g.x + g.vx / HZ);
      g.y = Math.fround(g.y + g.vy / HZ);
      g.rung = out.rung[i];
      if (g.rung <= Rung.TAIL) g.heading = out.commands[6 * i + 2];
    });
    this.walk(tick);
    this.client.push(tick + 1, this.blocks());
    const said = this.client.fault?.kind ?? "fine";
    this.say(["tick", tick, said, ...this.guards.flatMap((g) => [g.rung, g.x.toFixed(4), g.y.toFixed(4)])].join(" "));
  }

  walk(tick) {
    const angle = (tick / HZ) * 0.5; // 1.5 m/s on a circle of 3 m
    const [x, y] = [Math.cos(angle), Math.sin(angle)];
    Object.assign(this.player, { x: 3 * x, y: 3 * y, vx: -1.5 * y, vy: 1.5 * x, heading: Math.atan2(x, -y) });
  }

  blocks() {
    const row = ({ x, y, vx, vy, heading }) => [x, y, vx, vy, heading, 100];
    const npcs = this.guards.flatMap((g, i) => [...row(g), 0, 0, 0, 0, 0, i === 0 ? 1 : 0, ...homes[i], 1]);
    return {
      player: { ids: Uint32Array.of(1), values: Float32Array.from([...row(this.player), 0, 1]) },
      mode: { ids: Uint32Array.of(900), values: Float32Array.of(1) },
      npc: { ids, values: Float32Array.from(npcs) },
    };
  }

  close() {
    this.client.close();
    this.say(`counters ${JSON.stringify(this.client.counters)}`);
  }
}
