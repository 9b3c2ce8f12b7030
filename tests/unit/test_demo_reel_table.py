"""The reel: its table is whole, its driver does everything once, and its end card says what was measured."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from string import Formatter
from typing import cast

import numpy as np
import pygame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npc_sdk.demo.captions import caption_lines, draw_keys, draw_reel
from npc_sdk.demo.figures import Figures, card, facts
from npc_sdk.demo.hand import FRAME_HZ, Hand, around, ease
from npc_sdk.demo.layout import SIZE
from npc_sdk.demo.panel import SLIDER_TERMS, Knob, PanelView, PersonaButton, knob_place
from npc_sdk.demo.reel import REEL_S, SCENES, WISH, Caption, Cue, Reel, Scene
from npc_sdk.demo.scene import BeliefView, Flip, NpcView, PlayerView, Why
from npc_sdk.demo.scene import Scene as Moment
from npc_sdk.demo.settings import Reach
from npc_sdk.demo.show import Show
from npc_sdk.demo.tally import Tally

FIGURES = Figures(
    decisions=3021,
    decision_age_ms_p95=72.6,
    rules_broken=0,
    planned_fraction_led=0.9712,
    stale_steps=0,
    zone_broken=0,
    control_zone_broken=412,
    flip_verified=True,
    model_sha256="9f6be315b9d6",
    weights_sha256="09dbada71501",
    forecast="learned",
)


class FakeShow:
    """Notes what a hand does to it. Two NPCs, of which the second can say what would change its mind."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.selected = 0
        self.refusal = ""
        self.wishes: tuple[str, ...] = ()
        self.player_at = (1.0, 2.0)
        self.seen = True
        self.led = True
        self.weights_sha256 = ""
        self.tally = Tally()
        flip = Flip("exposure", 0.6, 0.59, "flank_right")
        self.whys = {
            101: Why(101, "sample", "elite", 1.0, 0.1, (), ""),
            102: Why(102, "flank_left", "flank_right", 1.0, 0.1, (), "", flip=flip),
        }
        self.weights = dict.fromkeys(SLIDER_TERMS, 0.5)

    @property
    def desk(self) -> FakeShow:
        """Its own desk."""
        return self

    def __getattr__(self, name: str) -> object:
        """Keys that take nothing."""
        if name in {"freeze", "resume", "unpaint", "prepare_control", "start_control", "kill_brain", "restart_brain"}:
            return lambda: self.done.append(name)
        raise AttributeError(name)

    def view(self) -> PanelView:
        knobs = tuple(Knob(term, self.weights[term], 0.5) for term in SLIDER_TERMS)
        personas = tuple(PersonaButton(name, (1, 2, 3)) for name in ("aggressive", "default"))
        return PanelView(("all", "A", "npc 102"), 0, knobs, personas, "", False, "", "")

    def press(self, at: tuple[int, int], reset: bool = False) -> bool:
        self.done.append("put back" if reset else "press")
        return True

    def drag(self, at: tuple[int, int]) -> None:
        """Where the mouse is."""

    def release(self) -> None:
        self.done.append("release")

    def reaches(self) -> tuple[Reach, ...]:
        return Reach("all", "global", (101, 102)), Reach("A", "squad:0", (101, 102))

    def turn(self, reach: Reach, term: str, value: float) -> None:
        self.done.append(f"{reach.label} {term} {value:g}")

    def sketch(self, at: tuple[int, int]) -> None:
        if self.done[-1] != "sketch":
            self.done.append("sketch")

    def end_sketch(self) -> None:
        self.done.append("end sketch")

    def add_term(self, line: str) -> None:
        self.done.append(line)

    def select(self, npc: int) -> None:
        self.selected = npc
        self.done.append(f"select {npc}")

    def flip(self, npc: int) -> None:
        self.done.append(f"flip {npc}")

    def pixel(self, at: tuple[float, float]) -> tuple[float, float]:
        return 300.0 + 20.0 * at[0], 300.0 - 20.0 * at[1]

    def scene(self, share: float) -> Moment:
        npcs = tuple(
            NpcView(npc, 0, at, 0.0, 1.0, True, False, 0, "", "", 0.0, np.zeros((0, 2), np.float32), None)
            for npc, at in ((101, (7.0, 2.0)), (102, (1.0, 9.0)))
        )
        belief = BeliefView(0, (0.0, 0.0), 1.0, 1.0, self.seen)
        return Moment(0.0, npcs, PlayerView(self.player_at, 0.0, 1.0, True), (belief,), (), (), False, self.selected)


def played(reel: Reel, show: FakeShow) -> list[str]:
    while not reel.over:
        reel.step(cast(Show, show))
    return show.done


def test_the_scenes_cover_the_minute_without_a_gap_and_every_moment_has_a_caption() -> None:
    assert SCENES[0].start == 0.0
    ends = [scene.start for scene in SCENES[1:]] + [REEL_S]
    for scene, end in zip(SCENES, ends, strict=True):
        assert scene.start < end
        assert scene.captions[0].at == scene.start
        for moments in ([c.at for c in scene.captions], [c.at for c in scene.cues], list(scene.stills)):
            assert moments == sorted(moments)
            assert all(scene.start <= at < end for at in moments)
        assert 1 <= len(scene.stills) <= 2


def test_captions_ask_for_nothing_that_is_not_measured() -> None:
    told = facts(cast(Show, FakeShow()), FIGURES, "abc")
    asked = {name for s in SCENES for c in s.captions for _, name, _, _ in Formatter().parse(c.text) if name}
    assert asked == {"weights", "weights_before", "zone_broken", "control_zone_broken", "stale", "flip", "sight"}
    assert asked <= told.keys()
    assert (told["weights_before"], told["weights"]) == ("abc", "09dbada7")
    assert (told["zone_broken"], told["control_zone_broken"], told["stale"]) == ("0", "412", "0")
    assert facts(cast(Show, FakeShow()), replace(FIGURES, zone_broken=None), "")["zone_broken"] == "-"


def test_every_caption_fits_its_card_whatever_comes_out() -> None:
    show = FakeShow()
    large = replace(FIGURES, zone_broken=1234, control_zone_broken=123456, stale_steps=1234)
    for show.seen in (True, False):
        told = facts(cast(Show, show), large, "0123456789")
        for scene in SCENES:
            for caption in scene.captions:
                assert len(caption_lines(caption.text.format_map(told))) <= 2, caption.text


def test_what_is_said_about_sight_is_what_is() -> None:
    show = FakeShow()
    said = []
    for show.seen in (True, False):
        said.append(facts(cast(Show, show), FIGURES, "")["sight"])
    assert said[0].startswith("In sight")
    assert said[1].startswith("Out of sight")


def test_the_driver_runs_every_action_once_in_order_and_one_at_a_time() -> None:
    done: list[tuple[str, float]] = []

    def lasting(name: str, seconds: float) -> Cue:
        def gesture(hand: Hand, show: Show) -> Iterator[None]:
            done.append((name, reel.time))
            for _ in range(round(seconds * FRAME_HZ)):
                yield
            done.append((f"{name} ends", reel.time))

        return Cue({"a": 0.1, "b": 0.2, "c": 2.5}[name], gesture)

    cues = (lasting("a", 1.0), lasting("b", 0.5), lasting("c", 0.2))
    reel = Reel((Scene(0.0, "one", (Caption(0.0, "x"),), cues),), length=3.0)
    while not reel.over:
        reel.step(cast(Show, FakeShow()))
    assert [name for name, _ in done] == ["a", "a ends", "b", "b ends", "c", "c ends"]
    begun = [time for name, time in done if len(name) == 1]
    assert begun == pytest.approx([0.1, 1.1, 2.5], abs=2 / FRAME_HZ)  # b waits for a, c for its time


def test_the_reel_does_what_its_table_says_with_what_a_player_has() -> None:
    done = played(Reel(), FakeShow())
    assert done == [
        *("freeze", "prepare_control", "press", "release", "press", "release", "resume"),
        *("freeze", "sketch", "end sketch", "press"),
        *("A attack 500", "A approach 500", "start_control", "resume"),
        *("unpaint", "press", "put back", WISH),
        *("kill_brain", "restart_brain"),
        *("freeze", "select 102", "press", "flip 102", "resume"),
    ]


def test_the_hash_of_before_is_the_first_that_the_brain_tells() -> None:
    show, reel = FakeShow(), Reel()
    for show.weights_sha256 in ("", "abc", "def"):
        reel.step(cast(Show, show))
    assert reel.weights_before == "abc"


def test_the_clock_stands_still_until_a_brain_leads_again_but_not_for_ever() -> None:
    show, reel = FakeShow(), Reel()
    while reel.time < 47.3:
        reel.step(cast(Show, show))
    show.led = False
    for _ in range(90):
        reel.step(cast(Show, show))
    assert reel.time == pytest.approx(47.3, abs=2 / FRAME_HZ)
    show.led = True
    show.tally.now = (0, 0, 2, 0)  # two NPCs are still on their own script
    reel.step(cast(Show, show))
    assert reel.time == pytest.approx(47.3, abs=2 / FRAME_HZ)
    show.tally.now = (8, 0, 0, 0)
    reel.step(cast(Show, show))
    assert reel.time > 47.3
    assert played(reel, show)[-1] == "resume"

    late, gone = Reel(), FakeShow()
    gone.led = False
    assert played(late, gone)[-1] == "resume"


def test_a_dragged_knob_ends_at_the_weight_that_was_asked_for() -> None:
    show, reel, at = FakeShow(), Reel(), []
    while reel.time < 16.7:
        reel.step(cast(Show, show))
        if reel.hand.down:
            at.append((round(reel.hand.at[0]), round(reel.hand.at[1])))
    assert at[-1] == knob_place(show.view(), "exposure", 4.0)
    steps = np.diff([x for x, _ in at[-80:]])
    assert steps.max() > 2 * steps[-3:].mean()  # it eases out


def test_a_scene_works_without_anybody_to_ask() -> None:
    show = FakeShow()
    show.scene = lambda share: replace(FakeShow.scene(show, share), npcs=())  # type: ignore[method-assign]  # all dead
    done = played(Reel(), show)
    assert not any(call.startswith(("select", "flip")) for call in done)
    assert done[-1] == "resume"


def test_the_player_stands_its_ground_only_while_the_law_is_shown() -> None:
    reel, show = Reel(), cast(Show, FakeShow())
    stood = []
    while not reel.over:
        action = reel.action(show)
        if action is not None:
            stood.append(reel.time)
            assert action[:2].tolist() == [0.0, 0.0]
            assert action[2] == pytest.approx(0.0)  # aims at the nearest, east of it
        reel.step(show)
    law = next(scene for scene in SCENES if scene.title == "Draw a law")
    after = SCENES[SCENES.index(law) + 1].start
    assert (min(stood), max(stood)) == (pytest.approx(law.start, abs=0.05), pytest.approx(after, abs=0.05))


@given(
    st.tuples(st.floats(-10, 10), st.floats(-10, 10)),
    st.lists(st.tuples(st.floats(-12, 12), st.floats(-12, 12)), max_size=8),
)
def test_a_law_is_drawn_around_the_player_and_over_no_npc_that_leaves_room(
    player: tuple[float, float], npcs: list[tuple[float, float]]
) -> None:
    corners = np.array(around(player, npcs))
    radii = np.hypot(*(corners - player).T)
    assert radii.min() >= 1.59
    for npc in npcs:
        if math.dist(player, npc) > 2.7:
            assert np.hypot(*(corners - npc).T).min() > 0.0
            assert radii.max() < math.dist(player, npc) - 0.9


@given(st.floats(-1, 2), st.floats(-1, 2))
def test_easing_never_goes_back(a: float, b: float) -> None:
    assert 0.0 <= ease(min(a, b)) <= ease(max(a, b)) <= 1.0


def test_the_end_card_says_what_the_summary_says() -> None:
    rows = {label: value for label, value, _ in card(FIGURES)}
    assert rows == {
        "decisions": "3021",
        "decision age, p95": "73 ms",
        "rules broken": "0",
        "on a plan while the brain lives": "97.1 %",
        "stale plans executed": "0",
        "law broken": "0",
        "mere wish broken": "412",
        "flip verified": "yes",
        "model file": "9f6be315",
        "weights in memory": "09dbada7",
        "forecast": "learned",
    }
    assert len(rows) == len(asdict(FIGURES))
    changed = replace(FIGURES, flip_verified=None, zone_broken=2, rules_broken=1, decision_age_ms_p95=None)
    other = {label: (value, ink) for label, value, ink in card(changed)}
    same = {label: ink for label, _, ink in card(FIGURES)}
    assert (other["flip verified"][0], other["law broken"][0], other["decision age, p95"][0]) == ("-", "2", "-")
    assert other["rules broken"][1] != same["rules broken"]


def test_captions_cursor_wish_and_end_card_are_laid_over_a_frame() -> None:
    show, reel = FakeShow(), Reel()
    told = facts(cast(Show, show), FIGURES, "abc")
    pictures: dict[int, bytes] = {}
    moments = {round(at * FRAME_HZ) for at in (5.0, 14.0, 35.0, 59.0)}
    frame = 0
    while not reel.over:
        reel.step(cast(Show, show))
        frame += 1
        if frame in moments:
            screen = pygame.Surface(SIZE)
            draw_reel(screen, reel, told, FIGURES)
            pictures[frame] = pygame.image.tobytes(screen, "RGB")
    assert len(set(pictures.values())) == 4
    left = [np.frombuffer(p, np.uint8).reshape(720, 1280, 3)[:, :648].any() for p in pictures.values()]
    assert left == [False, False, True, True]  # the line of wishes and the end card lie over the arena
    screen = pygame.Surface(SIZE)
    draw_keys(screen)
    assert pygame.transform.average_color(screen)[:3] != (0, 0, 0)
