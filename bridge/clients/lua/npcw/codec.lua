--- The bytes of NPCW 1 (PROTOCOL.md): headers, msgpack bodies, snapshots and actions. No I/O, no clock; LuaJIT with its FFI.
--
-- A frame is a Lua string. Ticks and times of headers are boxed 64-bit integers (int64_t, uint64_t), as are integers of
-- bodies beyond 2^53. Arrays behind a header are FFI arrays, which count from 0.

local bit = require "bit"
local ffi = require "ffi"

assert(ffi.abi "le", "npcw: expected a little-endian machine, as the wire is")

local codec = {}

codec.MAJOR = 1
codec.HEADER_BYTES = 48
codec.Kind = { HELLO = 1, WELCOME = 2, SCHEMA = 3, SNAPSHOT = 4, ACTION = 5, ERROR = 6, CONTROL = 7, ACK = 8, TELEMETRY = 9, BYE = 10 }
codec.Code = {
  MAGIC = 1, VERSION = 2, SCHEMA = 3, LENGTH = 4, LIMIT = 5, VALUE = 6, SESSION = 7, AUTH = 8,
  BUSY = 9, DEADLINE = 10, STALE = 11, KEYFRAME = 12, CONTROL = 13, MODEL = 14, INTERNAL = 15,
}
codec.Flag = { KEYFRAME = 1, DELTA = 2, FALLBACK = 4, REPLAY = 8 }
codec.Rung = { PLAN = 0, TAIL = 1, CALLBACK = 2, BRAKE = 3, NONE = 4 }

codec.LIMITS = {
  frame_bytes = 2 ^ 20, body_bytes = 2 ^ 18, schema_bytes = 2 ^ 16, depth = 8, items = 4096, text_bytes = 4096,
  name_bytes = 64, entity_types = 16, entities = 4096, fields = 256, channels = 64, steps = 64, polygons = 1024,
  vertices = 256, barks = 1024, games = 64, snapshots_per_s = 240, controls_per_s = 30, bad_messages = 10,
}

local Kind, Code, Flag, LIMITS = codec.Kind, codec.Code, codec.Flag, codec.LIMITS
local LAST_TICK = 0x3fffffffffffffffULL
local LAST_EXACT = 2 ^ 53 - 1 -- the largest integer that a Lua number and both its neighbours tell apart
local U32 = 2 ^ 32 - 1
local NAMES = {}
for name, kind in pairs(Kind) do NAMES[kind] = name end

--- A frame that breaks the protocol, as an error value; `code` is what a receiver answers.
codec.ProtocolError = { __tostring = function(self) return self.message end }

--- Refuses a frame.
function codec.fail(code, message, ...)
  error(setmetatable({ code = code, message = message:format(...) }, codec.ProtocolError), 0)
end

--- Rounds up to the next border of blocks.
function codec.padded(size) return math.ceil(size / 16) * 16 end

local fail, padded = codec.fail, codec.padded
local single = ffi.new "float[1]"

--- Rounds a number to float32.
function codec.fround(value)
  single[0] = value
  return single[0]
end

local fround = codec.fround

-- ---- header

local MAGIC = 0x5743504e -- NPCW
local Header = ffi.typeof [[struct {
  uint32_t magic; uint8_t major, kind; uint16_t flags;
  uint32_t session, schema_id; uint64_t tick; int64_t time_us;
  uint32_t sequence, count; uint16_t fields; uint8_t dtype, blocks; uint32_t extra;
}]]
assert(ffi.sizeof(Header) == codec.HEADER_BYTES)

--- Returns a header, a struct of 48 bytes; `values` may name kind, flags, session, schema_id, tick, time_us, sequence, ...
function codec.header(values)
  local header = Header(values)
  header.magic, header.major = MAGIC, codec.MAJOR
  return header
end

--- Reads and checks what all kinds share.
function codec.read_header(frame, limits)
  limits = limits or LIMITS
  if #frame > limits.frame_bytes then fail(Code.LIMIT, "message: expected at most %d bytes, got %d", limits.frame_bytes, #frame) end
  if frame:sub(1, 4) ~= "NPCW" then fail(Code.MAGIC, "message: expected it to begin with NPCW") end
  if #frame < 6 then fail(Code.LENGTH, "message: expected at least 48 bytes, got %d", #frame) end
  if frame:byte(5) ~= codec.MAJOR then fail(Code.VERSION, "message: expected major version 1, got %d", frame:byte(5)) end
  if #frame < codec.HEADER_BYTES then fail(Code.LENGTH, "message: expected at least 48 bytes, got %d", #frame) end
  local header = Header()
  ffi.copy(header, frame, codec.HEADER_BYTES)
  local name = NAMES[header.kind]
  if not name then fail(Code.VALUE, "message: expected a kind 1..10, got %d", header.kind) end
  if header.flags > 15 then fail(Code.VALUE, "%s: unknown flags %d", name, header.flags) end
  if bit.band(header.flags, Flag.DELTA) ~= 0 and header.kind ~= Kind.SNAPSHOT then fail(Code.VALUE, "%s: expected no delta", name) end
  if header.tick > LAST_TICK then fail(Code.VALUE, "%s: expected ticks up to 2^62 - 1", name) end
  return header
end

-- ---- msgpack: plain data, canonical when written (keys sorted, shortest integers, float64)
--
-- Lua has one type for what msgpack tells apart; these marks do. A table without a mark is a map, a string a text.

local Float, Blob, List = {}, {}, {}

--- msgpack's nil, which a Lua table cannot hold.
codec.null = setmetatable({}, { __tostring = function() return "null" end })
--- Marks a number that is written as float64 even where it is whole.
function codec.float(value) return setmetatable({ value = value }, Float) end
--- Marks bytes that are no text.
function codec.blob(bytes) return setmetatable({ bytes = bytes }, Blob) end
--- Marks a table as a list; an empty one could be a map as well.
function codec.list(items) return setmetatable(items, List) end

local word = ffi.new [[union {
  uint8_t bytes[8]; uint16_t u16; uint32_t u32; uint64_t u64; int8_t i8; int16_t i16; int32_t i32; int64_t i64; float f32; double f64;
}]]

--- Returns `size` bytes of a number, the highest first.
local function big_endian(member, size, value)
  word[member] = value
  return ffi.string(word.bytes, size):reverse()
end

local function whole(n) -- a whole number or a boxed integer
  if n >= 0 then
    if n < 128 then return string.char(tonumber(n)) end
    if n < 256 then return "\xcc" .. string.char(tonumber(n)) end
    if n < 65536 then return "\xcd" .. big_endian("u16", 2, n) end
    if n <= U32 then return "\xce" .. big_endian("u32", 4, n) end
    return "\xcf" .. big_endian("u64", 8, n)
  end
  if n >= -32 then return string.char(256 + tonumber(n)) end
  if n >= -128 then return "\xd0" .. big_endian("i8", 1, n) end
  if n >= -32768 then return "\xd1" .. big_endian("i16", 2, n) end
  if n >= -2147483648 then return "\xd2" .. big_endian("i32", 4, n) end
  return "\xd3" .. big_endian("i64", 8, n)
end

local function number(n)
  local negative_zero = n == 0 and 1 / n < 0
  if n % 1 == 0 and math.abs(n) <= LAST_EXACT and not negative_zero then return whole(n) end
  return "\xcb" .. big_endian("f64", 8, n)
end

--- Returns the head of a text, list or map: in one byte up to `most`, else behind one of the given bytes; `one` may be nil.
local function sized(count, short, most, one, two, four)
  if count <= most then return string.char(short + count) end
  if one and count < 256 then return string.char(one, count) end
  if count < 65536 then return string.char(two) .. big_endian("u16", 2, count) end
  return string.char(four) .. big_endian("u32", 4, count)
end

--- Returns canonical msgpack of null, booleans, numbers, boxed integers, strings, tables and what is marked.
function codec.pack(value)
  local out = {}
  local put
  local function add(bytes) out[#out + 1] = bytes end
  local function list(items)
    add(sized(#items, 0x90, 15, nil, 0xdc, 0xdd))
    for _, item in ipairs(items) do put(item) end
  end
  local function map(items)
    local keys = {}
    for key in pairs(items) do keys[#keys + 1] = key end
    table.sort(keys)
    add(sized(#keys, 0x80, 15, nil, 0xde, 0xdf))
    for _, key in ipairs(keys) do
      put(key)
      put(items[key])
    end
  end
  function put(item)
    local kind, mark = type(item), getmetatable(item)
    if item == codec.null then add "\xc0"
    elseif kind == "boolean" then add(item and "\xc3" or "\xc2")
    elseif kind == "number" then add(number(item))
    elseif kind == "cdata" then add(whole(item))
    elseif kind == "string" then add(sized(#item, 0xa0, 31, 0xd9, 0xda, 0xdb) .. item)
    elseif mark == Float then add("\xcb" .. big_endian("f64", 8, item.value))
    elseif mark == Blob then add(sized(#item.bytes, 0, -1, 0xc4, 0xc5, 0xc6) .. item.bytes)
    elseif mark == List then list(item)
    else map(item)
    end
  end
  put(value)
  return table.concat(out)
end

local function tail(byte, low, high) return byte and byte >= (low or 0x80) and byte <= (high or 0xbf) end

--- Says whether a string is UTF-8 (RFC 3629): no surrogates, nothing longer than needed.
local function is_utf8(text)
  local at = text:find "[\128-\255]"
  while at do
    local a, b, c, d = text:byte(at, at + 3)
    local size
    if a >= 0xc2 and a <= 0xdf and tail(b) then size = 2
    elseif a >= 0xe0 and a <= 0xef and tail(b, a == 0xe0 and 0xa0, a == 0xed and 0x9f) and tail(c) then size = 3
    elseif a >= 0xf0 and a <= 0xf4 and tail(b, a == 0xf0 and 0x90, a == 0xf4 and 0x8f) and tail(c) and tail(d) then size = 4
    else return false
    end
    at = text:find("[\128-\255]", at + size)
  end
  return true
end

--- Reads one msgpack map. `exact` keeps whole floats apart from integers, marked as codec.float does.
function codec.unpack(bytes, limits, exact)
  limits = limits or LIMITS
  local at = 0 -- bytes taken
  local finite = true
  local take

  local function unreadable(what) fail(Code.LENGTH, "body: expected one msgpack map, got %s", what) end

  local function raw(size)
    if at + size > #bytes then unreadable "its first bytes" end
    at = at + size
    return bytes:sub(at - size + 1, at)
  end

  local function read(member, size)
    ffi.copy(word.bytes, raw(size):reverse(), size)
    return word[member]
  end

  -- The bits are looked at first: LuaJIT keeps types in the bits of NaNs, and such a number must never reach it.
  local function float(member, size, exponent)
    local bits = read(member == "f32" and "u32" or "u64", size)
    if bit.band(bits, exponent) == exponent then
      finite = false
      return 0
    end
    local value = tonumber(word[member])
    return exact and value % 1 == 0 and codec.float(value) or value
  end

  local function integer(boxed) -- int64_t or uint64_t
    local value = tonumber(boxed)
    return math.abs(value) <= LAST_EXACT and value or boxed
  end

  local function text(size)
    if size > limits.text_bytes then unreadable "a text that is too long" end
    local value = raw(size)
    if not is_utf8(value) then unreadable "a text that is not UTF-8" end
    return value
  end

  local function inside(size, depth)
    if size > limits.items then unreadable "too many items" end
    if depth >= limits.depth then fail(Code.LIMIT, "body: nested deeper than %d", limits.depth) end
  end

  local function list(size, depth)
    inside(size, depth)
    local out = codec.list {}
    for i = 1, size do out[i] = take(depth + 1) end
    return out
  end

  local function map(size, depth)
    inside(size, depth)
    local out = {}
    for _ = 1, size do
      local key = take(depth + 1)
      if type(key) ~= "string" then unreadable "a key that is no text" end
      if out[key] ~= nil then unreadable "a key twice" end
      out[key] = take(depth + 1)
    end
    return out
  end

  local function u8() return raw(1):byte() end
  local function u16() return read("u16", 2) end
  local function u32() return read("u32", 4) end
  local forms = {
    [0xc0] = function() return codec.null end,
    [0xc2] = function() return false end,
    [0xc3] = function() return true end,
    [0xc4] = function() return codec.blob(raw(u8())) end,
    [0xc5] = function() return codec.blob(raw(u16())) end,
    [0xc6] = function() return codec.blob(raw(u32())) end,
    [0xca] = function() return float("f32", 4, 0x7f800000) end,
    [0xcb] = function() return float("f64", 8, 0x7ff0000000000000ULL) end,
    [0xcc] = u8,
    [0xcd] = u16,
    [0xce] = u32,
    [0xcf] = function() return integer(read("u64", 8)) end,
    [0xd0] = function() return read("i8", 1) end,
    [0xd1] = function() return read("i16", 2) end,
    [0xd2] = function() return read("i32", 4) end,
    [0xd3] = function() return integer(read("i64", 8)) end,
    [0xd9] = function() return text(u8()) end,
    [0xda] = function() return text(u16()) end,
    [0xdb] = function() return text(u32()) end,
    [0xdc] = function(depth) return list(u16(), depth) end,
    [0xdd] = function(depth) return list(u32(), depth) end,
    [0xde] = function(depth) return map(u16(), depth) end,
    [0xdf] = function(depth) return map(u32(), depth) end,
  }

  function take(depth)
    local head = u8()
    if head < 0x80 then return head end
    if head < 0x90 then return map(head - 0x80, depth) end
    if head < 0xa0 then return list(head - 0x90, depth) end
    if head < 0xc0 then return text(head - 0xa0) end
    if head >= 0xe0 then return head - 256 end
    return (forms[head] or function() return unreadable "an extension type" end)(depth)
  end

  if #bytes > limits.body_bytes then fail(Code.LIMIT, "body: expected at most %d bytes, got %d", limits.body_bytes, #bytes) end
  local body = take(0)
  if at ~= #bytes then unreadable "bytes behind it" end
  if type(body) ~= "table" or getmetatable(body) then fail(Code.VALUE, "body: expected a map") end
  if not finite then fail(Code.VALUE, "body: expected finite numbers") end
  return body
end

-- ---- bodies: what each kind of message holds besides its header

--- Returns what checks and reads a value, by type: each makes a function of (value, key).
local function readers(where, limits, exact)
  local r = {}
  local function wrong(key, expected, ...) fail(Code.VALUE, "%s.%s: expected " .. expected, where, key, ...) end

  function r.integer(low, high)
    return function(v, key)
      if type(v) ~= "number" or v % 1 ~= 0 or v < low or v > high then wrong(key, "an integer %d..%d", low, high) end
      return v
    end
  end

  function r.number(low)
    return function(v, key)
      local n = getmetatable(v) == Float and v.value or type(v) == "cdata" and tonumber(v) or v
      if type(n) ~= "number" or n < low then wrong(key, "a number of at least %g", low) end
      return exact and codec.float(n) or n
    end
  end

  function r.flag(v, key)
    if type(v) ~= "boolean" then wrong(key, "true or false") end
    return v
  end

  function r.text(most)
    most = most or limits.name_bytes
    return function(v, key)
      if type(v) ~= "string" or #v > most then wrong(key, "a string of at most %d bytes", most) end
      return v
    end
  end

  function r.blob(most)
    return function(v, key)
      if getmetatable(v) ~= Blob or #v.bytes > most then wrong(key, "at most %d bytes", most) end
      return v
    end
  end

  function r.map(v, key)
    if type(v) ~= "table" or getmetatable(v) then wrong(key, "a map") end
    return v
  end

  function r.list(most, item)
    return function(v, key)
      if getmetatable(v) ~= List or #v > most then wrong(key, "a list of at most %d", most) end
      for _, x in ipairs(v) do item(x, key) end
      return v
    end
  end

  function r.texts(item)
    return function(v, key)
      for name, x in pairs(r.map(v, key)) do item(x, key .. "." .. name) end
      return v
    end
  end

  function r.limits(v, key)
    local given, out = r.map(v, key), {}
    local limit = r.integer(1, U32)
    for name, most in pairs(LIMITS) do out[name] = given[name] == nil and most or limit(given[name], key .. "." .. name) end
    return out
  end

  return r
end

local BODIES = {
  HELLO = function(r, limits)
    return {
      majors = r.list(16, r.integer(0, 255)), client = r.text(), game = r.text(), schema = r.blob(limits.schema_bytes),
      capabilities = r.list(64, r.text()), resume = r.text(),
    }
  end,
  WELCOME = function(r, limits)
    return {
      major = r.integer(1, 255), schema_sha256 = r.text(), limits = r.limits, heartbeat_ms = r.integer(1, 60000),
      lead_ticks = r.integer(0, 1000), fresh_steps = r.integer(1, 1000), velocity_tolerance = r.number(0), server = r.text(),
      capabilities = r.list(64, r.text()), barks = r.list(limits.barks, r.text()), model = r.texts(r.text(limits.text_bytes)),
      warnings = r.list(limits.items, r.text(limits.text_bytes)), control = r.text(256), telemetry = r.text(256),
      resume = r.text(),
    }
  end,
  SCHEMA = function(r, limits) return { schema = r.blob(limits.schema_bytes) } end,
  ERROR = function(r) return { code = r.integer(1, 15), fatal = r.flag, text = r.text(1024), remedy = r.text(1024) } end,
  BYE = function() return {} end,
  CONTROL = function(r) return { verb = r.text(), arguments = r.map } end,
  ACK = function(r) return { revision = r.integer(0, U32), code = r.integer(0, 15), text = r.text(1024), result = r.map } end,
  TELEMETRY = function(r) return { topic = r.text(), body = r.map } end,
}

--- Returns a frame of any kind but SNAPSHOT and ACTION.
function codec.encode_body(header, body)
  local packed = codec.pack(body)
  header = codec.header(header)
  header.extra = #packed
  return ffi.string(header, codec.HEADER_BYTES) .. packed
end

local function decode_body(frame, header, limits, exact)
  local name = NAMES[header.kind]
  if header.dtype ~= 0 or header.fields ~= 0 or header.count ~= 0 or header.blocks ~= 0 or header.flags ~= 0 then
    fail(Code.VALUE, "%s: expected flags, count, fields, dtype and blocks 0", name)
  end
  local size = codec.HEADER_BYTES + header.extra
  if #frame ~= size then fail(Code.LENGTH, "%s: expected %d bytes, got %d", name, size, #frame) end
  local given = codec.unpack(frame:sub(codec.HEADER_BYTES + 1), limits, exact)
  local body = {}
  for key, read in pairs(BODIES[name](readers(name, limits, exact), limits)) do
    if given[key] ~= nil then body[key] = read(given[key], key)
    elseif key ~= "resume" then fail(Code.VALUE, "%s: expected '%s', got nothing", name, key) end -- it alone may be missing
  end
  if header.kind == Kind.WELCOME and header.session == 0 then fail(Code.VALUE, "WELCOME: expected a session other than 0") end
  return { header = header, body = body }
end

-- ---- snapshots and actions: blocks of 16-byte borders behind the header

local Memory = ffi.typeof "uint64_t[?]" -- of 64-bit words, so that all that is cast from it is aligned
local U8s, U16s, U32s, F32s = ffi.typeof "uint8_t *", ffi.typeof "uint16_t *", ffi.typeof "uint32_t *", ffi.typeof "float *"
local Blocks = ffi.typeof "struct { uint16_t entity, fields; uint32_t rows; } *"
local SubHeader = ffi.typeof [[struct {
  uint64_t apply_tick, valid_until_tick; int64_t received_us, planned_us; uint32_t chunk; uint16_t m, k; uint64_t reserved;
} *]]

--- Arrays of what every NPC did in the last tick: name, type, bytes of an item.
codec.EXECUTING = { { "ids", U32s, 4 }, { "chunk", U32s, 4 }, { "step", U16s, 2 }, { "rung", U8s, 1 } }

local scratch, room = nil, 0 -- where snapshots are laid out; grows, and is used again

local function cleared(size)
  if size > room then
    room = 2 * size
    scratch = Memory(math.ceil(room / 8))
  end
  ffi.fill(scratch, size)
  return ffi.cast(U8s, scratch)
end

local function write_rows(entity, rows, ids, values)
  for i, row in ipairs(rows) do
    if type(row.id) ~= "number" then error(("entity '%s': expected an id, got %s"):format(entity.name, tostring(row.id)), 0) end
    ids[i - 1] = row.id
    for c, field in ipairs(entity.fields) do
      local value = row[field.name]
      if type(value) ~= "number" then
        error(("field '%s' of entity '%s', id %d: expected a number, got %s"):format(field.name, entity.name, row.id, tostring(value)), 0)
      end
      values[(i - 1) * #entity.fields + c - 1] = value
    end
  end
end

--- Returns a SNAPSHOT frame.
-- @param header a codec.header with session, schema_id, tick, time_us, sequence, flags; the rest is filled in here
-- @param blocks by entity type a list of rows: tables with `id` and every field by its name, such as the game's own objects
-- @param executing {ids, chunk, step, rung}, lists of what each NPC did in the last tick
function codec.encode_snapshot(header, schema, blocks, executing)
  local size, count, present, doing = codec.HEADER_BYTES, 0, 0, #executing.ids
  for name in pairs(blocks) do
    if not schema.entity_index[name] then error(("SNAPSHOT: entity type not in the schema: %s"):format(name), 0) end
    present = present + 1
  end
  size = size + padded(8 * present)
  local at = size -- of the first array
  for _, entity in ipairs(schema.entities) do
    local n = blocks[entity.name] and #blocks[entity.name] or 0
    size = size + padded(4 * n) + padded(4 * n * #entity.fields)
    count = count + n
  end
  for _, part in ipairs(codec.EXECUTING) do size = size + padded(part[3] * doing) end

  header.kind, header.count, header.fields, header.dtype, header.blocks, header.extra = Kind.SNAPSHOT, count, 0, 1, present, doing
  local bytes = cleared(size)
  ffi.copy(bytes, header, codec.HEADER_BYTES)
  local block = ffi.cast(Blocks, bytes + codec.HEADER_BYTES)
  for index, entity in ipairs(schema.entities) do
    local rows = blocks[entity.name]
    if rows then
      block[0].entity, block[0].fields, block[0].rows = index - 1, #entity.fields, #rows
      block = block + 1
      local values = at + padded(4 * #rows)
      write_rows(entity, rows, ffi.cast(U32s, bytes + at), ffi.cast(F32s, bytes + values))
      at = values + padded(4 * #rows * #entity.fields)
    end
  end
  for _, part in ipairs(codec.EXECUTING) do
    local name, kind, width = part[1], part[2], part[3]
    local array, items = ffi.cast(kind, bytes + at), executing[name]
    for i = 1, doing do array[i - 1] = items[i] end
    at = at + padded(width * doing)
  end
  return ffi.string(bytes, size)
end

--- Copies a frame to where what is cast from it is aligned.
function codec.aligned(frame)
  local memory = Memory(math.ceil(#frame / 8))
  ffi.copy(memory, frame, #frame)
  return memory
end

--- Reads arrays that lie one behind the other on 16-byte borders, each {name, type, bytes of an item, count}.
-- They point into `memory`, which `into` keeps alive. Returns where they end.
function codec.take_parts(into, memory, at, parts)
  into.memory = memory
  for _, part in ipairs(parts) do
    into[part[1]] = ffi.cast(part[2], ffi.cast(U8s, memory) + at)
    at = at + padded(part[3] * part[4])
  end
  return at
end

--- Refuses a frame of another schema.
function codec.same_schema(header, schema)
  if header.schema_id ~= schema.id then
    fail(Code.SCHEMA, "%s: expected schema id %08x, got %08x", NAMES[header.kind], schema.id, header.schema_id)
  end
end

--- Refuses ids that are 0 or stand in `seen` already, and puts them there.
function codec.distinct(ids, n, where, seen)
  for i = 0, n - 1 do
    if ids[i] == 0 or seen[ids[i]] then fail(Code.VALUE, "%s: expected ids above 0, each once, got %d", where, ids[i]) end
    seen[ids[i]] = true
  end
end

--- Says whether float32 numbers are finite, by their bits; see `float` above for the reason.
local function all_finite(values, count)
  local bits = ffi.cast(U32s, values)
  for i = 0, count - 1 do
    if bit.band(bits[i], 0x7f800000) == 0x7f800000 then return false end
  end
  return true
end

local function refuse(message, ...) fail(Code.VALUE, "ACTION: expected " .. message, ...) end

--- Refuses commands that a channel does not take.
local function check_steps(steps, rows, channels)
  for c, channel in ipairs(channels) do
    local low, high, discrete = fround(channel.low), fround(channel.high), channel.kind == "discrete"
    for i = c - 1, rows * #channels - 1, #channels do
      local value = steps[i]
      if value < low or value > high then refuse("%g..%g in channel '%s', got %g", low, high, channel.name, value) end
      if discrete and value % 1 ~= 0 then refuse("whole numbers in channel '%s', got %g", channel.name, value) end
    end
  end
end

--- Refuses what a game must not execute.
local function check_action(action, schema)
  local n, m, k = action.n, action.m, action.k
  if action.source_tick > action.apply_tick or action.apply_tick > action.valid_until_tick then
    refuse "source <= apply <= valid until"
  end
  codec.distinct(action.ids, n, "ACTION", {})
  if not all_finite(action.steps, n * m * k) then refuse "finite steps" end
  check_steps(action.steps, n * m, schema.channels)
  if not all_finite(action.expected, n * m * 4) then refuse "finite poses" end
  for _, name in ipairs { "brake", "tolerance" } do
    if not all_finite(action[name], n) then refuse("%s: finite numbers", name) end
    for i = 0, n - 1 do
      if action[name][i] < 0 then refuse("%s: at least 0", name) end
    end
  end
  for i = 0, n - 1 do
    if action.status[i] > 7 then refuse "status: the bits 1, 2 and 4 only" end
  end
end

local function decode_action(frame, header, schema, limits)
  codec.same_schema(header, schema)
  local n = header.count
  if header.dtype ~= 1 or header.fields ~= 0 or header.blocks ~= 0 or header.extra ~= 48 then
    refuse "dtype 1, no blocks, a sub-header of 48 bytes"
  end
  if n > limits.entities then fail(Code.LIMIT, "ACTION: expected at most %d NPCs, got %d", limits.entities, n) end
  if #frame < 96 then fail(Code.LENGTH, "ACTION: expected a sub-header, got %d bytes", #frame) end
  local memory = codec.aligned(frame)
  local sub = ffi.cast(SubHeader, ffi.cast(U8s, memory) + codec.HEADER_BYTES)
  local action = {
    header = header, n = n, source_tick = header.tick, apply_tick = sub.apply_tick, valid_until_tick = sub.valid_until_tick,
    received_us = sub.received_us, planned_us = sub.planned_us, chunk = sub.chunk, m = sub.m, k = sub.k,
  }
  local m, k = action.m, action.k
  if k ~= #schema.channels or sub.reserved ~= 0 then refuse("%d channels and reserved 0", #schema.channels) end
  if action.apply_tick > LAST_TICK or action.valid_until_tick > LAST_TICK then refuse "ticks of 62 bits" end
  if m < 1 or m > limits.steps then fail(Code.LIMIT, "ACTION: expected 1..%d steps, got %d", limits.steps, m) end
  local parts = {
    { "ids", U32s, 4, n }, { "steps", F32s, 4, n * m * k }, { "expected", F32s, 4, n * m * 4 }, { "brake", F32s, 4, n },
    { "tolerance", F32s, 4, n }, { "status", U8s, 1, n }, { "bark", U16s, 2, n },
  }
  local size = codec.take_parts(action, memory, 96, parts)
  if #frame ~= size then fail(Code.LENGTH, "ACTION: expected %d bytes, got %d", size, #frame) end
  check_action(action, schema)
  return action
end

--- Reads any frame that a game or a tool receives; `exact` keeps whole floats apart from integers.
-- Returns {header, body}, or an action: {header, n, m, k, chunk, ticks, and the arrays of the wire}.
function codec.decode(frame, schema, limits, exact)
  limits = limits or LIMITS
  local header = codec.read_header(frame, limits)
  if header.kind == Kind.ACTION then return decode_action(frame, header, schema, limits) end
  if header.kind == Kind.SNAPSHOT then fail(Code.VALUE, "a game receives no SNAPSHOT") end
  return decode_body(frame, header, limits, exact)
end

return codec
