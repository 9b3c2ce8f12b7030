--- What `python -m npc_bridge.conformance check love bridge/clients/lua/conformance` runs: love conformance FOLDER VERDICTS
--
-- Reads every frame of the cases and writes it again, or says by which code it is refused; plays the ladder's scripts.
-- Kinds that a game only sends are read here, and nowhere else in this client. Runs in LuaJIT alone as well.

local here = love and love.filesystem.getSource() or arg[0]:match "^(.*)/" or "."
package.path = here .. "/../?.lua;" .. package.path

local bit = require "bit"
local ffi = require "ffi"
local codec = require "npcw.codec"
local Ladder = require "npcw.ladder"
local Preset = require "npcw.coordinates"
local Schema = require "npcw.schema"

local Code, Flag, Kind, LIMITS = codec.Code, codec.Flag, codec.Kind, codec.LIMITS
local fail, padded = codec.fail, codec.padded
local U8s, U32s, U64s, F32s = ffi.typeof "uint8_t *", ffi.typeof "uint32_t *", ffi.typeof "uint64_t *", ffi.typeof "float *"
local Blocks = ffi.typeof "struct { uint16_t entity, fields; uint32_t rows; } *"
local NAN = math.abs(0 / 0) -- with the sign bit clear, as NumPy has it
local CODINGS = { { "f32", 4 }, { "f16", 2 }, { "q16", 2 }, { "q8", 1 } }
local PRESETS = { wire = true, pygame = true }

local folder, schema

local function file(name)
  local handle = assert(io.open(folder .. "/" .. name, "rb"))
  local bytes = handle:read "*a"
  handle:close()
  return bytes
end

local function words(line)
  local out = {}
  for word in line:gmatch "%S+" do out[#out + 1] = word end
  return out
end

local function unhex(text) return (text:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end)) end
local function hex(bytes) return (bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)) end

--- Reads header and block table of a SNAPSHOT: a list of {entity, n, width}, and where the blocks begin.
local function layout(frame, memory, header, start)
  codec.same_schema(header, schema)
  if header.dtype ~= 1 or header.fields ~= 0 then fail(Code.VALUE, "SNAPSHOT: expected dtype 1 and fields 0") end
  if header.blocks > #schema.entities then fail(Code.LIMIT, "SNAPSHOT: too many blocks") end
  if header.count > LIMITS.entities or header.extra > LIMITS.entities then fail(Code.LIMIT, "SNAPSHOT: too many rows") end
  local at = start + padded(8 * header.blocks)
  if #frame < at then fail(Code.LENGTH, "SNAPSHOT: expected a block table") end
  local block = ffi.cast(Blocks, ffi.cast(U8s, memory) + start)
  local last, rows, out = -1, 0, {}
  for i = 0, header.blocks - 1 do
    local index, width, n = block[i].entity, block[i].fields, block[i].rows
    local entity = schema.entities[index + 1]
    if index <= last or not entity or width ~= #entity.fields then fail(Code.VALUE, "SNAPSHOT: block table") end
    if n > entity.max_count then fail(Code.LIMIT, "entity '%s': expected at most %d rows, got %d", entity.name, entity.max_count, n) end
    last, rows = index, rows + n
    out[i + 1] = { entity = entity, n = n, width = width }
  end
  if rows ~= header.count then fail(Code.VALUE, "SNAPSHOT: expected %d rows in all, got %d", header.count, rows) end
  return out, at
end

--- Returns a value of the wire as a Lua number; NaNs by their bits, as LuaJIT must not see strange ones.
local function number(bits, values, i)
  local exponent, fraction = bit.band(bits[i], 0x7f800000), bit.band(bits[i], 0x7fffff)
  if exponent == 0x7f800000 and fraction ~= 0 then return NAN end
  return values[i]
end

--- Returns the rows of a block as tables by field.
local function rows_of(block, arrays)
  local bits, rows = ffi.cast(U32s, arrays.values), {}
  for r = 0, block.n - 1 do
    local row = { id = arrays.ids[r] }
    for c, field in ipairs(block.entity.fields) do
      local value = number(bits, arrays.values, r * block.width + c - 1)
      if value - value ~= 0 and field.nan == "reject" then fail(Code.VALUE, "field '%s': expected a number", field.name) end
      row[field.name] = value
    end
    rows[r + 1] = row
  end
  return rows
end

local function read_snapshot(frame, header)
  local memory = codec.aligned(frame)
  local table_of, at = layout(frame, memory, header, 48)
  local executing, parts, seen = {}, {}, {}
  for _, block in ipairs(table_of) do
    block.arrays = {}
    at = codec.take_parts(block.arrays, memory, at, { { "ids", U32s, 4, block.n }, { "values", F32s, 4, block.n * block.width } })
  end
  for i, part in ipairs(codec.EXECUTING) do parts[i] = { part[1], part[2], part[3], header.extra } end
  at = codec.take_parts(executing, memory, at, parts)
  if #frame ~= at then fail(Code.LENGTH, "SNAPSHOT: expected %d bytes, got %d", at, #frame) end
  for _, block in ipairs(table_of) do codec.distinct(block.arrays.ids, block.n, "SNAPSHOT", seen) end
  codec.distinct(executing.ids, header.extra, "executing", {})
  local doing, blocks = { ids = {}, chunk = {}, step = {}, rung = {} }, {}
  for i = 0, header.extra - 1 do
    if executing.rung[i] > 4 then fail(Code.VALUE, "executing: rung expected 0..4") end
    for name, items in pairs(doing) do items[i + 1] = executing[name][i] end
  end
  for _, block in ipairs(table_of) do blocks[block.entity.name] = rows_of(block, block.arrays) end
  return codec.encode_snapshot(codec.header(header), schema, blocks, doing)
end

local function read_delta(frame, header)
  if #frame < 64 then fail(Code.LENGTH, "SNAPSHOT: expected a sub-header") end
  local memory = codec.aligned(frame)
  local bytes = ffi.cast(U8s, memory)
  local sub = ffi.cast(U64s, bytes + 48)
  local keyframe = bit.band(header.flags, Flag.KEYFRAME) ~= 0
  if sub[1] ~= 0 or (keyframe and sub[0] ~= 0) or (not keyframe and sub[0] >= header.tick) then
    fail(Code.VALUE, "SNAPSHOT: baseline")
  end
  local table_of, at = layout(frame, memory, header, 64)
  local function skip(size)
    local start = at
    at = at + padded(size)
    if at > #frame then fail(Code.LENGTH, "SNAPSHOT: expected at least %d bytes, got %d", at, #frame) end
    return start
  end
  for _, block in ipairs(table_of) do
    local cells = block.n * block.width
    local mask_bytes = math.ceil(cells / 8)
    skip(4 * block.n)
    local bits = skip(mask_bytes)
    local counts = { f32 = 0, f16 = 0, q16 = 0, q8 = 0 }
    for cell = 0, 8 * mask_bytes - 1 do
      if bit.band(bytes[bits + bit.rshift(cell, 3)], bit.lshift(1, cell % 8)) ~= 0 then
        if cell >= cells then fail(Code.VALUE, "entity '%s': expected 0 behind its cells", block.entity.name) end
        local coding = block.entity.fields[cell % block.width + 1].coding or "f32"
        counts[coding] = counts[coding] + 1
      end
    end
    for _, coding in ipairs(CODINGS) do skip(coding[2] * counts[coding[1]]) end
  end
  for _, part in ipairs(codec.EXECUTING) do skip(part[3] * header.extra) end
  if at ~= #frame then fail(Code.LENGTH, "SNAPSHOT: expected %d bytes, got %d", at, #frame) end
end

local function check_schema(header, bytes)
  local read, body = pcall(codec.unpack, bytes, LIMITS, true)
  if not read then fail(Code.SCHEMA, "%s", tostring(body)) end
  if codec.pack(body) ~= bytes then fail(Code.SCHEMA, "schema: expected canonical bytes") end
  local plain = codec.unpack(bytes)
  local k = plain.kinematics
  if k.kind == "grid" then
    local needed = 2 * k.cell * (k.diagonals and math.sqrt(2) or 1) * plain.tick_hz ^ 2
    if math.min(k.brake, k.max_acceleration) < needed then fail(Code.SCHEMA, "kinematics: expected to stop at once") end
  end
  local id = tonumber(Schema.sha256(bytes):sub(1, 8), 16)
  if header.schema_id ~= id then fail(Code.SCHEMA, "expected schema id %08x, got %08x", id, header.schema_id) end
end

--- Returns a frame as this client writes what it read; nil for what it never writes.
local function again(frame)
  local header = codec.read_header(frame)
  if header.kind == Kind.SNAPSHOT then
    return (bit.band(header.flags, Flag.DELTA) ~= 0 and read_delta or read_snapshot)(frame, header)
  end
  local message = codec.decode(frame, schema, LIMITS, true)
  if header.kind == Kind.ACTION then return nil end
  if message.body.schema then check_schema(header, message.body.schema.bytes) end
  return codec.encode_body(header, message.body)
end

local function verdict(name)
  local read, result = pcall(again, file(name .. ".bin"))
  if read then return ("frame %s ok %s"):format(name, result and hex(result) or "-") end
  if getmetatable(result) ~= codec.ProtocolError then error(result, 0) end
  return ("frame %s error %d"):format(name, result.code)
end

local function play(name, say)
  local ladder = Ladder.new(schema)
  for line in file(name .. ".txt"):gmatch "[^\n]+" do
    local given = words(line)
    if given[1] == "start" then ladder:start(tonumber(given[2]), tonumber(given[3]), tonumber(given[4])) end
    if given[1] == "accept" then say("accepted " .. (ladder:accept(codec.decode(unhex(given[2]), schema)) and 1 or 0)) end
    if given[1] == "step" then
      local ids, pose, said = {}, {}, { "step" }
      for i = 3, #given, 5 do
        ids[#ids + 1] = tonumber(given[i])
        for c = 1, 4 do pose[#pose + 1] = tonumber(given[i + c]) end
      end
      local out = ladder:step(tonumber(given[2]), ids, pose)
      for i in ipairs(ids) do
        said[#said + 1] = ("%d %d %d"):format(out.rung[i], out.chunk[i], out.step[i])
        for _, channel in ipairs(schema.channels) do said[#said + 1] = ("%.17g"):format(out.commands[i][channel.name]) end
      end
      say(table.concat(said, " "))
    end
  end
  local c = ladder.counters
  say(table.concat({ "counters", c.planned, c.tail, c.callback, c.brake, c.stale_dropped, c.off_pose }, " "))
end

local function converted(name, say)
  local preset = Preset.new(name)
  for line in file(name .. ".txt"):gmatch "[^\n]+" do
    local a, b, angle = line:match "^(%S+) (%S+) (%S+)$"
    a, b, angle = tonumber(a), tonumber(b), tonumber(angle)
    local x, y = preset:to_wire(a, b)
    local back_a, back_b = preset:from_wire(a, b)
    say(("converted %.17g %.17g %.17g %.17g %.17g %.17g"):format(
      x, y, preset:angle_to_wire(angle), back_a, back_b, preset:angle_from_wire(angle)))
  end
end

local function main(arguments)
  folder = arguments[1]
  local canonical = file "schema.bin"
  schema = Schema.of(codec.unpack(canonical), canonical)
  local lines = {}
  for line in file("cases.txt"):gmatch "[^\n]+" do
    local kind, name = line:match "^(%S+) (%S+)$"
    local function say(what) lines[#lines + 1] = ("%s %s %s"):format(kind, name, what) end
    if kind == "frame" then lines[#lines + 1] = verdict(name) end
    if kind == "ladder" then play(name, say) end
    if kind == "preset" and PRESETS[name] then converted(name, say) end
  end
  local out = assert(io.open(arguments[2], "wb"))
  out:write(table.concat(lines, "\n"), "\n")
  out:close()
end

if love then
  function love.load(arguments)
    main(arguments)
    love.event.quit()
  end
else
  main(arg)
end
