# A guard's body: goes where it is told as far as its legs and the ground let it, by move_and_slide, and says what stopped it.
extends KinematicBody

const HZ := 30
const RADIUS := 0.35 # m
const STEEPEST := 50.0 # degrees that still are a floor
const SNAP := 0.1 # m within which a body that stood on the ground is put back on it
const FALL := 9.8 # m/s^2

var top: float # m/s along the ground: what these legs can do, whatever the game declares
var change: float # m/s^2 along the ground
var plain := false # as in most tutorials: move_and_slide gets a velocity on the map, and snaps straight down
var velocity := Vector3() # m/s, as the last tick moved it
var touched := "" # what kept the last tick from being the one that was asked for: "", "slope", "wall" or "corner"

var _floor := Vector3.UP
var _falls := 0.0 # m/s downwards


func _init() -> void:
	var shape := CapsuleShape.new()
	shape.radius = RADIUS
	shape.height = 1.0
	var here := CollisionShape.new()
	here.shape = shape
	here.rotation.x = PI / 2 # Godot's capsules lie
	here.translation.y = 0.5 + RADIUS
	add_child(here)
	collision_layer = 2 # guards walk through each other: that is another rule's business
	collision_mask = 1


# Goes for a tick; ground: m/s on the map, x and z.
func go(ground: Vector2) -> void:
	_slide(_as_legs_can(Vector3(ground.x, 0, ground.y)))


# Is thrown for a tick: nobody's legs.
func fly(ground: Vector2) -> void:
	_slide(Vector3(ground.x, 0, ground.y))


# The velocity for move_and_slide. Legs go along the ground, so that the map sees the speed that was asked for, as far
# as they can.
func _as_legs_can(wish: Vector3) -> Vector3:
	if plain:
		return wish
	var now := _along(velocity)
	return _at_most(now + _at_most(_along(wish) - now, change / HZ), top)


static func _at_most(way: Vector3, length: float) -> Vector3:
	return way if way.length() <= length else way.normalized() * length


# A velocity on the map, along the ground underfoot.
func _along(flat: Vector3) -> Vector3:
	return Vector3(flat.x, -(flat.x * _floor.x + flat.z * _floor.z) / _floor.y, flat.z)


func _slide(wish: Vector3) -> void:
	var before := translation
	_falls = 0.0 if is_on_floor() else _falls + FALL / HZ
	var down := Vector3.DOWN if plain else -_floor # straight down, Godot has bodies slip down slopes, also those that stand
	move_and_slide_with_snap(wish + Vector3.DOWN * _falls, SNAP * down, Vector3.UP, true, 4, deg2rad(STEEPEST))
	velocity = (translation - before) * HZ
	_floor = get_floor_normal() if is_on_floor() else Vector3.UP
	_feel()


# Notes what was run into.
func _feel() -> void:
	var sides := []
	for i in get_slide_count():
		var normal := get_slide_collision(i).normal
		if normal.y < cos(deg2rad(STEEPEST)) and not _knows(sides, normal):
			sides.append(normal)
	touched = "corner" if sides.size() > 1 else "wall" if sides else "slope" if _floor.y < 0.999 else ""


static func _knows(normals: Array, normal: Vector3) -> bool:
	for other in normals:
		if other.dot(normal) > 0.99:
			return true
	return false
