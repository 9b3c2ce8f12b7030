# Translated from bridge/clients/gdscript by translate.py. Not run in Godot 4.
#
# A yard with four guards and somebody who walks in a circle. What one learns: declare a schema once, then poll, step, push.
#
#   npc-sdk serve                                                              in one terminal
#   godot --headless --path bridge/clients/gdscript4 -- tcp://127.0.0.1:5757 30
#                                  in another: prints what the guards do, tick by tick, for 30 seconds
#
# The entities are those of the arena, whose model the brain has. Without a brain the guards stand. Turn a weight while it
# runs: examples/01_designer_script.py shows how. All places are the wire's; a game converts its own, see coordinates.gd.
extends Node

const Client = preload("res://addons/npcw/client.gd")
const Codec = preload("res://addons/npcw/codec.gd")
const Schema = preload("res://addons/npcw/schema.gd")
const Transport = preload("res://addons/npcw/transport.gd")

const HZ := 30 # as in project.godot
const IDS := [101, 102, 103, 104]
const HOMES := [Vector2(-9, 1), Vector2(-9, -1), Vector2(9, 1), Vector2(9, -1)]

var client: Client
var places := HOMES.duplicate()
var velocities := [Vector2(), Vector2(), Vector2(), Vector2()]
var headings := [0.0, 0.0, 0.0, 0.0]
var tick := 0
var ticks := 30 * HZ
var told := "" # the last fault


func _ready() -> void:
	var endpoint := "tcp://127.0.0.1:5757"
	var arguments := OS.get_cmdline_user_args()
	for i in arguments.size():
		if arguments[i].begins_with("tcp://"):
			endpoint = arguments[i]
			ticks = int(arguments[i + 1]) * HZ if i + 1 < arguments.size() else ticks
	client = Client.new(Transport.new(endpoint), Schema.new(declared()), stand)


func _physics_process(_delta: float) -> void:
	take_in()
	var pose := []
	for i in 4:
		pose += [places[i].x, places[i].y, velocities[i].x, velocities[i].y]
	var out := client.step(tick, IDS, pose)
	for i in 4:
		move(i, Vector2(out.commands[6 * i], out.commands[6 * i + 1]))
		if out.rung[i] <= Codec.Rung.TAIL:
			headings[i] = out.commands[6 * i + 2]
	client.push(tick + 1, blocks())
	tell(out.rung)
	tick += 1
	if tick == ticks:
		client.close()
		print("counters ", JSON.stringify(client.ladder.counters))
		get_tree().quit()


func take_in() -> void:
	client.poll()


# Has a guard do what it is told.
func move(i: int, command: Vector2) -> void:
	velocities[i] = command
	places[i] += command / HZ


func tell(rung: Array) -> void:
	var fault = client.fault
	if fault and fault.text != told:
		printerr("%s: %s" % [fault.text, fault.remedy])
	told = fault.text if fault else ""
	var line := "tick %d %s" % [tick, fault.kind if fault else "fine"]
	for i in 4:
		line += " %d %.4f %.4f" % [rung[i], places[i].x, places[i].y]
	print(line)


# What the guards do without a plan.
func stand(_tick: int, _id: int, _pose: Array) -> Array:
	return [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]


# ---- where everybody is


# Place and velocity of the player: 1.5 m/s on a circle of 3 m.
func player() -> Array:
	var angle := 0.5 * tick / HZ
	return [3.0 * Vector2(cos(angle), sin(angle)), 1.5 * Vector2(-sin(angle), cos(angle))]


func blocks() -> Dictionary:
	var walker := player()
	var npcs := []
	for i in 4:
		npcs += body(places[i], velocities[i], headings[i]) + [0, 0, 0, 0, 0, 1 if i == 0 else 0, HOMES[i].x, HOMES[i].y, 1]
	return {
		"player": {"ids": [1], "values": body(walker[0], walker[1], walker[1].angle()) + [0, 1]},
		"mode": {"ids": [900], "values": [1]},
		"npc": {"ids": IDS, "values": npcs},
	}


func body(place: Vector2, velocity: Vector2, heading: float) -> Array:
	return [place.x, place.y, velocity.x, velocity.y, heading, 100]


# ---- what the game declares


func declared() -> Dictionary:
	var pi: float = PackedFloat32Array([PI])[0] # the nearest float32
	var pose := [
		field("x", "m", -16, 16), field("y", "m", -16, 16), field("vx", "m/s", -12, 12), field("vy", "m/s", -12, 12),
	]
	var body := pose + [field("heading", "rad", -pi, pi), field("health", "hp", 0, 200, 100)]
	var alive := field("alive", "1", 0, 1, 1)
	var gear := [
		field("ammo", "1", 0, 100), field("cooldown", "s", 0, 10), field("grenades", "1", 0, 10), field("shots", "1", 0, 1e6),
		field("squad", "1", 0, 63), field("leader", "1", 0, 1), field("home_x", "m", -16, 16), field("home_y", "m", -16, 16),
	]
	return {
		"game": "yard", "tick_hz": HZ, "bounds": [-12, -12, 12, 12],
		"entities": [
			{"name": "player", "role": "player", "max_count": 1, "fields": body + [field("shots", "1", 0, 1e6), alive]},
			{"name": "npc", "role": "npc", "max_count": 4, "fields": body + gear + [alive]},
			{"name": "grenade", "role": "projectile", "max_count": 1, "fields": pose + [field("fuse", "s", 0, 10)]},
			{"name": "mode", "role": "mode", "max_count": 1, "fields": [field("hold_fire", "1", 0, 1)]},
		],
		"channels": [
			{"name": "move_x", "unit": "m/s", "low": -6, "high": 6},
			{"name": "move_y", "unit": "m/s", "low": -6, "high": 6},
			{"name": "aim", "unit": "rad", "low": -pi, "high": pi, "hold": true},
			{"name": "fire", "unit": "1", "low": 0, "high": 1, "kind": "discrete", "count": 2},
			{"name": "throw", "unit": "1", "low": 0, "high": 1, "kind": "discrete", "count": 2},
			{"name": "reach", "unit": "m", "low": 0, "high": 10},
		],
		"kinematics": {"max_speed": 4, "max_acceleration": 16, "brake": 16, "radius": 0.35, "turn_rate": 2 * PI},
		"polygons": [{"name": "shed", "kind": "wall", "vertices": [[-1, 7], [1, 7], [1, 9], [-1, 9]]}],
	}


func field(name: String, unit: String, low: float, high: float, default := 0.0) -> Dictionary:
	return {"name": name, "unit": unit, "low": low, "high": high, "role": name, "default": default}
