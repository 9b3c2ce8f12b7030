# The yard on rough ground, with bodies that Godot moves: what one learns is how far a body does what it is told, and what
# to declare of it.
#
#   godot3-server --no-window --path bridge/clients/gdscript res://example/rough.tscn tcp://127.0.0.1:5757 60 0.1
#       against a brain, for 60 seconds, with legs of which a tenth less is declared than they can do; `plain` behind it:
#       without legs.gd's care for slopes; `blind`: without the last hop's checks; `mapped`: with the crates declared as
#       walls. Prints a line of JSON a tick, for npc-sdk check engine (docs/howto/engines.md).
#
# What is declared stays, as the shipped model knows bodies of 4 m/s and 16 m/s^2: the legs are the stronger ones.
#
# Every eleven seconds all guards are knocked back; once one is put elsewhere.
extends "res://example/yard.gd"

const Coordinates = preload("res://addons/npcw/coordinates.gd")
const Legs = preload("res://example/legs.gd")
const Level = preload("res://example/level.gd")

const WAY := [Vector2(0, -7), Vector2(0.95, 2), Vector2(-4, -2), Vector2(6, -7), Vector2(7, 2), Vector2(-1, -3), Vector2(-6, 2), Vector2(0.95, -3), Vector2(0, 7), Vector2(5, 0)]
const LEG := 105 # ticks from one of these to the next
const STAY := 45 # of them there
const KNOCKED := [330, 12] # every so many ticks, for so many
const PATIENCE_MS := 500
const SHOVE := 8.0 # m/s, of the first of them; the last has none left
const TELEPORT := [500, 1, Vector2(9, 9)] # tick, guard, where to

var guards := []
var causes := ["", "", "", ""]
var issued := [Vector2(), Vector2(), Vector2(), Vector2()]
var before := []
var tolerance := 0.0 # m, the most that a chunk allowed: what the brain was started with
var map := Coordinates.new("godot")


func _ready() -> void: # after the yard's
	add_child(Level.new())
	for home in HOMES:
		var legs := Legs.new()
		legs.plain = said("plain")
		legs.top = able().max_speed
		legs.change = able().brake
		legs.translation = map.from_wire_3d(home, Level.height(home.x) + 0.01)
		guards.append(legs)
		add_child(legs)
	var zones := []
	for name in Level.PITS:
		zones.append({"kind": "keep_out", "name": name, "corners": pairs(Level.corners(Level.PITS[name]))})
	zones.append({"kind": "walls", "name": "building", "corners": pairs(Level.BUILDING)})
	var engine: String = "Godot " + Engine.get_version_info().string
	for word in ["plain", "blind", "mapped"]:
		engine += ", " + word if said(word) else ""
	print(to_json({
		"engine": engine, "tick_hz": HZ,
		"radius": Legs.RADIUS, "able": able(), "declared": limits(), "zones": zones, "ids": IDS,
	}))


# The share by which the game declares less than its legs can do: the number behind the seconds.
func spared() -> float:
	var arguments := OS.get_cmdline_args()
	for i in arguments.size():
		if arguments[i].begins_with("tcp://") and i + 2 < arguments.size():
			return float(arguments[i + 2])
	return 0.0


func limits() -> Dictionary:
	var kinematics: Dictionary = declared().kinematics
	return {"max_speed": kinematics.max_speed, "max_acceleration": kinematics.max_acceleration, "brake": kinematics.brake}


func able() -> Dictionary:
	var out := limits()
	for name in out:
		out[name] /= 1.0 - spared()
	return out


func declared() -> Dictionary:
	var out := .declared()
	out.game = "rough"
	out.polygons = [{"name": "building", "kind": "wall", "vertices": pairs(Level.BUILDING)}]
	if said("mapped"):
		for i in Level.CRATES.size():
			out.polygons.append({"name": "crate %d" % i, "kind": "wall", "vertices": pairs(Level.outline(Level.CRATES[i]))})
	return out


# Waits for the answer to the last snapshot, so that a busy machine measures the same. No game should: the yard does not.
func take_in() -> void:
	var until := OS.get_ticks_msec() + PATIENCE_MS
	var answered := client.session() == 0
	while true:
		for action in client.poll():
			heed(action)
			answered = answered or action.source_tick == tick
		if answered or OS.get_ticks_msec() > until:
			break
		OS.delay_msec(1)


func heed(action) -> void:
	for told in action.tolerance:
		tolerance = max(tolerance, told)
	if said("blind"):
		unchecked(action)


# What to do without a plan is left to the brake: nothing here is the game's own behaviour but throws and teleports.
func stand(_tick: int, _id: int, _pose: Array) -> Array:
	return []


# Takes the last hop's checks away, as a client would have it that runs whatever comes: what they are worth.
func unchecked(action) -> void:
	for row in action.tolerance.size():
		action.tolerance[row] = 1e6
	client.ladder._velocity_tolerance = 1e6


static func said(word: String) -> bool:
	return word in OS.get_cmdline_args()


# Through the lanes and over the ridge, faster than guards run, and into the pits, at whose edges they have to stop.
func player() -> Array:
	var leg := tick / LEG
	var from: Vector2 = WAY[leg % WAY.size()]
	var to: Vector2 = WAY[(leg + 1) % WAY.size()]
	var along := float(tick % LEG) / (LEG - STAY)
	return [from.linear_interpolate(to, along), (to - from) * HZ / (LEG - STAY)] if along < 1.0 else [to, Vector2()]


func move(i: int, command: Vector2) -> void:
	if i == 0:
		before = [places.duplicate(), velocities.duplicate()]
	var legs: Legs = guards[i]
	var since := tick % int(KNOCKED[0])
	issued[i] = command
	if tick >= KNOCKED[0] and since < KNOCKED[1]:
		var away: float = 1.3 * i + tick / KNOCKED[0]
		issued[i] = SHOVE * (1.0 - float(since + 1) / KNOCKED[1]) * Vector2(cos(away), sin(away))
		legs.fly(map.from_wire(issued[i]))
		ours(i, "knock-back")
	elif tick == TELEPORT[0] and i == TELEPORT[1]:
		legs.translation = map.from_wire_3d(TELEPORT[2], 0.01)
		legs.velocity = Vector3()
		ours(i, "teleport")
	else:
		legs.go(map.from_wire(command))
		causes[i] = legs.touched
	places[i] = map.to_wire_3d(legs.translation)
	velocities[i] = map.to_wire_3d(legs.velocity)


# Says that the game moved a guard, not the brain: to the brain with the next snapshot, and to the log.
func ours(i: int, cause: String) -> void:
	client.ladder.executing.rung[i] = Codec.Rung.CALLBACK
	client.ladder.executing.chunk[i] = 0
	client.ladder.executing.step[i] = 0
	causes[i] = cause


func tell(rung: Array) -> void:
	var rows := []
	for i in 4:
		rows.append([before[0][i].x, before[0][i].y, before[1][i].x, before[1][i].y, issued[i].x, issued[i].y, rung[i], causes[i]])
	print(to_json({"tick": tick, "tolerance": tolerance, "fault": client.fault.kind if client.fault else "", "npcs": rows}))


static func pairs(corners: Array) -> Array:
	var out := []
	for corner in corners:
		out.append([corner.x, corner.y])
	return out
