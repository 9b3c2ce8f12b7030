# Translated from bridge/clients/gdscript by translate.py. Not run in Godot 4.
#
# The game's end of a session: `poll`, `step`, `push` in every physics frame. Nothing here waits, and nothing stops the game
# for what a brain does: what is wrong stands in `fault`.
extends RefCounted

const Codec = preload("codec.gd")
const Ladder = preload("ladder.gd")
const Refusal = preload("refusal.gd")
const Kind = Codec.Kind

const HELLO_AGAIN_US := 250000 # an unanswered HELLO is repeated
const REFUSED_AGAIN_US := 1000000 # a refused game asks again
const DEAF_US := 500000 # a peer that has not answered HELLO by then is not ours, or hangs
const SILENT_US := 1500000 # without actions while snapshots are sent
const FRAMES_PER_POLL := 16
const NEVER := -1 # no time

const REMEDIES := {
	"connecting": "wait a second",
	"not_listening": "start the brain (npc-sdk serve), or correct the port",
	"not_ours": "correct the port: npc-sdk serve prints its own",
	"lost": "wait: the session is opened anew by itself",
	"silent": "look at the brain's log",
	"local": "pass arrays as the schema declares them",
}

enum Phase { IDLE, GREETING, LIVE, REFUSED }

var transport # see transport.gd: endpoint, poll, send, receive, close
var schema # Schema
var ladder: Ladder
var name: String # of this game instance
var phase: int = Phase.IDLE
var welcome := {} # body of WELCOME and the number of the session
var fault = null # null while all is well, or {"kind", "text", "remedy"}; "code" and "tick" in some
var snapshots_sent := 0
var snapshots_dropped := 0

var _fallback: Callable
var _nonce: int
var _resume := "" # goes on with the session that is, or was, open
var _sequence := 0
var _last_tick := 0
var _hello_us := NEVER # when HELLO was said last
var _deaf_us := NEVER # since when a peer owes its first answer
var _unanswered_us := NEVER # since when snapshots have had no answer
var _owed = null # a HELLO that did not go out


# fallback: the game's own behaviour, see Ladder.
func _init(transport_, schema_, fallback: Callable = Callable(), name_ := "") -> void:
	transport = transport_
	schema = schema_
	name = name_ if name_ else schema.game
	_fallback = fallback
	ladder = Ladder.new(schema, fallback)
	var random := RandomNumberGenerator.new() # not the game's own
	random.randomize()
	_nonce = random.randi()
	_say("connecting", "connecting to " + transport.endpoint)


# Number of the open session, 0 if there is none.
func session() -> int:
	return welcome.session if phase == Phase.LIVE else 0


# Takes in what has arrived; returns the actions accepted now.
func poll() -> Array:
	var now := Time.get_ticks_usec()
	for event in transport.poll():
		_connection(event, now)
	var accepted := []
	for _i in FRAMES_PER_POLL:
		var bytes = transport.receive()
		if bytes == null:
			break
		var action = _take(bytes, now)
		if action:
			accepted.append(action)
	if phase == Phase.GREETING and now - _hello_us >= HELLO_AGAIN_US:
		_hello(now)
	if phase == Phase.REFUSED and now - _hello_us >= REFUSED_AGAIN_US:
		_hello_anew(now)
	if _owed != null and transport.send(_owed):
		_owed = null
	if _deaf_us != NEVER and now - _deaf_us > DEAF_US:
		_say("not_ours", "the peer at %s does not answer HELLO; it may also be a brain that hangs" % transport.endpoint)
	if phase == Phase.LIVE and _unanswered_us != NEVER and now - _unanswered_us > SILENT_US:
		_say("silent", "the brain at %s sends no actions" % transport.endpoint)
	return accepted


# Picks every NPC's command for this tick; see Ladder.step.
func step(tick: int, ids, pose, alive = null) -> Dictionary:
	return ladder.step(tick, ids, pose, alive)


# Sends where everybody is at a tick; blocks: by entity type {"ids", "values"}, Arrays or Pool arrays.
# False if nothing was sent: no session, the brain does not read, or `fault` says what is wrong.
func push(tick: int, blocks: Dictionary, time_us := NEVER) -> bool:
	_last_tick = tick
	var sent: bool = phase == Phase.LIVE and _push(tick, blocks, time_us if time_us != NEVER else int(round(tick * 1e6 / schema.tick_hz)))
	if not sent:
		snapshots_dropped += 1
		return false
	snapshots_sent += 1
	if _unanswered_us == NEVER:
		_unanswered_us = Time.get_ticks_usec()
	return true


func _push(tick: int, blocks: Dictionary, time_us: int) -> bool:
	_sequence = (_sequence + 1) & Codec.U32
	var header := {
		"flags": Codec.Flag.KEYFRAME, "session": session(), "schema_id": schema.id, "tick": tick, "time_us": time_us,
		"sequence": _sequence,
	}
	var bytes = Codec.encode_snapshot(header, schema, blocks, ladder.executing)
	if bytes is Refusal:
		_say("local", bytes.text)
	elif bytes.size() > welcome.limits.frame_bytes:
		_say("local", "SNAPSHOT: expected at most %d bytes, got %d" % [welcome.limits.frame_bytes, bytes.size()])
	else:
		return transport.send(bytes)
	return false


# Leaves the session and opens another: after a level restart, or with another schema.
func restart(new_schema = null) -> void:
	if new_schema:
		schema = new_schema
		ladder = Ladder.new(schema, _fallback, ladder)
	_resume = ""
	if phase != Phase.IDLE:
		_hello_anew(Time.get_ticks_usec())


# The text of a bark, "" for 0 and unknown ones.
func bark(number: int) -> String:
	var barks: Array = welcome.get("barks", [])
	return barks[number - 1] if number >= 1 and number <= barks.size() else ""


# Says goodbye and closes the connection.
func close() -> void:
	if phase == Phase.LIVE:
		transport.send(Codec.encode_body({"kind": Kind.BYE, "session": session()}, {}))
	phase = Phase.IDLE
	transport.close()


# ---- what came


func _connection(event: String, now: int) -> void:
	if event == "up":
		_deaf_us = now
		_hello_anew(now)
		return
	if event == "down" and phase != Phase.IDLE:
		_say("lost", "the connection to %s broke" % transport.endpoint)
	if event == "refused":
		_say("not_listening", "nothing listens at %s" % transport.endpoint)
	if event == "stranger":
		_say("not_ours", "the peer at %s does not speak this protocol; it may also be a brain that hangs" % transport.endpoint)
	phase = Phase.IDLE
	_deaf_us = NEVER
	_unanswered_us = NEVER
	_owed = null


func _hello_anew(now: int) -> void:
	_nonce = (_nonce + 1) & Codec.U32
	_hello(now)


func _hello(now: int) -> void:
	phase = Phase.GREETING
	_hello_us = now
	var body := {"majors": [1], "client": "npcw gdscript", "game": name, "schema": schema.canonical, "capabilities": []}
	if _resume:
		body.resume = _resume
	_owed = Codec.encode_body({"kind": Kind.HELLO, "schema_id": schema.id, "sequence": _nonce}, body)


# Takes a frame in; returns its action if that is accepted, else null.
func _take(bytes: PackedByteArray, now: int):
	var header = Codec.read_header(bytes)
	if not header is Refusal and header.kind == Kind.ACTION and header.session != session():
		return null
	var message = Codec.decode(bytes, schema, welcome.get("limits", Codec.LIMITS))
	if message is Refusal:
		_say("not_ours", "from %s: %s" % [transport.endpoint, message.text])
		return null
	_deaf_us = NEVER
	if message is Codec.Action:
		_unanswered_us = NEVER
		if fault and message.source_tick > fault.get("tick", NEVER):
			fault = null
		return message if ladder.accept(message) else null
	if header.kind == Kind.WELCOME:
		_welcomed(header, message.body)
	elif header.kind == Kind.ERROR:
		_reported(header, message.body, now)
	return null


func _welcomed(header: Dictionary, body: Dictionary) -> void:
	var mine: bool = header.sequence == _nonce if phase == Phase.GREETING else header.session == session()
	if not mine or body.schema_sha256 != schema.sha256:
		return
	phase = Phase.LIVE
	welcome = body
	welcome.session = header.session
	_resume = body.get("resume", "")
	if header.session != ladder.session:
		ladder.start(header.session, body.fresh_steps, body.velocity_tolerance)
	_unanswered_us = NEVER
	fault = null


func _reported(header: Dictionary, body: Dictionary, now: int) -> void:
	if header.session != 0 and header.session != session():
		return
	fault = {"kind": "reported", "code": body.code, "text": body.text, "remedy": body.remedy}
	if not body.fatal:
		fault.tick = header.tick if header.tick else _last_tick
		return
	phase = Phase.REFUSED # a session that is merely unknown is opened anew at once
	_hello_us = now - REFUSED_AGAIN_US if body.code == Codec.Code.SESSION else now


func _say(kind: String, text: String) -> void:
	fault = {"kind": kind, "text": text, "remedy": REMEDIES[kind]}
	if kind == "local":
		fault.tick = _last_tick
