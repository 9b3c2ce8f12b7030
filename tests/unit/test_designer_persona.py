from __future__ import annotations

import os
from pathlib import Path

import pytest

from npc_sdk.designer.barks import BARK_KEYS
from npc_sdk.designer.persona import SHIPPED, PersonaEvent, PersonaLibrary, line_of, load_persona
from npc_sdk.errors import PersonaError
from npc_sdk.objectives.terms import DEFAULT_TERMS

TERMS = ("exposure", "flank", "cover")


def write(folder: Path, name: str, text: str) -> Path:
    """Write a persona file; each write looks later than the one before, however fast the test is."""
    path = folder / f"{name}.toml"
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text, encoding="utf-8")
    stamp = max(path.stat().st_mtime_ns, before + 1)
    os.utime(path, ns=(stamp, stamp))
    return path


def test_a_persona_is_read_as_written(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "shy",
        'description = "Hides."\ncolour = "#4b8bd9"\n[weights]\nexposure = 3\ncover = 2.5\n[barks]\nhold = "Ssh."\n',
    )
    persona = load_persona(path, TERMS, ("hold",))
    assert (persona.name, persona.description, persona.colour) == ("shy", "Hides.", "#4b8bd9")
    assert dict(persona.weights) == {"exposure": 3.0, "cover": 2.5}
    assert dict(persona.barks) == {"hold": "Ssh."}


@pytest.mark.parametrize(
    ("text", "line", "field", "problem"),
    [
        ("[weights]\nexposure = 1\nexposre = 2\n", 3, "weights.exposre", "unknown term, did you mean 'exposure'?"),
        ("\n\nwieghts = 3\n", 3, "wieghts", "unknown key, did you mean 'weights'?"),
        ("[weights]\n\nflank = -1\n", 3, "weights.flank", "expected a finite number >= 0, got -1"),
        ("[weights]\nflank = nan\n", 2, "weights.flank", "expected a finite number >= 0, got nan"),
        ("[weights]\nflank = inf\n", 2, "weights.flank", "expected a finite number >= 0, got inf"),
        ("[weights]\nflank = true\n", 2, "weights.flank", "expected a finite number >= 0, got True"),
        ('[weights]\nflank = "1"\n', 2, "weights.flank", "expected a finite number >= 0, got '1'"),
        ("weights.flank = -2\n", 1, "weights.flank", "expected a finite number >= 0, got -2"),
        ("weights = 4\n", 1, "weights", "expected a table, got 4"),
        ('description = """\nflank\n"""\ncolour = "red"\n', 4, "colour", "expected a colour like '#d9483b', got 'red'"),
        ("description = 1\n", 1, "description", "expected a sentence in quotes, got 1"),
        ('[barks]\nholt = "x"\n', 2, "barks.holt", "unknown bark, did you mean 'hold'?"),
        ('[barks]\nhold = ""\n', 2, "barks.hold", "expected 1 to 80 characters in quotes, got ''"),
        ("[weights]\nflank = = 1\n", 2, "", "expected TOML"),
        ("[weights\n", 1, "", "expected TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_line_and_field(
    tmp_path: Path, text: str, line: int, field: str, problem: str
) -> None:
    path = write(tmp_path, "wrong", text)
    with pytest.raises(PersonaError) as caught:
        load_persona(path, TERMS, ("hold",))
    assert (caught.value.path, caught.value.line, caught.value.field) == (path, line, field)
    assert problem in caught.value.problem
    assert str(caught.value).startswith(f"{path}:{line}: {field}")


def test_a_file_name_that_is_no_persona_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PersonaError, match="expected a file name"):
        load_persona(write(tmp_path, "Two Words", ""), TERMS)


def test_a_file_that_is_not_text_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes(b'\ndescription = "\xe9"\n')
    with pytest.raises(PersonaError, match=r"latin.toml:2: expected UTF-8 text"):
        load_persona(path, TERMS)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(PersonaError, match="at most 65536 bytes"):
        load_persona(write(tmp_path, "huge", "#" * 70_000), TERMS)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PersonaError, match="cannot be read"):
        load_persona(tmp_path / "ghost.toml", TERMS)


def test_line_of_finds_values_of_several_lines_where_they_start() -> None:
    text = '# a comment\ntitle = """\n[weights]\nflank = 1\n"""\n[weights]\nlist = [\n 1,\n 2,\n]\nflank = 2\n'
    assert line_of(text, ("title",)) == 2
    assert line_of(text, ("weights", "list")) == 7
    assert line_of(text, ("weights", "flank")) == 11
    assert line_of(text, ("weights", "ghost")) == 0


def test_an_edited_file_is_in_force_after_a_refresh(tmp_path: Path) -> None:
    write(tmp_path, "shy", "[weights]\nexposure = 1\n")
    library = PersonaLibrary(tmp_path, TERMS)
    assert library.refresh() == ()
    write(tmp_path, "shy", "[weights]\nexposure = 2\n")
    write(tmp_path, "bold", "[weights]\nexposure = 0\n")
    events = {change.name: change.event for change in library.refresh()}
    assert events == {"shy": PersonaEvent.CHANGED, "bold": PersonaEvent.LOADED}
    assert library.personas["shy"].weights["exposure"] == 2.0
    assert list(library.personas) == ["bold", "shy"]


def test_an_invalid_file_keeps_the_last_good_version(tmp_path: Path) -> None:
    write(tmp_path, "shy", "[weights]\nexposure = 1\n")
    library = PersonaLibrary(tmp_path, TERMS)
    write(tmp_path, "shy", "[weights]\nexposure = 2\nflank = oops\n")
    (change,) = library.refresh()
    assert change.event is PersonaEvent.REJECTED
    assert change.error is not None
    assert change.error.line == 3
    assert library.personas["shy"].weights["exposure"] == 1.0
    assert library.errors == (change.error,)
    assert library.refresh() == ()  # said once, not every second
    write(tmp_path, "shy", "[weights]\nexposure = 5\n")
    assert [change.event for change in library.refresh()] == [PersonaEvent.CHANGED]
    assert library.errors == ()


def test_a_deleted_file_stays_in_play_and_is_told_once(tmp_path: Path) -> None:
    path = write(tmp_path, "shy", "[weights]\nexposure = 1\n")
    library = PersonaLibrary(tmp_path, TERMS)
    path.unlink()
    assert [(change.event, change.name) for change in library.refresh()] == [(PersonaEvent.MISSING, "shy")]
    assert library.refresh() == ()
    assert library.personas["shy"].weights["exposure"] == 1.0


def test_a_persona_for_a_term_of_tomorrow_loads_when_the_term_is_added(tmp_path: Path) -> None:
    write(tmp_path, "northern", "[weights]\nnorth = 1\n")
    library = PersonaLibrary(tmp_path, TERMS)
    assert "northern" not in library.personas
    assert [change.event for change in library.refresh((*TERMS, "north"))] == [PersonaEvent.LOADED]


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PersonaError, match="expected a directory"):
        PersonaLibrary(tmp_path / "nowhere", TERMS)


def test_the_shipped_personas_are_valid_and_differ() -> None:
    library = PersonaLibrary(SHIPPED, DEFAULT_TERMS.names, BARK_KEYS)
    assert library.errors == ()
    assert {"aggressive", "cautious", "default", "flanker", "sentry"} <= set(library.personas)
    assert all(persona.description and persona.colour for persona in library.personas.values())
    assert len({tuple(sorted(persona.weights.items())) for persona in library.personas.values()}) == len(
        library.personas
    )


def test_no_code_asks_for_a_persona_by_name() -> None:
    package = SHIPPED.parent
    names = {path.stem for path in SHIPPED.glob("*.toml")} - {"default"}
    for path in package.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for name in names:
            assert f'== "{name}"' not in text, f"{path.relative_to(package)} branches on persona {name!r}"
            assert f'case "{name}"' not in text, f"{path.relative_to(package)} branches on persona {name!r}"
