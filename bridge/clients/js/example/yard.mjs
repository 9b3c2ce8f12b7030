// A yard with four guards and somebody who walks in a circle. What one learns: declare a schema once, then poll, step, push.
//
//   npc-sdk serve                              in one terminal
//   node yard.mjs tcp://127.0.0.1:5757 30      in another: prints what the guards do, tick by tick, for 30 seconds
//
// The entities are those of the arena, whose model the brain has. Without a brain the guards stand. Turn a weight while it runs: examples/01_designer_script.py shows how.

import { ZmqTransport } from "../node.mjs";
import { HZ, Yard } from "./scene.mjs";

const [endpoint = "tcp://127.0.0.1:5757", seconds = "30"] = process.argv.slice(2);
const yard = new Yard(new ZmqTransport(endpoint), console.log);
let tick = 0;
let told;
const start = performance.now();
const loop = setInterval(() => {
  if (tick >= Number(seconds) * HZ) {
    clearInterval(loop);
    yard.close();
    return;
  }
  if (performance.now() - start < (tick * 1000) / HZ) return;
  yard.frame(tick++);
  const { fault } = yard.client;
  if (fault && fault.text !== told) console.error(`${fault.text}: ${fault.remedy}`);
  told = fault?.text;
}, 2);
