# Translated from bridge/clients/gdscript by translate.py. Not run in Godot 4.
#
# The bytes of NPCW 1 (PROTOCOL.md): headers, bodies, snapshots and actions. No I/O, no clock.
#
# Headers and bodies are Dictionaries. What breaks the protocol comes back as a Refusal in the place of a value.
extends RefCounted

const Refusal = preload("refusal.gd")
const Msgpack = preload("msgpack.gd")

enum Kind { HELLO = 1, WELCOME, SCHEMA, SNAPSHOT, ACTION, ERROR, CONTROL, ACK, TELEMETRY, BYE }
enum Flag { KEYFRAME = 1, DELTA = 2, FALLBACK = 4, REPLAY = 8 }
enum Rung { PLAN, TAIL, CALLBACK, BRAKE, NONE }

const Code = Refusal.Code
const MAJOR := 1
const MAGIC := "NPCW"
const HEADER_BYTES := 48
const LAST_TICK := (1 << 62) - 1
const U32 := 0xffffffff
const LIMITS := {
	"frame_bytes": 1 << 20, "body_bytes": 1 << 18, "schema_bytes": 1 << 16, "depth": 8, "items": 4096, "text_bytes": 4096,
	"name_bytes": 64, "entity_types": 16, "entities": 4096, "fields": 256, "channels": 64, "steps": 64, "polygons": 1024,
	"vertices": 256, "barks": 1024, "games": 64, "snapshots_per_s": 240, "controls_per_s": 30, "bad_messages": 10,
}

# What each kind of message holds besides its header: by key how it is read, see _read. A size may be the name of a limit.
const BODIES := {
	Kind.HELLO: {
		"majors": ["list", 16, ["integer", 0, 255]], "client": ["text", "name_bytes"], "game": ["text", "name_bytes"],
		"schema": ["blob", "schema_bytes"], "capabilities": ["list", 64, ["text", "name_bytes"]],
		"resume": ["text", "name_bytes"],
	},
	Kind.WELCOME: {
		"major": ["integer", 1, 255], "schema_sha256": ["text", "name_bytes"], "limits": ["limits"],
		"heartbeat_ms": ["integer", 1, 60000], "lead_ticks": ["integer", 0, 1000], "fresh_steps": ["integer", 1, 1000],
		"velocity_tolerance": ["size"], "server": ["text", "name_bytes"], "capabilities": ["list", 64, ["text", "name_bytes"]],
		"barks": ["list", "barks", ["text", "name_bytes"]], "model": ["texts", "text_bytes"],
		"warnings": ["list", "items", ["text", "text_bytes"]], "control": ["text", 256], "telemetry": ["text", 256],
		"resume": ["text", "name_bytes"],
	},
	Kind.SCHEMA: {"schema": ["blob", "schema_bytes"]},
	Kind.ERROR: {"code": ["integer", 1, 15], "fatal": ["flag"], "text": ["text", 1024], "remedy": ["text", 1024]},
	Kind.BYE: {},
	Kind.CONTROL: {"verb": ["text", "name_bytes"], "arguments": ["map"]},
	Kind.ACK: {"revision": ["integer", 0, U32], "code": ["integer", 0, 15], "text": ["text", 1024], "result": ["map"]},
	Kind.TELEMETRY: {"topic": ["text", "name_bytes"], "body": ["map"]},
}


# A checked ACTION for n NPCs: m steps of k channels.
class Action:
	extends RefCounted
	var header: Dictionary
	var source_tick: int
	var apply_tick: int
	var valid_until_tick: int
	var received_us: int
	var planned_us: int
	var chunk: int
	var m: int
	var k: int
	var ids: Array # n
	var steps: PackedFloat32Array # n m k
	var expected: PackedFloat32Array # n m 4: x, y, vx, vy, m and m/s
	var brake: PackedFloat32Array # n, m/s^2
	var tolerance: PackedFloat32Array # n, m
	var status: PackedByteArray # n
	var bark: Array # n


static func padded(size: int) -> int:
	return (size + 15) & ~15


static func name_of(kind: int) -> String:
	return Kind.keys()[kind - 1]


# ---- header


# Writes the 48 bytes of a header; what it does not name is 0.
static func put_header(out: StreamPeerBuffer, header: Dictionary) -> void:
	out.put_data(MAGIC.to_ascii_buffer())
	out.put_u8(MAJOR)
	out.put_u8(header.kind)
	out.put_u16(header.get("flags", 0))
	out.put_u32(header.get("session", 0))
	out.put_u32(header.get("schema_id", 0))
	out.put_64(header.get("tick", 0))
	out.put_64(header.get("time_us", 0))
	out.put_u32(header.get("sequence", 0))
	out.put_u32(header.get("count", 0))
	out.put_u16(header.get("fields", 0))
	out.put_u8(header.get("dtype", 0))
	out.put_u8(header.get("blocks", 0))
	out.put_u32(header.get("extra", 0))


# Reads and checks what all kinds share; a Dictionary or a Refusal.
static func read_header(bytes: PackedByteArray, limits := LIMITS):
	if bytes.size() > limits.frame_bytes:
		return Refusal.new(Code.LIMIT, "message: expected at most %d bytes, got %d" % [limits.frame_bytes, bytes.size()])
	if bytes.size() < 4 or bytes.slice(0, 4).get_string_from_ascii() != MAGIC:
		return Refusal.new(Code.MAGIC, "message: expected it to begin with NPCW")
	if bytes.size() >= 6 and bytes[4] != MAJOR:
		return Refusal.new(Code.VERSION, "message: expected major version %d, got %d" % [MAJOR, bytes[4]])
	if bytes.size() < HEADER_BYTES:
		return Refusal.new(Code.LENGTH, "message: expected at least %d bytes, got %d" % [HEADER_BYTES, bytes.size()])
	var from := reader(bytes, 5)
	var header := {}
	header.kind = from.get_u8()
	header.flags = from.get_u16()
	header.session = from.get_u32()
	header.schema_id = from.get_u32()
	header.tick = from.get_64()
	header.time_us = from.get_64()
	header.sequence = from.get_u32()
	header.count = from.get_u32()
	header.fields = from.get_u16()
	header.dtype = from.get_u8()
	header.blocks = from.get_u8()
	header.extra = from.get_u32()
	if header.kind < Kind.HELLO or header.kind > Kind.BYE:
		return Refusal.new(Code.VALUE, "message: expected a kind 1..10, got %d" % header.kind)
	var name := name_of(header.kind)
	if header.flags & ~15:
		return Refusal.new(Code.VALUE, "%s: unknown flags %d" % [name, header.flags])
	if header.flags & Flag.DELTA and header.kind != Kind.SNAPSHOT:
		return Refusal.new(Code.VALUE, "%s: expected no delta" % name)
	if not is_tick(header.tick):
		return Refusal.new(Code.VALUE, "%s: expected ticks up to %d" % [name, LAST_TICK])
	return header


# False also for u64 above 2^63 - 1, which are read as numbers below 0.
static func is_tick(tick: int) -> bool:
	return tick >= 0 and tick <= LAST_TICK


static func reader(bytes: PackedByteArray, at: int) -> StreamPeerBuffer:
	var from := StreamPeerBuffer.new()
	from.data_array = bytes
	from.seek(at)
	return from


# ---- bodies


# Returns a frame of any kind but SNAPSHOT and ACTION.
static func encode_body(header: Dictionary, body: Dictionary) -> PackedByteArray:
	var packed := Msgpack.pack(body)
	var out := StreamPeerBuffer.new()
	header = header.duplicate()
	header.extra = packed.size()
	put_header(out, header)
	out.put_data(packed)
	return out.data_array


static func _decode_body(bytes: PackedByteArray, header: Dictionary, limits: Dictionary):
	var name := name_of(header.kind)
	if header.dtype or header.fields or header.count or header.blocks or header.flags:
		return Refusal.new(Code.VALUE, "%s: expected flags, count, fields, dtype and blocks 0" % name)
	if bytes.size() != HEADER_BYTES + header.extra:
		return Refusal.new(Code.LENGTH, "%s: expected %d bytes, got %d" % [name, HEADER_BYTES + header.extra, bytes.size()])
	var given = Msgpack.new().unpack(_slice(bytes, HEADER_BYTES, header.extra), limits)
	if given is Refusal:
		return given
	var body := {}
	for key in BODIES[header.kind]:
		if key == "resume" and not given.has(key): # the one that may be missing
			continue
		if not given.has(key):
			return Refusal.new(Code.VALUE, "%s: expected '%s', got nothing" % [name, key])
		body[key] = _read(given[key], BODIES[header.kind][key], "%s.%s" % [name, key], limits)
		if body[key] is Refusal:
			return body[key]
	if header.kind == Kind.WELCOME and header.session == 0:
		return Refusal.new(Code.VALUE, "WELCOME: expected a session other than 0")
	return {"header": header, "body": body}


# Returns a value of a body as `how` says it must be, or a Refusal.
static func _read(value, how: Array, where: String, limits: Dictionary):
	var type := typeof(value)
	match how[0]:
		"integer":
			if type != TYPE_INT or value < how[1] or value > how[2]:
				return _wrong(where, "an integer %d..%d" % [how[1], how[2]])
		"size":
			value = value.to_real() if value is Msgpack.U64 else float(value) if type in [TYPE_INT, TYPE_FLOAT] else -1.0
			if value < 0.0:
				return _wrong(where, "a number of at least 0")
		"flag":
			if type != TYPE_BOOL:
				return _wrong(where, "true or false")
		"text":
			if type != TYPE_STRING or value.to_utf8_buffer().size() > _most(how[1], limits):
				return _wrong(where, "a string of at most %d bytes" % _most(how[1], limits))
		"blob":
			if type != TYPE_PACKED_BYTE_ARRAY or value.size() > _most(how[1], limits):
				return _wrong(where, "at most %d bytes" % _most(how[1], limits))
		"map":
			if type != TYPE_DICTIONARY:
				return _wrong(where, "a map")
		"list":
			if type != TYPE_ARRAY or value.size() > _most(how[1], limits):
				return _wrong(where, "a list of at most %d" % _most(how[1], limits))
			for item in value:
				var one = _read(item, how[2], where, limits)
				if one is Refusal:
					return one
		"texts":
			if type != TYPE_DICTIONARY:
				return _wrong(where, "a map")
			for key in value:
				var one = _read(value[key], ["text", how[1]], "%s.%s" % [where, key], limits)
				if one is Refusal:
					return one
		"limits":
			if type != TYPE_DICTIONARY:
				return _wrong(where, "a map")
			var all := LIMITS.duplicate()
			for key in all:
				all[key] = _read(value.get(key, all[key]), ["integer", 1, U32], "%s.%s" % [where, key], limits)
				if all[key] is Refusal:
					return all[key]
			return all
	return value


static func _most(size, limits: Dictionary) -> int:
	return limits[size] if size is String else size


static func _wrong(where: String, expected: String) -> Refusal:
	return Refusal.new(Code.VALUE, "%s: expected %s" % [where, expected])


# ---- snapshots and actions: blocks on 16-byte borders behind the header


# Returns `size` bytes from `at`.
static func _slice(bytes: PackedByteArray, at: int, size: int) -> PackedByteArray:
	return bytes.slice(at, at + size)


# Returns the little-endian bytes of a PackedFloat32Array (f32) or PackedInt32Array (u32).
static func raw(pool) -> PackedByteArray:
	return pool.to_byte_array()


static func reals(bytes: PackedByteArray, at: int, count: int) -> PackedFloat32Array:
	return _slice(bytes, at, 4 * count).to_float32_array()


# Returns u32 [count] as ints 0..2^32 - 1, which a PackedInt32Array does not hold.
static func u32s(bytes: PackedByteArray, at: int, count: int) -> Array:
	var out := Array(_slice(bytes, at, 4 * count).to_int32_array())
	for i in count:
		out[i] &= U32
	return out


static func _put_block(out: StreamPeerBuffer, bytes: PackedByteArray) -> void:
	if bytes.size():
		out.put_data(bytes)
	for _i in padded(bytes.size()) - bytes.size():
		out.put_u8(0)


# Returns a SNAPSHOT frame, or a Refusal that says what is wrong with the arguments.
# header: session, schema_id, tick, time_us, sequence, flags. blocks: by entity type {"ids": Array, "values": PackedFloat32Array}.
# executing: {"ids", "chunk", "step", "rung"}, Arrays: what each NPC did in the last tick.
static func encode_snapshot(header: Dictionary, schema, blocks: Dictionary, executing: Dictionary):
	var table := StreamPeerBuffer.new()
	var arrays := []
	var rows := 0
	for index in schema.entities.size():
		var entity: Dictionary = schema.entities[index]
		if not blocks.has(entity.name):
			continue
		var ids := PackedInt32Array(blocks[entity.name].ids)
		var values := PackedFloat32Array(blocks[entity.name].values)
		var width: int = entity.fields.size()
		if values.size() != ids.size() * width:
			return Refusal.new(Code.VALUE, "entity '%s': expected %d values, got %d" % [entity.name, ids.size() * width, values.size()])
		table.put_u16(index)
		table.put_u16(width)
		table.put_u32(ids.size())
		arrays.append(raw(ids))
		arrays.append(raw(values))
		rows += ids.size()
	var present := arrays.size() / 2
	if present != blocks.size():
		return Refusal.new(Code.VALUE, "SNAPSHOT: entity types not in the schema among %s" % str(blocks.keys()))
	header = header.duplicate()
	header.kind = Kind.SNAPSHOT
	header.count = rows
	header.dtype = 1
	header.blocks = present
	header.extra = executing.ids.size()
	var out := StreamPeerBuffer.new()
	put_header(out, header)
	_put_block(out, table.data_array)
	for array in arrays:
		_put_block(out, array)
	_put_block(out, raw(PackedInt32Array(executing.ids)))
	_put_block(out, raw(PackedInt32Array(executing.chunk)))
	var steps := StreamPeerBuffer.new()
	for step in executing.step:
		steps.put_u16(step)
	_put_block(out, steps.data_array)
	_put_block(out, PackedByteArray(executing.rung))
	return out.data_array


# Reads an ACTION frame and refuses what a game must not execute.
static func _decode_action(bytes: PackedByteArray, header: Dictionary, schema, limits: Dictionary):
	var refusal = same_schema(header, schema)
	if refusal:
		return refusal
	if header.dtype != 1 or header.fields or header.blocks or header.extra != 48:
		return Refusal.new(Code.VALUE, "ACTION: expected dtype 1, no blocks, a sub-header of 48 bytes")
	if header.count > limits.entities:
		return Refusal.new(Code.LIMIT, "ACTION: expected at most %d NPCs, got %d" % [limits.entities, header.count])
	if bytes.size() < 96:
		return Refusal.new(Code.LENGTH, "ACTION: expected a sub-header, got %d bytes" % bytes.size())
	var from := reader(bytes, HEADER_BYTES)
	var action := Action.new()
	action.header = header
	action.source_tick = header.tick
	action.apply_tick = from.get_64()
	action.valid_until_tick = from.get_64()
	action.received_us = from.get_64()
	action.planned_us = from.get_64()
	action.chunk = from.get_u32()
	action.m = from.get_u16()
	action.k = from.get_u16()
	if action.k != schema.channels.size() or from.get_64() != 0:
		return Refusal.new(Code.VALUE, "ACTION: expected %d channels and reserved 0" % schema.channels.size())
	if not is_tick(action.apply_tick) or not is_tick(action.valid_until_tick):
		return Refusal.new(Code.VALUE, "ACTION: expected ticks of 62 bits")
	if action.m < 1 or action.m > limits.steps:
		return Refusal.new(Code.LIMIT, "ACTION: expected 1..%d steps, got %d" % [limits.steps, action.m])
	var n: int = header.count
	var nm := n * action.m
	var at := [96] # where each part begins, and the frame ends
	for size in [4 * n, 4 * nm * action.k, 16 * nm, 4 * n, 4 * n, n, 2 * n]:
		at.append(at[-1] + padded(size))
	if bytes.size() != at[-1]:
		return Refusal.new(Code.LENGTH, "ACTION: expected %d bytes, got %d" % [at[-1], bytes.size()])
	action.ids = u32s(bytes, at[0], n)
	action.steps = reals(bytes, at[1], nm * action.k)
	action.expected = reals(bytes, at[2], nm * 4)
	action.brake = reals(bytes, at[3], n)
	action.tolerance = reals(bytes, at[4], n)
	action.status = _slice(bytes, at[5], n)
	from.seek(at[6])
	for _i in n:
		action.bark.append(from.get_u16())
	refusal = _not_executable(action, schema)
	return refusal if refusal else action


static func _not_executable(action: Action, schema) -> Refusal:
	if action.source_tick > action.apply_tick or action.apply_tick > action.valid_until_tick:
		return Refusal.new(Code.VALUE, "ACTION: expected source <= apply <= valid until")
	var repeated := distinct([action.ids], "ACTION")
	if repeated:
		return repeated
	var steps := action.steps
	for c in action.k:
		var channel: Dictionary = schema.channels[c]
		var range_of: Array = schema.ranges[c]
		var low: float = range_of[0]
		var high: float = range_of[1]
		var whole: bool = channel.kind == "discrete"
		for i in range(c, steps.size(), action.k):
			var value := steps[i]
			if not (value >= low and value <= high) or (whole and value != floor(value)):
				var what := "a whole number in " if whole else ""
				return _wrong("ACTION: channel '%s'" % channel.name, "%s%s..%s, got %s" % [what, low, high, value])
	if not are_finite(action.expected):
		return _wrong("ACTION", "finite poses")
	for name in ["brake", "tolerance"]:
		var values: PackedFloat32Array = action.get(name)
		if not are_finite(values) or (values.size() and Array(values).min() < 0.0):
			return _wrong("ACTION: %s" % name, "finite numbers of at least 0")
	for bits in action.status:
		if bits > 7:
			return _wrong("ACTION: status", "the bits 1, 2 and 4 only")
	return null


# 0 times a number is 0, and NaN for NaN and infinity.
static func are_finite(values: PackedFloat32Array) -> bool:
	var sum := 0.0
	for value in values:
		sum += 0.0 * value
	return sum == 0.0


# Returns null, or the Refusal of another schema's frame.
static func same_schema(header: Dictionary, schema) -> Refusal:
	if header.schema_id == schema.id:
		return null
	return Refusal.new(Code.SCHEMA, "%s: expected schema id %x, got %x" % [name_of(header.kind), schema.id, header.schema_id])


# Returns null, or the Refusal of ids that are 0 or stand twice in some Arrays.
static func distinct(parts: Array, where: String) -> Refusal:
	var seen := {}
	for ids in parts:
		for id in ids:
			if id == 0 or seen.has(id):
				return Refusal.new(Code.VALUE, "%s: expected ids above 0, each once, got %d" % [where, id])
			seen[id] = true
	return null


# Reads any frame that a game or a tool receives: an Action, {"header", "body"} or a Refusal.
static func decode(bytes: PackedByteArray, schema, limits := LIMITS):
	var header = read_header(bytes, limits)
	if header is Refusal:
		return header
	if header.kind == Kind.ACTION:
		return _decode_action(bytes, header, schema, limits)
	if header.kind == Kind.SNAPSHOT:
		return Refusal.new(Code.VALUE, "a game receives no SNAPSHOT")
	return _decode_body(bytes, header, limits)
