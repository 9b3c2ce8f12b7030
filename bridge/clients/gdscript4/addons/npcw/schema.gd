# Translated from bridge/clients/gdscript by translate.py. Not run in Godot 4.
#
# What a game declares once: entities, channels, bodies, walls. The canonical bytes are its identity.
#
# Written as plain Dictionaries, with the names of docs/reference/schema.md; what is left out has the default given there.
# The brain judges a schema and says what is wrong with it; here it is only written down.
extends RefCounted

const Msgpack = preload("msgpack.gd")

const FIELD := {"role": "", "nan": "reject", "default": 0.0, "aliases": []}
const CHANNEL := {"kind": "continuous", "default": 0.0, "count": 0, "hold": false}

var game: String
var tick_hz: float
var dt: float # s
var entities: Array
var channels: Array # with their defaults
var ranges: Array # per channel [low, high], as float32
var kinematics: Dictionary
var canonical: PackedByteArray
var sha256: String
var id: int


# declared: game, tick_hz, coordinates, bounds, entities, channels, kinematics, polygons, barks, origin.
func _init(declared: Dictionary) -> void:
	var body := {
		"game": declared.game, "tick_hz": float(declared.tick_hz), "coordinates": declared.get("coordinates", "wire"),
		"bounds": _floats(declared.bounds), "entities": [], "channels": [], "kinematics": _kinematics(declared.kinematics),
		"polygons": [], "barks": declared.get("barks", []),
	}
	for entity in declared.entities:
		var fields := []
		for field in entity.fields:
			fields.append(_field(field))
		body.entities.append({"name": entity.name, "role": entity.role, "max_count": entity.max_count, "fields": fields})
	for channel in declared.channels:
		body.channels.append(_with(CHANNEL, channel, ["low", "high", "default"]))
	for polygon in declared.get("polygons", []):
		var vertices := []
		for vertex in polygon.vertices:
			vertices.append(_floats(vertex))
		body.polygons.append({"name": polygon.name, "kind": polygon.kind, "vertices": vertices, "opaque": polygon.get("opaque", true)})
	var origin := _floats(declared.get("origin", [0, 0]))
	if origin[0] or origin[1]:
		body.origin = origin
	game = body.game
	tick_hz = body.tick_hz
	dt = 1.0 / tick_hz
	entities = body.entities
	channels = body.channels
	for channel in channels:
		ranges.append(Array(PackedFloat32Array([channel.low, channel.high])))
	kinematics = body.kinematics
	canonical = Msgpack.pack(body)
	sha256 = digest(canonical).hex_encode()
	id = id_of(canonical)


# Returns the number of a channel, -1 if there is none of that name.
func channel(name: String) -> int:
	for i in channels.size():
		if channels[i].name == name:
			return i
	return -1


# The number of a schema, by its canonical bytes.
static func id_of(bytes: PackedByteArray) -> int:
	var first := digest(bytes)
	return first[0] << 24 | first[1] << 16 | first[2] << 8 | first[3]


static func digest(bytes: PackedByteArray) -> PackedByteArray:
	var context := HashingContext.new()
	context.start(HashingContext.HASH_SHA256)
	context.update(bytes)
	return context.finish()


static func _field(declared: Dictionary) -> Dictionary:
	var out := _with(FIELD, declared, ["low", "high", "default"])
	if out.get("coding") == "f32":
		out.erase("coding")
	return out


static func _kinematics(declared: Dictionary) -> Dictionary:
	var out := _with({"kind": "velocity"}, declared, ["max_speed", "max_acceleration", "brake", "radius", "turn_rate"])
	out.erase("cell")
	out.erase("diagonals")
	if out.kind == "grid":
		out.cell = float(declared.cell)
		out.diagonals = declared.get("diagonals", false)
	return out


# Returns the declared keys and the defaults of the others; `numbers` are written as float64, also where they are whole.
static func _with(defaults: Dictionary, declared: Dictionary, numbers: Array) -> Dictionary:
	var out := defaults.duplicate()
	for key in declared:
		out[key] = declared[key]
	for key in numbers:
		out[key] = out[key] + 0.0 # and -0.0 is 0.0
	return out


static func _floats(values) -> Array:
	var out := []
	for value in values:
		out.append(value + 0.0)
	return out
