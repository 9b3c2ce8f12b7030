"""Writes the client for Godot 4 from the one for Godot 3, which is the source: `python .../gdscript4/translate.py`.

What differs between the two languages is listed here, and nothing else is changed. An entry that finds nothing to
change is an error, and so is a text that stands more than once. Why so: docs/adr/0026-godot-4-by-translation.md.
"""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent / "gdscript"
FILES = (
    *(
        f"addons/npcw/{name}.gd"
        for name in ("client", "codec", "coordinates", "ladder", "msgpack", "plugin", "refusal")
    ),
    *("addons/npcw/schema.gd", "addons/npcw/transport.gd", "addons/npcw/plugin.cfg"),
    *("conformance.gd", "echo.gd", "example/yard.gd", "example/yard.tscn", "project.godot"),
)
NOTE = "# Translated from bridge/clients/gdscript by translate.py. Not run in Godot 4.\n#\n"

WORDS = {  # a whole word everywhere
    "Reference": "RefCounted",
    "PoolByteArray": "PackedByteArray",
    "PoolIntArray": "PackedInt32Array",
    "PoolRealArray": "PackedFloat32Array",
    "PoolStringArray": "PackedStringArray",
    "TYPE_RAW_ARRAY": "TYPE_PACKED_BYTE_ARRAY",
    "TYPE_REAL": "TYPE_FLOAT",
    "TYPE_REAL_ARRAY": "TYPE_PACKED_FLOAT32_ARRAY",
    "FuncRef = null": "Callable = Callable()",
    "FuncRef": "Callable",
    "call_func": "call",
    "find_last": "rfind",
    "str2var": "str_to_var",
    "to_ascii": "to_ascii_buffer",
    "to_json": "JSON.stringify",
    "to_utf8": "to_utf8_buffer",
    "OS.get_ticks_msec": "Time.get_ticks_msec",
    "OS.get_ticks_usec": "Time.get_ticks_usec",
    "godot3-server --no-window --path bridge/clients/gdscript": "godot --headless --path bridge/clients/gdscript4",
}

EDITS = {  # a text of one file, which stands there once
    "addons/npcw/codec.gd": {
        "bytes.subarray(0, 3)": "bytes.slice(0, 4)",
        "return bytes.subarray(at, at + size - 1) if size else PoolByteArray()": "return bytes.slice(at, at + size)",
        "(u32): Godot's own encoding is 8 bytes and these.": "(u32).",
        "return _slice(var2bytes(pool), 8, 4 * pool.size())": "return pool.to_byte_array()",
        "return _pool(TYPE_REAL_ARRAY, bytes, at, count)": "return _slice(bytes, at, 4 * count).to_float32_array()",
        "Array(_pool(TYPE_INT_ARRAY, bytes, at, count))": "Array(_slice(bytes, at, 4 * count).to_int32_array())",
        "static func _pool(type: int, bytes: PoolByteArray, at: int, count: int):\n"
        "\tvar out := StreamPeerBuffer.new()\n"
        "\tout.put_u32(type)\n"
        "\tout.put_u32(count)\n"
        "\tif count:\n"
        "\t\tout.put_data(_slice(bytes, at, 4 * count))\n"
        "\treturn bytes2var(out.data_array)\n\n\n": "",
    },
    "addons/npcw/ladder.gd": {"not _fallback else": "not _fallback.is_valid() else"},
    "addons/npcw/plugin.gd": {"\ntool\n": "\n@tool\n"},
    "addons/npcw/transport.gd": {
        "_in.subarray(_at, -1) if _at < _in.size() else PoolByteArray()": "_in.slice(_at)",
        "_out.subarray(put[1], -1)": "_out.slice(put[1])",
        "_in.subarray(12, 15)": "_in.slice(12, 16)",
        "body.subarray(7, body.size() - 1 if body.size() < 23 else 22)": "body.slice(7, 23)",
        "_in.subarray(start, _at - 1) if size else PoolByteArray()": "_in.slice(start, _at)",
        "body.subarray(1, body[0])": "body.slice(1, body[0] + 1)",
        "\tmatch _tcp.get_status():": "\t_tcp.poll()\n\tmatch _tcp.get_status():",
        "\tvar size := _tcp.get_available_bytes()": "\t_tcp.poll()\n\tvar size := _tcp.get_available_bytes()",
    },
    "conformance.gd": {
        "var file := File.new()\n\tfile.open(arguments[-1], File.WRITE)": (
            "var file := FileAccess.open(arguments[-1], FileAccess.WRITE)"
        ),
        'verdicts.join("\\n")': '"\\n".join(verdicts)',
        "\tvar file := File.new()\n"
        "\tfile.open(folder.plus_file(name), File.READ)\n"
        "\tvar bytes := file.get_buffer(file.get_len())\n"
        "\tfile.close()\n"
        "\treturn bytes\n": "\treturn FileAccess.get_file_as_bytes(folder.path_join(name))\n",
        'line in script:\n\t\tvar words: Array = line.split(" ")': (
            'line in script:\n\t\tvar words := Array(line.split(" "))'
        ),
        'lines_of(name + ".txt"):\n\t\tvar words: Array = line.split(" ")': (
            'lines_of(name + ".txt"):\n\t\tvar words := Array(line.split(" "))'
        ),
        'PoolStringArray(numbers).join(" ")': '" ".join(PoolStringArray(numbers))',
    },
    "echo.gd": {"func _idle(": "func _process("},
    "example/yard.gd": {
        "OS.get_cmdline_args()": "OS.get_cmdline_user_args()",
        "gdscript tcp://127.0.0.1:5757 30": "gdscript -- tcp://127.0.0.1:5757 30",
        'funcref(self, "stand")': "stand",
    },
    "example/yard.tscn": {
        "[gd_scene load_steps=2 format=2]": "[gd_scene load_steps=2 format=3]",
        '[ext_resource path="res://example/yard.gd" type="Script" id=1]': (
            '[ext_resource type="Script" path="res://example/yard.gd" id="1"]'
        ),
        "ExtResource( 1 )": 'ExtResource("1")',
    },
    "project.godot": {
        "config_version=4": "config_version=5",
        "common/physics_fps=30": "common/physics_ticks_per_second=30",
        "; The addon's own project: the yard, and what tests run.": (
            "; The addon's own project, translated from bridge/clients/gdscript by translate.py. Not run in Godot 4."
        ),
    },
}


def translations() -> dict[str, str]:
    """Returns every file of the client for Godot 4, by its path.

    Raises:
        ValueError: an entry of the tables finds nothing to change, or its text stands more than once.
    """
    out, used = {}, set[str]()
    for name in FILES:
        text = (SOURCE / name).read_text(encoding="utf-8")
        for old, new in EDITS.get(name, {}).items():
            if text.count(old) != 1:
                raise ValueError(f"{name}: expected {old!r} once, found it {text.count(old)} times")
            text = text.replace(old, new)
        for old, new in WORDS.items():
            text, found = re.subn(rf"(?<![\w-]){re.escape(old)}(?![\w-])", new, text)
            used |= {old} if found else set()
        out[name] = NOTE + text if name.endswith(".gd") else text
    if idle := WORDS.keys() - used:
        raise ValueError(f"words that stand nowhere: {', '.join(sorted(idle))}")
    return out


def main() -> None:
    """Writes them."""
    for name, text in translations().items():
        path = HERE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
