--- What a game declares once: entities, channels, bodies, walls. The canonical bytes are its identity.
--
-- Written as plain tables, with the names of docs/reference/schema.md; what is left out has the default given there.
-- The brain judges a schema and says what is wrong with it; here it is only written down.

local bit = require "bit"
local ffi = require "ffi"
local codec = require "npcw.codec"

local Schema = {}
Schema.__index = Schema

local function float(value) return codec.float(value + 0 == 0 and 0 or value) end -- -0 becomes 0

local function mapped(items, one)
  local out = {}
  for i, item in ipairs(items) do out[i] = one(item) end
  return codec.list(out)
end

local function floats(values) return mapped(values, float) end

local function field(f)
  return {
    name = f.name, unit = f.unit, low = float(f.low), high = float(f.high), role = f.role or "", nan = f.nan or "reject",
    default = float(f.default or 0), aliases = codec.list(f.aliases or {}), coding = f.coding ~= "f32" and f.coding or nil,
  }
end

local function entity(e) return { name = e.name, role = e.role, max_count = e.max_count, fields = mapped(e.fields, field) } end

local function channel(c)
  return {
    name = c.name, unit = c.unit, low = float(c.low), high = float(c.high), kind = c.kind or "continuous",
    default = float(c.default or 0), count = c.count or 0, hold = c.hold or false,
  }
end

local function kinematics(k)
  local grid = k.kind == "grid"
  return {
    max_speed = float(k.max_speed), max_acceleration = float(k.max_acceleration), brake = float(k.brake), radius = float(k.radius),
    turn_rate = float(k.turn_rate), kind = k.kind or "velocity", cell = grid and float(k.cell) or nil,
    diagonals = grid and (k.diagonals or false) or nil,
  }
end

local function polygon(p)
  return { name = p.name, kind = p.kind, vertices = mapped(p.vertices, floats), opaque = p.opaque ~= false }
end

--- Returns a schema.
-- @param declared {game, tick_hz, coordinates, bounds, entities, channels, kinematics, polygons, barks, origin}
function Schema.new(declared)
  local origin = declared.origin
  local moved = origin and (origin[1] ~= 0 or origin[2] ~= 0)
  return Schema.of(declared, codec.pack {
    game = declared.game,
    tick_hz = float(declared.tick_hz),
    coordinates = declared.coordinates or "wire",
    bounds = floats(declared.bounds),
    entities = mapped(declared.entities, entity),
    channels = mapped(declared.channels, channel),
    kinematics = kinematics(declared.kinematics),
    polygons = mapped(declared.polygons or {}, polygon),
    barks = codec.list(declared.barks or {}),
    origin = moved and floats(origin) or nil,
  })
end

--- Returns the schema that was declared so and has these canonical bytes.
function Schema.of(declared, canonical)
  local self = setmetatable({
    game = declared.game, tick_hz = declared.tick_hz, dt = 1 / declared.tick_hz, entities = declared.entities,
    channels = declared.channels, kinematics = declared.kinematics, entity_index = {},
    canonical = canonical, sha256 = Schema.sha256(canonical),
  }, Schema)
  for index, one in ipairs(self.entities) do self.entity_index[one.name] = index end
  self.id = tonumber(self.sha256:sub(1, 8), 16)
  return self
end

local function root(n, power) return bit.tobit(math.floor(n ^ power % 1 * 2 ^ 32)) end

local ROUND, START = {}, {} -- the fractions of the roots of the first primes: cube roots of 64, square roots of eight
do
  local primes, n = {}, 2
  while #primes < 64 do
    local prime = true
    for _, p in ipairs(primes) do prime = prime and n % p ~= 0 end
    if prime then primes[#primes + 1] = n end
    n = n + 1
  end
  for i = 1, 64 do ROUND[i] = root(primes[i], 1 / 3) end
  for i = 1, 8 do START[i] = root(primes[i], 1 / 2) end
end

local band, bnot, bxor, ror, rshift, tobit = bit.band, bit.bnot, bit.bxor, bit.ror, bit.rshift, bit.tobit

--- SHA-256 (FIPS 180-4) in hexadecimal. LÖVE has it too (love.data.hash), LuaJIT alone does not.
function Schema.sha256(bytes)
  local size = #bytes
  bytes = bytes .. "\128" .. ("\0"):rep(-(size + 9) % 64) .. "\0\0\0\0" .. ffi.string(ffi.new("int32_t[1]", bit.bswap(8 * size)), 4)
  local h, w = { unpack(START) }, {}
  for at = 1, #bytes, 64 do
    for i = 1, 16 do
      local a, b, c, d = bytes:byte(at + 4 * i - 4, at + 4 * i - 1)
      w[i] = tobit(a * 2 ^ 24 + b * 2 ^ 16 + c * 2 ^ 8 + d)
    end
    for i = 17, 64 do
      local s0 = bxor(ror(w[i - 15], 7), ror(w[i - 15], 18), rshift(w[i - 15], 3))
      local s1 = bxor(ror(w[i - 2], 17), ror(w[i - 2], 19), rshift(w[i - 2], 10))
      w[i] = tobit(w[i - 16] + s0 + w[i - 7] + s1)
    end
    local a, b, c, d, e, f, g, z = unpack(h)
    for i = 1, 64 do
      local t1 = z + bxor(ror(e, 6), ror(e, 11), ror(e, 25)) + bxor(band(e, f), band(bnot(e), g)) + ROUND[i] + w[i]
      local t2 = bxor(ror(a, 2), ror(a, 13), ror(a, 22)) + bxor(band(a, b), band(a, c), band(b, c))
      a, b, c, d, e, f, g, z = tobit(t1 + t2), a, b, c, tobit(d + t1), e, f, g
    end
    for i, x in ipairs { a, b, c, d, e, f, g, z } do h[i] = tobit(h[i] + x) end
  end
  for i = 1, 8 do h[i] = bit.tohex(h[i]) end
  return table.concat(h)
end

return Schema
