# Translated from bridge/clients/gdscript by translate.py. Not run in Godot 4.
#
# The last hop (PROTOCOL.md, Ladder): which command an NPC gets in this tick, whatever became of the brain.
# Arithmetic only: no I/O, no clock, no geometry.
extends RefCounted

const Codec = preload("codec.gd")
const Rung = Codec.Rung

const HELD := 8 # newest actions kept

var session := 0
var counters := {"planned": 0, "tail": 0, "callback": 0, "brake": 0, "stale_dropped": 0, "off_pose": 0}
var executing := {"ids": [], "chunk": [], "step": [], "rung": []} # of the last tick

var _schema
var _fallback: Callable
var _move: Array # numbers of the channels move_x and move_y
var _defaults: Array # command of an NPC that does nothing
var _fresh_steps: int
var _velocity_tolerance: float # m/s
var _held := [] # of Held, newest first
var _former := {} # m/s^2, by NPC
var _last := {} # command, by NPC of the last tick
var _chunk: int
var _tick: int


class Held:
	extends RefCounted
	var action # Codec.Action
	var last: int # tick that it may be executed in
	var row := {} # by NPC


# fallback: the game's own behaviour, called with (tick, id, [x, y, vx, vy]), returns a number per channel; without it
# NPCs brake. before: the ladder that this one replaces: it counts on, and NPCs brake as they were told.
func _init(schema, fallback: Callable = Callable(), before = null) -> void:
	_schema = schema
	_fallback = fallback
	_move = [schema.channel("move_x"), schema.channel("move_y")]
	for channel in schema.channels:
		_defaults.append(channel.default)
	var told := {}
	if before:
		counters = before.counters
		told = before.told()
		for id in told:
			_last[id] = _defaults
	_former = told
	start(0)


# Begins a session with the numbers of its WELCOME; chunks of the one before are dropped, brakes stay.
func start(new_session: int, fresh_steps := 4, velocity_tolerance := 0.05) -> void:
	_former = told()
	_held.clear()
	session = new_session
	_fresh_steps = fresh_steps
	_velocity_tolerance = velocity_tolerance
	_chunk = -1
	_tick = -1


# Takes a checked action in; false if it is stale and was dropped.
func accept(action: Codec.Action) -> bool:
	var last := action.apply_tick + action.m - 1
	if action.valid_until_tick < last:
		last = action.valid_until_tick
	if action.header.session != session or action.chunk <= _chunk or last <= _tick:
		counters.stale_dropped += action.ids.size()
		return false
	_chunk = action.chunk
	var held := Held.new()
	held.action = action
	held.last = last
	for i in action.ids.size():
		held.row[action.ids[i]] = i
	_held.push_front(held)
	if _held.size() > HELD:
		_held.pop_back()
	return true


# Picks the commands of one tick.
# ids: of the NPCs. pose: x, y, vx, vy per NPC before this tick moves anybody, m and m/s, one after the other.
# alive: per NPC; the dead get default commands.
# Returns {"commands": PackedFloat32Array n k, "rung": Array n, "chunk": Array n, "step": Array n}.
func step(tick: int, ids, pose, alive = null) -> Dictionary:
	var out := {"commands": PackedFloat32Array(), "rung": [], "chunk": [], "step": []}
	var commands := PackedFloat32Array()
	var last := {}
	for i in ids.size():
		out.rung.append(Rung.NONE)
		out.chunk.append(0)
		out.step.append(0)
		var command = _defaults
		if alive == null or alive[i]:
			command = _one(tick, ids[i], [pose[4 * i], pose[4 * i + 1], pose[4 * i + 2], pose[4 * i + 3]], out, i)
		command = PackedFloat32Array(command)
		commands.append_array(command)
		last[ids[i]] = command
	out.commands = commands
	_tick = tick
	_last = last
	executing = {"ids": Array(ids).duplicate(), "chunk": out.chunk, "step": out.step, "rung": out.rung}
	return out


# Returns a living NPC's command; its rung, chunk and step go into row i of `out`.
func _one(tick: int, id: int, here: Array, out: Dictionary, i: int) -> Array:
	var newest := -1 # chunk of the newest that is due
	var valid := false
	for held in _held:
		var action: Codec.Action = held.action
		var age := tick - action.apply_tick
		if age < 0 or not held.row.has(id):
			continue
		if newest < 0:
			newest = action.chunk
		if tick > held.last:
			continue
		var row: int = held.row[id]
		var step: int = row * action.m + age
		var fits := _fits(here, action.expected, 4 * step, action.tolerance[row])
		if not valid and not fits:
			counters.off_pose += 1
		valid = true
		if not fits:
			continue
		var fresh: bool = action.chunk == newest and age < _fresh_steps
		out.rung[i] = Rung.PLAN if fresh else Rung.TAIL
		out.chunk[i] = action.chunk
		out.step[i] = age
		counters["planned" if fresh else "tail"] += 1
		var steps: PackedFloat32Array = action.steps
		var command := []
		for c in range(step * action.k, (step + 1) * action.k):
			command.append(steps[c])
		return command
	var own = null if valid or not _fallback.is_valid() else _fallback.call(tick, id, here)
	if _is_command(own):
		out.rung[i] = Rung.CALLBACK
		counters.callback += 1
		return _within(own)
	out.rung[i] = Rung.BRAKE
	counters.brake += 1
	return _braking(id, here)


# False for NaN.
func _fits(here: Array, expected: PackedFloat32Array, at: int, tolerance: float) -> bool:
	var x: float = here[0] - expected[at]
	var y: float = here[1] - expected[at + 1]
	var vx: float = here[2] - expected[at + 2]
	var vy: float = here[3] - expected[at + 3]
	return x * x + y * y <= tolerance * tolerance and vx * vx + vy * vy <= _velocity_tolerance * _velocity_tolerance


func _is_command(own) -> bool:
	if not typeof(own) in [TYPE_ARRAY, TYPE_PACKED_FLOAT32_ARRAY] or own.size() != _defaults.size():
		return false
	for value in own:
		if not typeof(value) in [TYPE_INT, TYPE_FLOAT] or is_nan(value) or is_inf(value):
			return false
	return true


func _within(command) -> Array:
	var out := []
	for c in command.size():
		out.append(_clipped(command[c], c))
	return out


# A number within a channel's range. Godot's own clamp, min and max count in 32 bits.
func _clipped(value: float, channel: int) -> float:
	var low_high: Array = _schema.ranges[channel]
	return low_high[0] if value < low_high[0] else low_high[1] if value > low_high[1] else value


# v max(0, 1 - A dt / |v|) on the move channels, the others held or default.
func _braking(id: int, here: Array) -> Array:
	var command := _defaults.duplicate()
	for c in command.size():
		if _schema.channels[c].hold and _last.has(id):
			command[c] = _last[id][c]
	var velocity := [0.0, 0.0]
	for axis in 2:
		if not (is_nan(here[2 + axis]) or is_inf(here[2 + axis])):
			velocity[axis] = here[2 + axis]
	var speed := sqrt(velocity[0] * velocity[0] + velocity[1] * velocity[1])
	var lost: float = _brake_of(id) * _schema.dt
	var kept := 1.0 - lost / speed if lost < speed else 0.0
	for axis in 2:
		var c: int = _move[axis]
		command[c] = _clipped(velocity[axis] * kept, c)
	return command


func _brake_of(id: int) -> float:
	for held in _held:
		if held.row.has(id):
			return held.action.brake[held.row[id]]
	return _former.get(id, _schema.kinematics.brake)


# What every NPC of the last tick brakes with, m/s^2.
func told() -> Dictionary:
	var out := {}
	for id in _last:
		out[id] = _brake_of(id)
	return out
