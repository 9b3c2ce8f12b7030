# Makes the folder a Godot addon. There is nothing to switch on: games preload client.gd.
tool
extends EditorPlugin
