"""The client for Godot 4: translated from that for Godot 3, and read by a parser of its language. Nothing runs it."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest
from gdtoolkit.parser import parser
from yard import CLIENTS

FOLDER = CLIENTS / "gdscript4"
SCRIPTS = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.gd"))


@pytest.fixture(scope="module")
def translate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("translate", FOLDER / "translate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_its_files_are_the_translation_of_those_for_godot_3(translate: ModuleType) -> None:
    translated = translate.translations()
    for name, text in translated.items():
        there = (FOLDER / name).read_text(encoding="utf-8")
        assert there == text, f"{name}: run python bridge/clients/gdscript4/translate.py"
    assert set(SCRIPTS) <= translated.keys(), "a script that comes from nowhere"
    source = {path.name for path in (CLIENTS / "gdscript" / "addons" / "npcw").iterdir()}
    assert {path.name for path in (FOLDER / "addons" / "npcw").iterdir()} == source


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_parser_of_its_language_reads_it(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert "Not run in Godot 4." in text.splitlines()[0]
    assert parser.parse(text).children


def test_an_entry_that_finds_nothing_to_change_is_an_error(
    translate: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(translate.WORDS, "PoolColorArray", "PackedColorArray")
    with pytest.raises(ValueError, match="stand nowhere: PoolColorArray"):
        translate.translations()
    monkeypatch.delitem(translate.WORDS, "PoolColorArray")
    monkeypatch.setitem(translate.EDITS["echo.gd"], "transport", "carrier")
    with pytest.raises(ValueError, match=r"echo\.gd: expected 'transport' once"):
        translate.translations()
