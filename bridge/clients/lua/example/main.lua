--- A yard with four guards and somebody who walks in a circle. What one learns: declare a schema once, then poll, step, push.
--
--   npc-sdk serve                                         in one terminal
--   love example tcp://127.0.0.1:5757 30                  in another: shows the guards for 30 seconds, and prints what they do
--   love example tcp://127.0.0.1:5757 30 headless         without a window
--
-- The entities are those of the arena, whose model the brain has. Without a brain the guards stand. Turn a weight while it
-- runs: examples/01_designer_script.py shows how.

package.path = love.filesystem.getSource() .. "/../?.lua;" .. package.path -- a game has the folder npcw beside its main.lua

local codec = require "npcw.codec"
local Client = require "npcw.client"
local Preset = require "npcw.coordinates"
local Schema = require "npcw.schema"
local Transport = require "npcw.zmq"

local HZ = 30
local PI = codec.fround(math.pi)

local function number(name, high, default) return { name = name, unit = "1", low = 0, high = high, role = name, default = default } end
local function place(name) return { name = name, unit = "m", low = -16, high = 16, role = name } end
local function velocity(name) return { name = name, unit = "m/s", low = -12, high = 12, role = name } end
local function seconds_left(name) return { name = name, unit = "s", low = 0, high = 10, role = name } end

local function fields(...)
  local out = { place "x", place "y", velocity "vx", velocity "vy" }
  for _, field in ipairs { ... } do out[#out + 1] = field end
  return out
end

local heading = { name = "heading", unit = "rad", low = -PI, high = PI, role = "heading" }
local health = { name = "health", unit = "hp", low = 0, high = 200, role = "health", default = 100 }
local alive = number("alive", 1, 1)

local schema = Schema.new {
  game = "yard",
  tick_hz = HZ,
  bounds = { -12, -12, 12, 12 },
  entities = {
    { name = "player", role = "player", max_count = 1, fields = fields(heading, health, number("shots", 1e6), alive) },
    {
      name = "npc", role = "npc", max_count = 4,
      fields = fields(
        heading, health, number("ammo", 100), seconds_left "cooldown", number("grenades", 10), number("shots", 1e6),
        number("squad", 63), number("leader", 1), place "home_x", place "home_y", alive),
    },
    { name = "grenade", role = "projectile", max_count = 1, fields = fields(seconds_left "fuse") },
    { name = "mode", role = "mode", max_count = 1, fields = { number("hold_fire", 1) } },
  },
  channels = {
    { name = "move_x", unit = "m/s", low = -6, high = 6 },
    { name = "move_y", unit = "m/s", low = -6, high = 6 },
    { name = "aim", unit = "rad", low = -PI, high = PI, hold = true },
    { name = "fire", unit = "1", low = 0, high = 1, kind = "discrete", count = 2 },
    { name = "throw", unit = "1", low = 0, high = 1, kind = "discrete", count = 2 },
    { name = "reach", unit = "m", low = 0, high = 10 },
  },
  kinematics = { max_speed = 4, max_acceleration = 16, brake = 16, radius = 0.35, turn_rate = 2 * math.pi },
  polygons = { { name = "shed", kind = "wall", vertices = { { -1, 7 }, { 1, 7 }, { 1, 9 }, { -1, 9 } } } },
}

local ids, guards, pose = { 101, 102, 103, 104 }, {}, {}
for i, home in ipairs { { -9, 1 }, { -9, -1 }, { 9, 1 }, { 9, -1 } } do
  guards[i] = {
    id = ids[i], x = home[1], y = home[2], vx = 0, vy = 0, heading = 0, health = 100, ammo = 0, cooldown = 0, grenades = 0,
    shots = 0, squad = 0, leader = i == 1 and 1 or 0, home_x = home[1], home_y = home[2], alive = 1,
  }
end
local player = { id = 1, x = 3, y = 0, vx = 0, vy = 0, heading = 0, health = 100, shots = 0, alive = 1 }
local blocks = { player = { player }, npc = guards, mode = { { id = 900, hold_fire = 1 } } } -- the game's own objects are the rows

local client, start, seconds, out, told
local tick = 0

local function stand() return {} end -- what the game does without a plan: every channel has its default

local function walk()
  local angle = tick / HZ * 0.5 -- 1.5 m/s on a circle of 3 m
  player.x, player.y = 3 * math.cos(angle), 3 * math.sin(angle)
  player.vx, player.vy = -1.5 * math.sin(angle), 1.5 * math.cos(angle)
  player.heading = math.atan2(player.vy, player.vx)
end

local function tell()
  local fault = client.fault
  if fault and fault.text ~= told then io.stderr:write(fault.text, ": ", fault.remedy, "\n") end
  told = fault and fault.text
  local line = { ("tick %d %s"):format(tick, fault and fault.kind or "fine") }
  for i, g in ipairs(guards) do line[i + 1] = ("%d %.4f %.4f"):format(out.rung[i], g.x, g.y) end
  print(table.concat(line, " "))
end

local function frame()
  client:poll()
  for i, g in ipairs(guards) do pose[4 * i - 3], pose[4 * i - 2], pose[4 * i - 1], pose[4 * i] = g.x, g.y, g.vx, g.vy end
  out = client:step(tick, ids, pose)
  for i, g in ipairs(guards) do
    local command = out.commands[i]
    g.vx, g.vy = command.move_x, command.move_y
    g.x, g.y = codec.fround(g.x + g.vx / HZ), codec.fround(g.y + g.vy / HZ)
    if out.rung[i] <= codec.Rung.TAIL then g.heading = command.aim end
  end
  walk()
  client:push(tick + 1, blocks)
  tell()
end

function love.load(arguments)
  io.stdout:setvbuf "line"
  seconds = tonumber(arguments[2] or 30)
  client = Client.new(Transport.new(arguments[1] or "tcp://127.0.0.1:5757"), schema, { fallback = stand })
  start = love.timer.getTime()
end

function love.update()
  if tick >= seconds * HZ then
    love.event.quit()
  elseif love.timer.getTime() - start >= tick / HZ then
    frame()
    tick = tick + 1
  end
end

function love.quit()
  client:close()
  local c = client:counters()
  print(("counters planned %d tail %d callback %d brake %d stale_dropped %d off_pose %d"):format(
    c.planned, c.tail, c.callback, c.brake, c.stale_dropped, c.off_pose))
end

-- With a window: guards in the colour of their rung, the player white. On the wire y is up, in LÖVE it is down.

local screen = Preset.new("pygame", 32) -- pixels in a metre
local COLOURS = { [0] = { 0.3, 0.9, 0.4 }, { 0.9, 0.8, 0.2 }, { 0.3, 0.6, 1 }, { 1, 0.3, 0.2 }, { 0.5, 0.5, 0.5 } }

local function body(one)
  local x, y = screen:from_wire(one.x, one.y)
  local angle = screen:angle_from_wire(one.heading)
  love.graphics.circle("fill", x, y, 0.35 * screen.units)
  love.graphics.line(x, y, x + 20 * math.cos(angle), y + 20 * math.sin(angle))
end

function love.draw()
  love.graphics.translate(love.graphics.getWidth() / 2, love.graphics.getHeight() / 2)
  love.graphics.setColor(0.4, 0.35, 0.3)
  local left, top = screen:from_wire(-1, 9)
  love.graphics.rectangle("fill", left, top, 2 * screen.units, 2 * screen.units)
  for i, g in ipairs(guards) do
    love.graphics.setColor(COLOURS[out and out.rung[i] or 4])
    body(g)
  end
  love.graphics.setColor(1, 1, 1)
  body(player)
end
