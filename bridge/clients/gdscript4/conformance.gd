# Translated from bridge/clients/gdscript by translate.py. Not run in Godot 4.
#
# What the conformance check runs:
#
#     python -m npc_bridge.conformance check godot --headless --path bridge/clients/gdscript4 -s conformance.gd
#
# with a FOLDER of cases and a file for VERDICTS. Reads every frame of the cases and writes it again, or says by which code
# it is refused; plays the ladder's scripts. Kinds that a game only sends are read here, and nowhere else in this client.
extends SceneTree

const Codec = preload("addons/npcw/codec.gd")
const Coordinates = preload("addons/npcw/coordinates.gd")
const Ladder = preload("addons/npcw/ladder.gd")
const Msgpack = preload("addons/npcw/msgpack.gd")
const Refusal = preload("addons/npcw/refusal.gd")
const Schema = preload("addons/npcw/schema.gd")
const Code = Codec.Code
const LIMITS = Codec.LIMITS

const CODINGS := {"f32": 4, "f16": 2, "q16": 2, "q8": 1} # bytes of a cell
const EXECUTING := [4, 4, 2, 1] # bytes of an id, chunk, step, rung

var folder: String
var schema: Schema


func _init() -> void:
	quit() # at the end of this frame, even where an error ends this function
	var arguments := OS.get_cmdline_args()
	folder = arguments[-2]
	var canonical := bytes_of("schema.bin")
	schema = Schema.new(Msgpack.new().unpack(canonical, LIMITS))
	assert(schema.canonical == canonical)
	var verdicts := PackedStringArray()
	for line in lines_of("cases.txt"):
		var name: String = line.split(" ")[1]
		for said in judged(line.split(" ")[0], name):
			verdicts.append("%s %s" % [line, said])
	var file := FileAccess.open(arguments[-1], FileAccess.WRITE)
	file.store_string("\n".join(verdicts) + "\n")
	file.close()


func judged(kind: String, name: String) -> Array:
	match kind:
		"frame":
			return [frame(bytes_of(name + ".bin"))]
		"ladder":
			return played(lines_of(name + ".txt"))
	return converted(name) if name in Coordinates.UP else []


func bytes_of(name: String) -> PackedByteArray:
	return FileAccess.get_file_as_bytes(folder.path_join(name))


func lines_of(name: String) -> PackedStringArray:
	return bytes_of(name).get_string_from_ascii().strip_edges().split("\n")


# ---- frames


func frame(bytes: PackedByteArray) -> String:
	var written = again(bytes)
	if written is Refusal:
		return "error %d" % written.code
	return "ok " + (written.hex_encode() if written else "-")


# Returns a frame as this client writes what it read, null for what it never writes, or a Refusal.
func again(bytes: PackedByteArray):
	var header = Codec.read_header(bytes)
	if header is Refusal:
		return header
	if header.kind == Codec.Kind.SNAPSHOT:
		return read_delta(bytes, header) if header.flags & Codec.Flag.DELTA else read_snapshot(bytes, header)
	var message = Codec.decode(bytes, schema)
	if message is Refusal:
		return message
	if message is Codec.Action:
		return null
	if message.body.has("schema"):
		var wrong := not_a_schema(header, message.body.schema)
		if wrong:
			return wrong
	return Codec.encode_body(header, message.body)


# Returns the blocks of a SNAPSHOT as [[entity, rows], ...], or a Refusal; checks header and block table.
func layout(bytes: PackedByteArray, header: Dictionary, start: int):
	var other := Codec.same_schema(header, schema)
	if other:
		return other
	if header.dtype != 1 or header.fields:
		return Refusal.new(Code.VALUE, "SNAPSHOT: expected dtype 1 and fields 0")
	if header.blocks > schema.entities.size():
		return Refusal.new(Code.LIMIT, "SNAPSHOT: too many blocks")
	if header.count > LIMITS.entities or header.extra > LIMITS.entities:
		return Refusal.new(Code.LIMIT, "SNAPSHOT: too many rows")
	if bytes.size() < start + Codec.padded(8 * header.blocks):
		return Refusal.new(Code.LENGTH, "SNAPSHOT: expected a block table")
	var from := Codec.reader(bytes, start)
	var table := []
	var last := -1
	var rows := 0
	for _i in header.blocks:
		var index := from.get_u16()
		var width := from.get_u16()
		var n := from.get_u32()
		if index <= last or index >= schema.entities.size() or width != schema.entities[index].fields.size():
			return Refusal.new(Code.VALUE, "SNAPSHOT: block table")
		if n > schema.entities[index].max_count:
			return Refusal.new(Code.LIMIT, "SNAPSHOT: too many rows of a type")
		table.append([schema.entities[index], n])
		last = index
		rows += n
	if rows != header.count:
		return Refusal.new(Code.VALUE, "SNAPSHOT: expected %d rows in all, got %d" % [header.count, rows])
	return table


func read_snapshot(bytes: PackedByteArray, header: Dictionary):
	var table = layout(bytes, header, 48)
	if table is Refusal:
		return table
	var at := [48 + Codec.padded(8 * table.size())] # where each part begins, and the frame ends
	for block in table:
		at.append(at[-1] + Codec.padded(4 * block[1]))
		at.append(at[-1] + Codec.padded(4 * block[1] * block[0].fields.size()))
	var tail := at.size() - 1
	for size in EXECUTING:
		at.append(at[-1] + Codec.padded(size * header.extra))
	if bytes.size() != at[-1]:
		return Refusal.new(Code.LENGTH, "SNAPSHOT: expected %d bytes, got %d" % [at[-1], bytes.size()])
	var blocks := {}
	var ids := []
	for i in table.size():
		var n: int = table[i][1]
		ids.append(Codec.u32s(bytes, at[2 * i], n))
		blocks[table[i][0].name] = {"ids": ids[i], "values": Codec.reals(bytes, at[2 * i + 1], n * table[i][0].fields.size())}
	var executing := {"ids": Codec.u32s(bytes, at[tail], header.extra), "chunk": Codec.u32s(bytes, at[tail + 1], header.extra)}
	executing.step = []
	executing.rung = []
	for i in header.extra:
		executing.step.append(Codec.reader(bytes, at[tail + 2] + 2 * i).get_u16())
		executing.rung.append(bytes[at[tail + 3] + i])
	var wrong = Codec.distinct(ids, "SNAPSHOT")
	if not wrong:
		wrong = Codec.distinct([executing.ids], "executing")
	if not wrong and executing.rung.size() and executing.rung.max() > Codec.Rung.NONE:
		wrong = Refusal.new(Code.VALUE, "executing: rung expected 0..4")
	for block in table:
		var values: PackedFloat32Array = blocks[block[0].name].values
		for i in values.size():
			var field: Dictionary = block[0].fields[i % block[0].fields.size()]
			if not wrong and field.nan == "reject" and not Codec.are_finite(PackedFloat32Array([values[i]])):
				wrong = Refusal.new(Code.VALUE, "field '%s': expected a number" % field.name)
	return wrong if wrong else Codec.encode_snapshot(header, schema, blocks, executing)


func read_delta(bytes: PackedByteArray, header: Dictionary):
	if bytes.size() < 64:
		return Refusal.new(Code.LENGTH, "SNAPSHOT: expected a sub-header")
	var from := Codec.reader(bytes, 48)
	var baseline := from.get_64()
	var fits := baseline == 0 if header.flags & Codec.Flag.KEYFRAME else baseline >= 0 and baseline < header.tick
	if not fits or from.get_64() != 0:
		return Refusal.new(Code.VALUE, "SNAPSHOT: baseline")
	var table = layout(bytes, header, 64)
	if table is Refusal:
		return table
	var at := 64 + Codec.padded(8 * table.size())
	for block in table:
		var fields: Array = block[0].fields
		var cells: int = block[1] * fields.size()
		var bits := at + Codec.padded(4 * block[1])
		at = bits + Codec.padded((cells + 7) / 8)
		if at > bytes.size():
			return Refusal.new(Code.LENGTH, "SNAPSHOT: cut")
		var sizes := {}
		for cell in 8 * ((cells + 7) / 8):
			if not bytes[bits + cell / 8] & (1 << cell % 8):
				continue
			if cell >= cells:
				return Refusal.new(Code.VALUE, "SNAPSHOT: expected 0 behind the cells")
			var coding: String = fields[cell % fields.size()].get("coding", "f32")
			sizes[coding] = sizes.get(coding, 0) + CODINGS[coding]
		for size in sizes.values():
			at += Codec.padded(size)
	for size in EXECUTING:
		at += Codec.padded(size * header.extra)
	if at != bytes.size():
		return Refusal.new(Code.LENGTH, "SNAPSHOT: expected %d bytes, got %d" % [at, bytes.size()])
	return null


# Returns null, or the Refusal of bytes that no schema consists of.
func not_a_schema(header: Dictionary, blob: PackedByteArray) -> Refusal:
	var body = Msgpack.new().unpack(blob, LIMITS)
	if body is Refusal or Msgpack.pack(body) != blob:
		return Refusal.new(Code.SCHEMA, "schema: expected canonical bytes")
	if body.kinematics.kind == "grid":
		var step: float = body.kinematics.cell * (sqrt(2.0) if body.kinematics.diagonals else 1.0)
		if [body.kinematics.brake, body.kinematics.max_acceleration].min() < 2.0 * step * pow(body.tick_hz, 2.0):
			return Refusal.new(Code.SCHEMA, "kinematics: expected to stop at once")
	if header.schema_id != Schema.id_of(blob):
		return Refusal.new(Code.SCHEMA, "schema: expected the id of its bytes")
	return null


# ---- ladders and presets


func played(script: PackedStringArray) -> Array:
	var ladder := Ladder.new(schema)
	var said := []
	for line in script:
		var words := Array(line.split(" "))
		match words.pop_front():
			"start":
				ladder.start(int(words[0]), int(words[1]), number(words[2]))
			"accept":
				said.append("accepted %d" % int(ladder.accept(Codec.decode(of_hex(words[0]), schema))))
			"step":
				said.append(stepped(ladder, words))
	var c := ladder.counters
	said.append("counters %d %d %d %d %d %d" % [c.planned, c.tail, c.callback, c.brake, c.stale_dropped, c.off_pose])
	return said


func stepped(ladder: Ladder, words: Array) -> String:
	var tick := int(words[0])
	var ids := []
	var pose := []
	for at in range(1, words.size(), 5):
		ids.append(int(words[at]))
		for i in 4:
			pose.append(number(words[at + 1 + i]))
	var out := ladder.step(tick, ids, pose)
	var said := "step"
	for i in ids.size():
		said += " %d %d %d" % [out.rung[i], out.chunk[i], out.step[i]]
		for c in schema.channels.size():
			said += " " + told(out.commands[i * schema.channels.size() + c])
	return said


func converted(name: String) -> Array:
	var preset := Coordinates.new(name)
	var said := []
	for line in lines_of(name + ".txt"):
		var words := Array(line.split(" "))
		var ground := Vector2(number(words[0]), number(words[1]))
		var angle := number(words[2])
		var to := preset.to_wire(ground)
		var from := preset.from_wire(ground)
		var numbers := [to.x, to.y, preset.angle_to_wire(angle), from.x, from.y, preset.angle_from_wire(angle)]
		for i in 6:
			numbers[i] = told(numbers[i])
		said.append("converted " + " ".join(PackedStringArray(numbers)))
	return said


func of_hex(digits: String) -> PackedByteArray:
	var out := PackedByteArray()
	for i in digits.length() / 2:
		out.append(("0x" + digits.substr(2 * i, 2)).hex_to_int())
	return out


# A float of 64 bits; String.to_float reads one of 32.
func number(word: String) -> float:
	if word in ["nan", "inf", "-inf"]:
		return {"nan": NAN, "inf": INF, "-inf": -INF}[word]
	return float(str_to_var(word))


# All digits of a float; "%f" has 16 behind the point, whatever the number's size.
func told(value: float) -> String:
	var exponent := int(floor(log(abs(value)) / log(10.0))) if value else 0
	return "%.15fe%d" % [value / pow(10.0, exponent), exponent]
