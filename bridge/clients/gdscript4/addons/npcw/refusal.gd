# Translated from bridge/clients/gdscript by translate.py. Not run in Godot 4.
#
# What functions of this addon return instead of a value where bytes break the protocol: GDScript has no exceptions.
extends RefCounted

enum Code {
	MAGIC = 1, VERSION, SCHEMA, LENGTH, LIMIT, VALUE, SESSION, AUTH, BUSY, DEADLINE, STALE, KEYFRAME, CONTROL, MODEL, INTERNAL,
}

var code: int
var text: String


func _init(code_: int, text_: String) -> void:
	code = code_
	text = text_
