# ZeroMQ in GDScript: a DEALER over TCP by ZMTP 3.0 with the mechanism NULL (https://rfc.zeromq.org/spec/23), a transport for
# Client. A message is one frame. Nothing here waits: whatever does not go through now goes on in the next poll.
extends Reference

const FRAME_BYTES := 1 << 20 # longer ones break the connection
const GREETING_BYTES := 64
const RECONNECT_MS := 20
const HANDSHAKE_MS := 2000 # a peer that has not shaken hands by then speaks something else
const PING_MS := 500 # between heartbeats
const DEAD_MS := 1500 # without a byte from the peer since a heartbeat
const PING_TTL := 20 # tenths of a second after which the peer may give this end up

enum Bit { MORE = 1, LONG = 2, COMMAND = 4 } # of a ZMTP frame's first byte
enum State { CLOSED, WAITING, CONNECTING, GREETING, SHAKING, UP }

var endpoint: String

var _host: String
var _port: int
var _tcp: StreamPeerTCP
var _state: int = State.WAITING
var _since := -RECONNECT_MS # when the state began, ms
var _events := []
var _in := PoolByteArray() # what has come
var _at := 0 # bytes of it that are done with
var _out := PoolByteArray() # what the socket has not taken yet
var _in_parts := false # within a message of several frames, which nobody here sends
var _ping_ms := 0 # when the last heartbeat was sent
var _heard_ms := 0 # when anything came last


# brain: its data channel, such as tcp://127.0.0.1:5757. A name in the place of the address is looked up here, which may wait.
func _init(brain: String) -> void:
	endpoint = brain
	var colon := brain.find_last(":")
	_host = brain.substr(6, colon - 6)
	_port = int(brain.substr(colon + 1, brain.length()))
	assert(brain.begins_with("tcp://") and _port)
	if not _host.is_valid_ip_address():
		_host = IP.resolve_hostname(_host, IP.TYPE_IPV4)


# Moves bytes; returns what has become of the connection since: "up", "down", "refused", "stranger".
func poll() -> Array:
	var now := OS.get_ticks_msec()
	if _state == State.WAITING and now - _since >= RECONNECT_MS:
		_connect(now)
	if _state == State.CONNECTING:
		_connecting(now)
	if _state >= State.GREETING:
		_take_in(now)
	if _state == State.GREETING:
		_greeted()
	if _state == State.SHAKING:
		_shaken(now)
	if _state >= State.GREETING:
		_watch(now)
	var events := _events
	_events = []
	return events


# Returns the next message, null if there is none.
func receive():
	while _state == State.UP:
		var frame = _next_frame()
		if frame == null:
			return null
		var flags: int = frame[0]
		if flags & Bit.COMMAND:
			_command(frame[1])
		elif flags & Bit.MORE or _in_parts:
			_in_parts = bool(flags & Bit.MORE)
		else:
			return frame[1]
	return null


# Hands a message over; false without a connection, and while one before has not gone out: an old snapshot is worth nothing.
func send(bytes: PoolByteArray) -> bool:
	if _state != State.UP or bytes.size() > FRAME_BYTES:
		return false
	_flush()
	if _out.size():
		return false
	_put_frame(0, bytes)
	_flush()
	return true


func close() -> void:
	_drop(State.CLOSED)


# ---- the connection


func _connect(now: int) -> void:
	_tcp = StreamPeerTCP.new()
	_in = PoolByteArray()
	_at = 0
	_out = PoolByteArray()
	_in_parts = false
	_state = State.CONNECTING
	_since = now
	if _tcp.connect_to_host(_host, _port) != OK:
		_lose("refused")


func _connecting(now: int) -> void:
	match _tcp.get_status():
		StreamPeerTCP.STATUS_CONNECTED:
			_tcp.set_no_delay(true)
			_state = State.GREETING
			_since = now
			_heard_ms = now
			_ping_ms = now
			_out = _greeting()
			_flush()
		StreamPeerTCP.STATUS_ERROR, StreamPeerTCP.STATUS_NONE:
			_lose("refused")


# Drops the connection and says why; the next one is tried after RECONNECT_MS.
func _lose(event: String) -> void:
	_events.append(event)
	_drop(State.WAITING)


func _drop(state: int) -> void:
	if _tcp:
		_tcp.disconnect_from_host()
	_tcp = null
	_state = state
	_since = OS.get_ticks_msec()


func _broken() -> void:
	_lose("down" if _state == State.UP else "stranger")


func _take_in(now: int) -> void:
	if _at:
		_in = _in.subarray(_at, -1) if _at < _in.size() else PoolByteArray()
		_at = 0
	var size := _tcp.get_available_bytes()
	if size > 0 and _in.size() <= 2 * FRAME_BYTES:
		var got := _tcp.get_partial_data(size)
		if got[0] != OK:
			_broken()
			return
		_in.append_array(got[1])
		_heard_ms = now
	elif _tcp.get_status() != StreamPeerTCP.STATUS_CONNECTED:
		_broken()


func _flush() -> void:
	if not _out.size():
		return
	var put := _tcp.put_partial_data(_out)
	if put[0] != OK:
		_broken()
	elif put[1] == _out.size():
		_out = PoolByteArray()
	elif put[1]:
		_out = _out.subarray(put[1], -1)


# Sends heartbeats and what is left to send; gives a peer up that does not answer them.
func _watch(now: int) -> void:
	if _state != State.UP:
		if now - _since > HANDSHAKE_MS:
			_broken()
	elif _heard_ms < _ping_ms and now - _ping_ms > DEAD_MS:
		_broken()
	elif _heard_ms >= _ping_ms and now - _ping_ms >= PING_MS:
		_ping_ms = now
		var ping := _named("PING")
		ping.append_array(PoolByteArray([0, PING_TTL]))
		_put_frame(Bit.COMMAND, ping)
	if _tcp:
		_flush()


# ---- ZMTP


static func _greeting() -> PoolByteArray:
	var out := StreamPeerBuffer.new()
	out.put_data(PoolByteArray([0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0])) # signature, version 3.0
	out.put_data("NULL".to_ascii())
	while out.get_size() < GREETING_BYTES:
		out.put_u8(0)
	return out.data_array


# Waits for the peer's greeting, then says READY.
func _greeted() -> void:
	if _in.size() < GREETING_BYTES:
		if _in.size() and _in[0] != 0xff:
			_broken()
		return
	if _in[0] != 0xff or not _in[9] & 1 or _in[10] < 3 or _in.subarray(12, 15).get_string_from_ascii() != "NULL" or _in[16]:
		_broken()
		return
	_at = GREETING_BYTES
	_state = State.SHAKING
	var ready := _named("READY")
	ready.append_array(_named("Socket-Type"))
	ready.append_array(PoolByteArray([0, 0, 0, 6]))
	ready.append_array("DEALER".to_ascii())
	_put_frame(Bit.COMMAND, ready)


# Waits for the peer's READY; the brain's sockets for games and tools are ROUTER.
func _shaken(now: int) -> void:
	var frame = _next_frame()
	if frame == null:
		return
	if not frame[0] & Bit.COMMAND or _name_of(frame[1]) != "READY" or _property(frame[1], 6, "socket-type") != "ROUTER":
		_broken()
		return
	_state = State.UP
	_since = now
	_ping_ms = now
	_heard_ms = now
	_events.append("up")


# Answers a command; those that are unknown are ignored, as ZMTP asks.
func _command(body: PoolByteArray) -> void:
	match _name_of(body):
		"PING": # u16 time to live, then up to 16 bytes that PONG returns
			var pong := _named("PONG")
			if body.size() > 7:
				pong.append_array(body.subarray(7, body.size() - 1 if body.size() < 23 else 22))
			if _out.size() < FRAME_BYTES: # else the peer takes nothing, pings included
				_put_frame(Bit.COMMAND, pong)
		"ERROR":
			_broken()


# Returns [flags, body] of the next whole frame, null if there is none yet.
func _next_frame():
	var have := _in.size() - _at
	if have < 2:
		return null
	var flags := _in[_at]
	var head := 2
	var size := _in[_at + 1]
	if flags & Bit.LONG:
		head = 9
		if have < head:
			return null
		size = 0
		for i in 8:
			size = size << 8 | _in[_at + 1 + i]
	if size < 0 or size > FRAME_BYTES: # below 0: above 2^63 - 1
		_broken()
		return null
	if have < head + size:
		return null
	var start := _at + head
	_at = start + size
	return [flags, _in.subarray(start, _at - 1) if size else PoolByteArray()]


func _put_frame(flags: int, body: PoolByteArray) -> void:
	var size := body.size()
	if size < 256:
		_out.append_array(PoolByteArray([flags, size]))
	else:
		_out.append_array(PoolByteArray([flags | Bit.LONG, 0, 0, 0, 0, size >> 24, size >> 16 & 255, size >> 8 & 255, size & 255]))
	_out.append_array(body)


# A length of a byte and a name: how commands and properties begin.
static func _named(name: String) -> PoolByteArray:
	var out := PoolByteArray([name.length()])
	out.append_array(name.to_ascii())
	return out


static func _name_of(body: PoolByteArray) -> String:
	if body.size() < 2 or body[0] == 0 or body.size() <= body[0]:
		return ""
	return body.subarray(1, body[0]).get_string_from_ascii()


# Returns a property of READY by its name in small letters, "" if it is not there: u8 length, name, u32 length, value.
static func _property(body: PoolByteArray, at: int, name: String) -> String:
	var rest := StreamPeerBuffer.new()
	rest.big_endian = true
	rest.data_array = body
	rest.seek(at)
	while rest.get_position() < body.size():
		var size := rest.get_u8()
		if rest.get_position() + size + 4 > body.size():
			return ""
		var key := rest.get_string(size)
		size = rest.get_u32()
		if rest.get_position() + size > body.size():
			return ""
		var value := rest.get_string(size)
		if key.to_lower() == name:
			return value
	return ""
