// A yard with four guards and somebody who walks in a circle. What one learns: declare a schema once, then poll, step, push.
//
//   npc-sdk serve                              in one terminal
//   node yard.mjs tcp://127.0.0.1:5757 30      in another: prints what the guards do, tick by tick, for 30 seconds
//
// The entities are those of the arena, whose model the brain has. Without a brain the guards stand. Turn a weight while it runs: examples/01_designer_script.py shows how.

import { Rung } from "../codec.mjs";
import { Client } from "../client.mjs";
import { ZmqTransport } from "../node.mjs";
import { Schema } from "../schema.mjs";

const HZ = 30;
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
const schema = new Schema({
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

const [endpoint = "tcp://127.0.0.1:5757", seconds = "30"] = process.argv.slice(2);
const ids = Uint32Array.of(101, 102, 103, 104);
const homes = [[-9, 1], [-9, -1], [9, 1], [9, -1]];
const guards = homes.map(([x, y]) => ({ x, y, vx: 0, vy: 0, heading: 0 }));
const player = { x: 3, y: 0, vx: 0, vy: 0, heading: 0 };
const stand = () => [0, 0, 0, 0, 0, 0];
const client = new Client(new ZmqTransport(endpoint), schema, { fallback: stand });

function blocks() {
  const row = ({ x, y, vx, vy, heading }) => [x, y, vx, vy, heading, 100];
  return {
    player: { ids: Uint32Array.of(1), values: Float32Array.from([...row(player), 0, 1]) },
    mode: { ids: Uint32Array.of(900), values: Float32Array.of(1) },
    npc: { ids, values: Float32Array.from(guards.flatMap((g, i) => [...row(g), 0, 0, 0, 0, 0, i === 0 ? 1 : 0, ...homes[i], 1])) },
  };
}

function frame(tick) {
  client.poll();
  const out = client.step(tick, ids, guards.flatMap((g) => [g.x, g.y, g.vx, g.vy]));
  guards.forEach((g, i) => {
    [g.vx, g.vy] = out.commands.subarray(6 * i, 6 * i + 2);
    g.x = Math.fround(g.x + g.vx / HZ);
    g.y = Math.fround(g.y + g.vy / HZ);
    if (out.rung[i] <= Rung.TAIL) g.heading = out.commands[6 * i + 2];
  });
  const angle = (tick / HZ) * 0.5; // 1.5 m/s on a circle of 3 m
  Object.assign(player, { x: 3 * Math.cos(angle), y: 3 * Math.sin(angle), vx: -1.5 * Math.sin(angle), vy: 1.5 * Math.cos(angle) });
  player.heading = Math.atan2(player.vy, player.vx);
  client.push(tick + 1, blocks());
  const said = client.fault?.kind ?? "fine";
  if (client.fault && client.fault.text !== told) console.error(`${client.fault.text}: ${client.fault.remedy}`);
  told = client.fault?.text;
  console.log(["tick", tick, said, ...guards.flatMap((g, i) => [out.rung[i], g.x.toFixed(4), g.y.toFixed(4)])].join(" "));
}

let tick = 0;
let told;
const start = performance.now();
const loop = setInterval(() => {
  if (tick >= Number(seconds) * HZ) {
    clearInterval(loop);
    client.close();
    console.log("counters", JSON.stringify(client.counters));
    return;
  }
  if (performance.now() - start >= (tick * 1000) / HZ) frame(tick++);
}, 2);
