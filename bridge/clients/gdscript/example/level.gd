# Rough ground: a ridge, a building, crates, and pits that are only a rule. Places are the wire's.
# Between the pits run three lanes, half a metre wider than a guard: along the gentle slope, along the steep one, and on
# the flat, where crates stand in the way.
extends Spatial

const Coordinates = preload("res://addons/npcw/coordinates.gd")

# Along y; x and height of its outline: 20 degrees up from the west, 35 degrees down to the east.
const RIDGE := [Vector2(-8, 0), Vector2(-2.505, 2), Vector2(-1.5, 2), Vector2(1.356, 0)]
const BUILDING := [Vector2(3, 5), Vector2(8, 5), Vector2(8, 6), Vector2(4, 6), Vector2(4, 9), Vector2(3, 9)] # an inner corner
const CRATES := [[Vector2(6.6, 0), 0.5, 0.785], [Vector2(5.4, 2), 0.5, 0.785], [Vector2(2.6, 2), 0.8, 0.5], [Vector2(3.2, 2.9), 0.8, -0.4]] # place, side, turned by
const PITS := { # from one corner to the opposite one
	"over the gentle lane": [Vector2(-4.4, -5), Vector2(-3.6, 5)], "under the gentle lane": [Vector2(-6.4, -5), Vector2(-5.6, 5)],
	"over the steep lane": [Vector2(-1.4, -5), Vector2(-0.6, 5)], "under the steep lane": [Vector2(0.6, -5), Vector2(1.3, 5)],
	"left of the crates": [Vector2(4.4, -5), Vector2(5.4, 4)], "right of the crates": [Vector2(6.6, -5), Vector2(7.6, 4)],
}


var _map := Coordinates.new("godot")


func _init() -> void:
	var ground := BoxShape.new()
	ground.extents = Vector3(20, 1, 20)
	_stand(ground, Vector3(0, -1, 0))
	var outline := []
	for corner in RIDGE:
		for y in [-12, 12]:
			outline.append(_map.from_wire_3d(Vector2(corner.x, y), corner.y))
	var ridge := ConvexPolygonShape.new()
	ridge.points = PoolVector3Array(outline)
	_stand(ridge, Vector3())
	_box(Vector2(5.5, 5.5), Vector2(5, 1), 0)
	_box(Vector2(3.5, 7.5), Vector2(1, 3), 0)
	for crate in CRATES:
		_box(crate[0], Vector2(crate[1], crate[1]), crate[2])


# The corners of a pit.
static func corners(pit: Array) -> Array:
	return [pit[0], Vector2(pit[1].x, pit[0].y), pit[1], Vector2(pit[0].x, pit[1].y)]


# The corners of a crate, counter-clockwise.
static func outline(crate: Array) -> Array:
	var out := []
	for corner in [Vector2(-1, -1), Vector2(1, -1), Vector2(1, 1), Vector2(-1, 1)]:
		out.append(crate[0] + (0.5 * crate[1] * corner).rotated(crate[2]))
	return out


# Height of the ground at x.
static func height(x: float) -> float:
	for i in 3:
		var a: Vector2 = RIDGE[i]
		var b: Vector2 = RIDGE[i + 1]
		if x >= a.x and x < b.x:
			return a.y + (b.y - a.y) * (x - a.x) / (b.x - a.x)
	return 0.0


func _box(middle: Vector2, size: Vector2, turned: float) -> void:
	var shape := BoxShape.new()
	shape.extents = Vector3(size.x / 2, 1, size.y / 2)
	_stand(shape, _map.from_wire_3d(middle, 1), turned)


func _stand(shape: Shape, place: Vector3, turned := 0.0) -> void:
	var body := StaticBody.new()
	var here := CollisionShape.new()
	here.shape = shape
	body.add_child(here)
	body.translation = place
	body.rotation.y = turned
	add_child(body)
