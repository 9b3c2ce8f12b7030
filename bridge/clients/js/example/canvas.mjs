// The yard in a web page. What one learns: a game loop of requestAnimationFrame, and pixels as coordinates.
//
//   npc-sdk serve                                              in one terminal
//   npc-sdk gateway --origin http://localhost:8000             in another
//   python3 -m http.server 8000 -d bridge/clients/js           in a third; then open http://localhost:8000/example/yard.html
//
// ?gateway=ws://127.0.0.1:5760 names another gateway. A page that is hidden stops, as browsers stop its frames.

import { Rung } from "../codec.mjs";
import { WebSocketTransport } from "../browser.mjs";
import { preset } from "../coordinates.mjs";
import { HZ, Yard, homes, ids, schema } from "./scene.mjs";

const METRE = 26; // pixels
const BEHIND_MS = 250; // later than that the game does not hurry, and its time stands still
const TRAIL = 2 * HZ; // ticks
const COLOURS = { [Rung.PLAN]: "#59d98e", [Rung.TAIL]: "#d9c659", [Rung.CALLBACK]: "#8e9bb0", [Rung.BRAKE]: "#d9595c" };
const RADIUS = schema.kinematics.radius * METRE;

const canvas = document.querySelector("canvas");
const pen = canvas.getContext("2d");
const screen = preset("pygame", METRE);
const [left, bottom, right, top] = schema.bounds;
canvas.width = (right - left) * METRE;
canvas.height = (top - bottom) * METRE;
pen.translate(-left * METRE, top * METRE); // the wire's middle; y grows down, as the preset has it

const gateway = new URLSearchParams(location.search).get("gateway") ?? "ws://127.0.0.1:5760";
const yard = new Yard(new WebSocketTransport(gateway), console.log);
const trails = yard.guards.map(() => []);

function path(points, closed = false) {
  pen.beginPath();
  points.forEach((point, i) => (i ? pen.lineTo(...screen.fromWire(point)) : pen.moveTo(...screen.fromWire(point))));
  if (closed) pen.closePath();
}

function disc([x, y], radius, fill) {
  pen.beginPath();
  pen.arc(...screen.fromWire([x, y]), radius, 0, 2 * Math.PI);
  pen.fillStyle = fill;
  pen.fill();
}

function ground() {
  pen.fillStyle = "#171c22";
  pen.fillRect(left * METRE, -top * METRE, canvas.width, canvas.height);
  pen.lineWidth = 1;
  pen.strokeStyle = "#212831";
  for (let x = left; x <= right; x += 2) {
    path([[x, bottom], [x, top]]);
    pen.stroke();
  }
  for (let y = bottom; y <= top; y += 2) {
    path([[left, y], [right, y]]);
    pen.stroke();
  }
  for (const { vertices } of schema.polygons) {
    path(vertices, true);
    pen.fillStyle = "#3d4856";
    pen.strokeStyle = "#5d6b7c";
    pen.fill();
    pen.stroke();
  }
  for (const home of homes) {
    pen.beginPath();
    pen.arc(...screen.fromWire(home), 0.6 * RADIUS, 0, 2 * Math.PI);
    pen.strokeStyle = "#465260";
    pen.stroke();
  }
}

/** Where a guard has been in the last seconds, fading. */
function trail(points, colour) {
  pen.strokeStyle = colour;
  pen.lineWidth = 3;
  for (let i = 6; i < points.length; i += 6) {
    pen.globalAlpha = (0.5 * i) / TRAIL;
    path(points.slice(i - 6, i + 1));
    pen.stroke();
  }
  pen.globalAlpha = 1;
}

/** Where the brain's newest action expects a guard, step by step. */
function expected(action, id) {
  const row = action.ids.indexOf(id);
  for (let step = 0; step < action.m; step++) {
    const at = 4 * (row * action.m + step);
    disc(action.expected.subarray(at, at + 2), 1.5, "#e8edf2");
  }
}

function body({ x, y, heading }, fill) {
  disc([x, y], RADIUS, fill);
  const nose = RADIUS / METRE;
  path([[x, y], [x + nose * Math.cos(heading), y + nose * Math.sin(heading)]]);
  pen.strokeStyle = "#171c22";
  pen.lineWidth = 2.5;
  pen.stroke();
}

function draw() {
  ground();
  yard.guards.forEach((guard, i) => {
    trails[i].push([guard.x, guard.y]);
    if (trails[i].length > TRAIL) trails[i].shift();
    trail(trails[i], COLOURS[guard.rung]);
  });
  body(yard.player, "#f0f3f6");
  yard.guards.forEach((guard, i) => {
    body(guard, COLOURS[guard.rung]);
    if (guard.rung <= Rung.TAIL) expected(yard.action, ids[i]);
  });
}

function tell() {
  const { fault, welcome, counters } = yard.client;
  const text = fault ? `${fault.text}: ${fault.remedy}` : `planned by ${welcome.server}, model ${welcome.model.name}`;
  for (const [name, value] of Object.entries({ ...counters, said: text, tick })) {
    const place = document.getElementById(name);
    if (place && place.textContent !== String(value)) place.textContent = value;
  }
  document.body.classList.toggle("fault", Boolean(fault));
}

let tick = 0;
let due = performance.now();

function loop(now) {
  due = Math.max(due, now - BEHIND_MS);
  if (now >= due) {
    due += 1000 / HZ;
    yard.frame(tick++);
    draw();
    tell();
  }
  requestAnimationFrame(loop);
}

requestAnimationFrame(loop);
addEventListener("pagehide", () => yard.close());
