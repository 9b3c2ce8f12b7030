# Translated from bridge/clients/gdscript by translate.py. Not run in Godot 4.
#
# What the transport is tested by: prints what becomes of the connection, says "hello" on every new one and sends back
# whatever comes.
#
#     godot --headless --path bridge/clients/gdscript4 -s echo.gd tcp://127.0.0.1:5757
extends SceneTree

const Transport = preload("addons/npcw/transport.gd")

var transport: Transport
var owed := [] # messages that have not gone out


func _init() -> void:
	transport = Transport.new(OS.get_cmdline_args()[-1])


func _process(_delta: float) -> bool:
	for event in transport.poll():
		print("event ", event)
		owed = ["hello".to_ascii_buffer()] if event == "up" else []
	var bytes = transport.receive()
	while bytes != null:
		owed.append(bytes)
		bytes = transport.receive()
	while owed and transport.send(owed[0]):
		owed.pop_front()
	return false
