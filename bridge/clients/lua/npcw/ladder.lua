--- The last hop (PROTOCOL.md, Ladder): which command an NPC gets in this tick, whatever became of the brain.
-- Arithmetic only: no I/O, no clock, no geometry. Its tables are used again in every tick.

local codec = require "npcw.codec"

local Rung = codec.Rung
local HELD = 8 -- newest actions kept

local Ladder = {}
Ladder.__index = Ladder

local function finite(x) return x - x == 0 end
local function clip(x, low, high) return math.min(math.max(x, low), high) end

local function clear(items)
  for key in pairs(items) do items[key] = nil end
  return items
end

--- Returns a ladder.
-- @param schema names the channels, their ranges and the brake
-- @param fallback the game's own behaviour: (tick, id, x, y, vx, vy) -> command by channel, a channel left out has its
--   default; nil, or a number that is not finite, and the NPC brakes, as all do without a fallback
-- @param before the ladder that this one replaces: it counts on, and NPCs brake as they were told
function Ladder.new(schema, fallback, before)
  local self = setmetatable({ schema = schema, fallback = fallback, channels = {}, held = {}, last = {}, spare = {} }, Ladder)
  self.counters = before and before.counters or { planned = 0, tail = 0, callback = 0, brake = 0, stale_dropped = 0, off_pose = 0 }
  for c, channel in ipairs(schema.channels) do
    self.channels[c] = {
      name = channel.name, hold = channel.hold, low = codec.fround(channel.low), high = codec.fround(channel.high),
      default = codec.fround(channel.default or 0),
    }
    self.channels[channel.name] = self.channels[c]
  end
  self.executing = { commands = {}, ids = {}, chunk = {}, step = {}, rung = {} }
  if before then
    for id in pairs(before.last) do self.last[id] = self:defaults {} end
  end
  self.former = before and before:told() or {} -- m/s^2, by NPC
  self:start(0)
  return self
end

--- Begins a session with the numbers of its WELCOME; chunks of the one before are dropped, brakes stay.
function Ladder:start(session, fresh_steps, velocity_tolerance)
  self.former = self:told()
  self.held = {} -- newest first
  self.session = session
  self.fresh_steps = fresh_steps or 4
  self.velocity_tolerance = velocity_tolerance or 0.05
  self.chunk = -1
  self.tick = -1
end

--- Takes a checked action in; false if it is stale and was dropped.
function Ladder:accept(action)
  local apply = tonumber(action.apply_tick)
  local last = math.min(tonumber(action.valid_until_tick), apply + action.m - 1)
  if action.header.session ~= self.session or action.chunk <= self.chunk or last <= self.tick then
    self.counters.stale_dropped = self.counters.stale_dropped + action.n
    return false
  end
  self.chunk = action.chunk
  local row = {}
  for i = 0, action.n - 1 do row[action.ids[i]] = i end
  table.insert(self.held, 1, { action = action, apply = apply, last = last, row = row })
  self.held[HELD + 1] = nil
  return true
end

--- Picks the commands of one tick.
-- @param ids list of the NPCs
-- @param pose {x, y, vx, vy} of every NPC one after the other, before this tick moves anybody, m and m/s
-- @param alive list, false or 0 for the dead, who get default commands; nil if all live
-- @return {commands, rung, chunk, step}, lists in the order of `ids`; a command is a table by channel. Until the next step.
function Ladder:step(tick, ids, pose, alive)
  local out, last = self.executing, clear(self.spare)
  for i, id in ipairs(ids) do
    local command = self.last[id] or self:defaults {}
    local rung, chunk, step = Rung.NONE, 0, 0
    if not alive or (alive[i] and alive[i] ~= 0) then
      rung, chunk, step = self:one(tick, id, pose[4 * i - 3], pose[4 * i - 2], pose[4 * i - 1], pose[4 * i], command)
    else
      self:defaults(command)
    end
    last[id] = command
    out.commands[i], out.ids[i], out.rung[i], out.chunk[i], out.step[i] = command, id, rung, chunk, step
  end
  for _, items in pairs(out) do
    for i = #items, #ids + 1, -1 do items[i] = nil end
  end
  self.last, self.spare, self.tick = last, self.last, tick
  return out
end

--- Writes the command of one NPC; returns its rung, chunk and step.
function Ladder:one(tick, id, x, y, vx, vy, command)
  local counters = self.counters
  local newest -- chunk of the newest that is due
  local valid = false
  for _, held in ipairs(self.held) do
    local action, age, at = held.action, tick - held.apply, held.row[id]
    if age >= 0 and at then
      newest = newest or action.chunk
      if tick <= held.last then
        local fits = self:fits(action, at, at * action.m + age, x, y, vx, vy)
        if not valid and not fits then counters.off_pose = counters.off_pose + 1 end
        valid = true
        if fits then
          for c, channel in ipairs(self.channels) do command[channel.name] = action.steps[(at * action.m + age) * action.k + c - 1] end
          local fresh = action.chunk == newest and age < self.fresh_steps
          local name = fresh and "planned" or "tail"
          counters[name] = counters[name] + 1
          return fresh and Rung.PLAN or Rung.TAIL, action.chunk, age
        end
      end
    end
  end
  if not valid and self:own(tick, id, x, y, vx, vy, command) then
    counters.callback = counters.callback + 1
    return Rung.CALLBACK, 0, 0
  end
  counters.brake = counters.brake + 1
  self:braking(id, vx, vy, command)
  return Rung.BRAKE, 0, 0
end

--- Says whether an NPC is where and as fast as step `row` of an action expects it; false for NaN.
function Ladder:fits(action, at, row, x, y, vx, vy)
  local expected, tolerance = action.expected + 4 * row, action.tolerance[at]
  local dx, dy, dvx, dvy = x - expected[0], y - expected[1], vx - expected[2], vy - expected[3]
  return dx * dx + dy * dy <= tolerance * tolerance and dvx * dvx + dvy * dvy <= self.velocity_tolerance * self.velocity_tolerance
end

--- Writes the fallback's command; false if it has none, or a number that is not finite.
function Ladder:own(tick, id, x, y, vx, vy, command)
  local own = self.fallback and self.fallback(tick, id, x, y, vx, vy)
  if not own then return false end
  for _, channel in ipairs(self.channels) do
    if own[channel.name] and not finite(own[channel.name]) then return false end
  end
  for _, channel in ipairs(self.channels) do
    command[channel.name] = clip(own[channel.name] or channel.default, channel.low, channel.high)
  end
  return true
end

--- Writes v max(0, 1 - A dt / |v|) on the move channels; the others are held or default.
function Ladder:braking(id, vx, vy, command)
  for _, channel in ipairs(self.channels) do
    if not channel.hold then command[channel.name] = channel.default end
  end
  vx, vy = finite(vx) and vx or 0, finite(vy) and vy or 0
  local speed = math.max(math.sqrt(vx * vx + vy * vy), 1e-12)
  local kept = math.max(0, 1 - self:brake_of(id) * self.schema.dt / speed)
  local move_x, move_y = self.channels.move_x, self.channels.move_y
  command.move_x = clip(vx * kept, move_x.low, move_x.high)
  command.move_y = clip(vy * kept, move_y.low, move_y.high)
end

--- Writes every channel's default.
function Ladder:defaults(command)
  for _, channel in ipairs(self.channels) do command[channel.name] = channel.default end
  return command
end

function Ladder:brake_of(id)
  for _, held in ipairs(self.held) do
    if held.row[id] then return held.action.brake[held.row[id]] end
  end
  return self.former[id] or self.schema.kinematics.brake
end

--- Returns what every NPC of the last tick brakes with, m/s^2.
function Ladder:told()
  local out = {}
  for id in pairs(self.last) do out[id] = self:brake_of(id) end
  return out
end

return Ladder
