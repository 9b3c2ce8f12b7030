# Rough ground: a ridge, a building, crates that nobody declares, and pits that are only a rule. Places are the wire's.
extends Spatial

const Coordinates = preload("res://addons/npcw/coordinates.gd")

# Along y; x and height of its outline: 20 degrees up from the west, 35 degrees down to the east.
const RIDGE := [Vector2(-8, 0), Vector2(-2.505, 2), Vector2(-1.5, 2), Vector2(1.356, 0)]
const BUILDING := [Vector2(3, 5), Vector2(8, 5), Vector2(8, 6), Vector2(4, 6), Vector2(4, 9), Vector2(3, 9)] # an inner corner
const CRATES := [[Vector2(3, 2), 0.8, 0.5], [Vector2(4.2, 2.6), 0.8, -0.4], [Vector2(3, -3), 1.0, 0.8], [Vector2(7, -1), 0.8, 0.3]] # place, side, turned by
const PITS := {
	"gentle": [Vector2(-6, 1), Vector2(-4.5, 1), Vector2(-4.5, 4), Vector2(-6, 4)], # on the gentle slope
	"steep": [Vector2(0.2, -4), Vector2(1.2, -4), Vector2(1.2, -1), Vector2(0.2, -1)], # on the steep one
	"crates": [Vector2(3.25, -2.4), Vector2(5, -2.4), Vector2(5, -0.6), Vector2(3.25, -0.6)], # between crates
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
