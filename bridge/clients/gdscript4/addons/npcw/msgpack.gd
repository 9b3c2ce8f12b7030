# Translated from bridge/clients/gdscript by translate.py. Not run in Godot 4.
#
# msgpack: plain data, canonical when written (keys sorted, shortest integers, float64).
#
#     var bytes = Msgpack.pack({"verb": "status"})
#     var value = Msgpack.new().unpack(bytes, Codec.LIMITS)    # a Dictionary or a Refusal
extends RefCounted

const Refusal = preload("refusal.gd")


# An integer above 2^63 - 1, which no int holds; `bits` are its own, so below 0.
class U64:
	extends RefCounted
	var bits: int

	func _init(bits_: int) -> void:
		bits = bits_

	func to_real() -> float:
		return float(bits) + 18446744073709551616.0


# ---- writing


# Returns null, booleans, ints, floats, U64, Strings, PoolByteArrays, Arrays and Dictionaries with String keys as bytes.
static func pack(value) -> PackedByteArray:
	var out := StreamPeerBuffer.new()
	out.big_endian = true
	_put(out, value)
	return out.data_array


static func _put(out: StreamPeerBuffer, value) -> void:
	match typeof(value):
		TYPE_NIL:
			out.put_u8(0xc0)
		TYPE_BOOL:
			out.put_u8(0xc3 if value else 0xc2)
		TYPE_INT:
			_put_int(out, value)
		TYPE_FLOAT:
			out.put_u8(0xcb)
			out.put_double(value)
		TYPE_STRING:
			var bytes: PackedByteArray = value.to_utf8_buffer()
			_put_size(out, bytes.size(), 0xa0, 31, 0xd9, 0xda)
			_put_bytes(out, bytes)
		TYPE_PACKED_BYTE_ARRAY:
			_put_size(out, value.size(), 0, -1, 0xc4, 0xc5)
			_put_bytes(out, value)
		TYPE_ARRAY:
			_put_size(out, value.size(), 0x90, 15, 0, 0xdc)
			for item in value:
				_put(out, item)
		TYPE_DICTIONARY:
			var keys: Array = value.keys()
			keys.sort() # by code points, which is the order of their UTF-8
			_put_size(out, keys.size(), 0x80, 15, 0, 0xde)
			for key in keys:
				_put(out, key)
				_put(out, value[key])
		_:
			assert(value is U64)
			out.put_u8(0xcf)
			out.put_64(value.bits)


static func _put_int(out: StreamPeerBuffer, value: int) -> void:
	if value >= -32 and value < 128:
		out.put_8(value)
	elif value >= 0:
		if value < 0x100:
			out.put_u8(0xcc)
			out.put_u8(value)
		elif value < 0x10000:
			out.put_u8(0xcd)
			out.put_u16(value)
		elif value < 0x100000000:
			out.put_u8(0xce)
			out.put_u32(value)
		else:
			out.put_u8(0xcf)
			out.put_64(value)
	elif value >= -0x80:
		out.put_u8(0xd0)
		out.put_8(value)
	elif value >= -0x8000:
		out.put_u8(0xd1)
		out.put_16(value)
	elif value >= -0x80000000:
		out.put_u8(0xd2)
		out.put_32(value)
	else:
		out.put_u8(0xd3)
		out.put_64(value)


# `short`: the head of sizes up to `most`; `one`: of 8 bits, 0 if there is none; `two`: of 16 bits, followed by that of 32.
static func _put_size(out: StreamPeerBuffer, size: int, short: int, most: int, one: int, two: int) -> void:
	if size <= most:
		out.put_u8(short | size)
	elif one and size < 0x100:
		out.put_u8(one)
		out.put_u8(size)
	elif size < 0x10000:
		out.put_u8(two)
		out.put_u16(size)
	else:
		out.put_u8(two + 1)
		out.put_u32(size)


static func _put_bytes(out: StreamPeerBuffer, bytes: PackedByteArray) -> void:
	if bytes.size():
		out.put_data(bytes)


# ---- reading

var _in := StreamPeerBuffer.new()
var _bytes: PackedByteArray
var _limits: Dictionary
var _refusal: Refusal = null # the first; nothing is read behind it
var _infinite := false


# Reads one msgpack map; returns a Dictionary or a Refusal. A text ends at its first character 0, as every Godot String.
func unpack(bytes: PackedByteArray, limits: Dictionary):
	if bytes.size() > limits.body_bytes:
		return Refusal.new(Refusal.Code.LIMIT, "body: expected at most %d bytes, got %d" % [limits.body_bytes, bytes.size()])
	_bytes = bytes
	_limits = limits
	_refusal = null
	_infinite = false
	_in.big_endian = true
	_in.data_array = bytes
	_in.seek(0)
	var body = _take(0)
	if not _refusal and _in.get_position() != bytes.size():
		_unreadable("bytes behind it")
	if _refusal:
		return _refusal
	if typeof(body) != TYPE_DICTIONARY:
		return Refusal.new(Refusal.Code.VALUE, "body: expected a map")
	if _infinite:
		return Refusal.new(Refusal.Code.VALUE, "body: expected finite numbers")
	return body


func _unreadable(what: String):
	if not _refusal:
		_refusal = Refusal.new(Refusal.Code.LENGTH, "body: expected one msgpack map, got " + what)
	return null


func _has(size: int) -> bool:
	if _refusal or _in.get_position() + size > _bytes.size():
		_unreadable("its first bytes")
		return false
	return true


func _take(depth: int):
	if not _has(1):
		return null
	var head := _in.get_u8()
	if head < 0x80:
		return head
	if head < 0x90:
		return _map(head & 15, depth)
	if head < 0xa0:
		return _array(head & 15, depth)
	if head < 0xc0:
		return _string(head & 31)
	if head >= 0xe0:
		return head - 256
	match head:
		0xc0:
			return null
		0xc2, 0xc3:
			return head == 0xc3
		0xc4, 0xc5, 0xc6:
			return _blob(_unsigned(1 << (head - 0xc4)))
		0xca, 0xcb:
			return _real(head == 0xcb)
		0xcc, 0xcd, 0xce:
			return _unsigned(1 << (head - 0xcc))
		0xcf:
			var whole := _unsigned(8)
			return whole if whole >= 0 else U64.new(whole)
		0xd0, 0xd1, 0xd2, 0xd3:
			return _signed(1 << (head - 0xd0))
		0xd9, 0xda, 0xdb:
			return _string(_unsigned(1 << (head - 0xd9)))
		0xdc, 0xdd:
			return _array(_unsigned(2 << (head - 0xdc)), depth)
		0xde, 0xdf:
			return _map(_unsigned(2 << (head - 0xde)), depth)
	return _unreadable("an extension type")


func _unsigned(size: int) -> int:
	if not _has(size):
		return 0
	match size:
		1:
			return _in.get_u8()
		2:
			return _in.get_u16()
		4:
			return _in.get_u32()
	return _in.get_64()


func _signed(size: int) -> int:
	if not _has(size):
		return 0
	match size:
		1:
			return _in.get_8()
		2:
			return _in.get_16()
		4:
			return _in.get_32()
	return _in.get_64()


func _real(double: bool) -> float:
	if not _has(8 if double else 4):
		return 0.0
	var value := _in.get_double() if double else _in.get_float()
	_infinite = _infinite or is_nan(value) or is_inf(value)
	return value


func _blob(size: int) -> PackedByteArray:
	if not size or not _has(size):
		return PackedByteArray()
	return _in.get_data(size)[1]


func _string(size: int) -> String:
	if size > _limits.text_bytes:
		_unreadable("a text that is too long")
	var bytes := _blob(size)
	if not _is_utf8(bytes):
		_unreadable("a text that is not UTF-8")
	return "" if _refusal else bytes.get_string_from_utf8()


func _is_inside(size: int, depth: int) -> bool:
	if size > _limits.items:
		_unreadable("too many items")
	elif depth >= _limits.depth and not _refusal:
		_refusal = Refusal.new(Refusal.Code.LIMIT, "body: nested deeper than %d" % _limits.depth)
	return not _refusal


func _array(size: int, depth: int) -> Array:
	var out := []
	if _is_inside(size, depth):
		for _i in size:
			out.append(_take(depth + 1))
			if _refusal:
				break
	return out


func _map(size: int, depth: int) -> Dictionary:
	var out := {}
	if _is_inside(size, depth):
		for _i in size:
			var key = _take(depth + 1)
			if typeof(key) != TYPE_STRING:
				_unreadable("a key that is no text")
			elif out.has(key):
				_unreadable("a key twice")
			if _refusal:
				break
			out[key] = _take(depth + 1)
	return out


# Says whether bytes are UTF-8 (RFC 3629): no character longer than it must be, no surrogate, none above U+10FFFF.
static func _is_utf8(bytes: PackedByteArray) -> bool:
	var more := 0 # bytes of this character still to come
	var low := 0x80 # least and most of the next of them
	var high := 0xbf
	for byte in bytes:
		if more:
			if byte < low or byte > high:
				return false
			more -= 1
			low = 0x80
			high = 0xbf
		elif byte >= 0x80:
			if byte < 0xc2 or byte > 0xf4:
				return false
			more = 1 if byte < 0xe0 else 2 if byte < 0xf0 else 3
			low = 0xa0 if byte == 0xe0 else 0x90 if byte == 0xf0 else 0x80
			high = 0x9f if byte == 0xed else 0x8f if byte == 0xf4 else 0xbf
	return more == 0
