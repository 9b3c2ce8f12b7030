// What `python -m npc_bridge.conformance check node conformance.mjs` runs: node conformance.mjs FOLDER VERDICTS

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { judge } from "./judge.mjs";

const [folder, verdicts] = process.argv.slice(2);
writeFileSync(verdicts, judge((name) => new Uint8Array(readFileSync(join(folder, name)))));
