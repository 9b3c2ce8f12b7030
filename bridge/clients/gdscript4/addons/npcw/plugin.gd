# Translated from bridge/clients/gdscript by translate.py. Not run in Godot 4.
#
# Makes the folder a Godot addon. There is nothing to switch on: games preload client.gd.
@tool
extends EditorPlugin
