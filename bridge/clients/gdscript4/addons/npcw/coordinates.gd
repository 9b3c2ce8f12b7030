# Translated from bridge/clients/gdscript by translate.py. Not run in Godot 4.
#
# From an engine's ground plane to the wire's and back (PROTOCOL.md, Coordinates): metres, x right, y up, radians
# counter-clockwise from x.
#
#     Coordinates.new("godot")         3-D: X and Z of a place, rotation about Y of a body that looks along its -Z
#     Coordinates.new("pygame", 32)    2-D: x and y down, 32 pixels in a metre, rotation of a body that looks along its x
extends RefCounted

const UP := {"wire": 1, "godot": -1, "pygame": -1} # which way the second number grows on the wire
const TURN := {"wire": 1, "godot": 1, "pygame": -1} # which way angles grow on the wire
const ZERO := {"wire": 0.0, "godot": 0.5 * PI, "pygame": 0.0} # rad, the wire's angle of the engine's 0

var _units: float
var _up: float
var _turn: float
var _zero: float


# units: of the engine in a metre, such as pixels.
func _init(preset: String, units := 1.0) -> void:
	assert(preset in UP)
	_units = units
	_up = UP[preset]
	_turn = TURN[preset]
	_zero = ZERO[preset]


# The wire's x and y, m or m/s, of the engine's two numbers on the ground.
func to_wire(ground: Vector2) -> Vector2:
	return Vector2(ground.x, _up * ground.y) / _units


func from_wire(place: Vector2) -> Vector2:
	return Vector2(place.x, _up * place.y) * _units


# The same of a place in 3-D; its height does not travel.
func to_wire_3d(place: Vector3) -> Vector2:
	return to_wire(Vector2(place.x, place.z))


func from_wire_3d(place: Vector2, height := 0.0) -> Vector3:
	var ground := from_wire(place)
	return Vector3(ground.x, height, ground.y)


func angle_to_wire(angle: float) -> float:
	return wrapf(_zero + _turn * angle, -PI, PI)


func angle_from_wire(angle: float) -> float:
	return wrapf(_turn * (angle - _zero), -PI, PI)
