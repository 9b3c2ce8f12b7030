"""Paints pictures of rules as small PNG files. The colours can be told apart by whom most others cannot (Okabe and Ito,
2008), and by nothing but their brightness: what was asked is thin and broken, what was kept thick."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import singledispatch

import numpy as np

from npc_sdk.constraints import TYPES
from npc_sdk.errors import MissingDependency
from npc_sdk.experiments.pictures.stage import Floats
from npc_sdk.experiments.pictures.view import ASKED, KEPT, OTHER, Curves, Floor, Picture, Row, Rows

try:
    from PIL import Image, ImageDraw, ImageFont
    from PIL.PngImagePlugin import PngInfo
except ImportError as error:  # pragma: no cover - the demo extra brings pillow
    raise MissingDependency("pillow", "demo") from error

_PAPER, _INK, _BARRED, _EDGE, _FAINT = "#ffffff", "#22262b", "#dcdad4", "#8d8a83", "#eeece7"
_COLOUR = {ASKED: "#d55e00", KEPT: "#0072b2", OTHER: "#3f3f3f"}
_WIDE, _HIGH, _TOP, _BOTTOM = 400, 250, 26, 24  # of the picture, its head and its legend
_FINE, _SHARP = 4, 2  # painted so much larger, and written so much larger, than it is meant to be seen
_COLOURS = 48  # in the file


@dataclass(frozen=True, slots=True)
class _Sheet:
    """Paper to paint on, in points of the picture as it is meant to be seen."""

    image: Image.Image
    draw: ImageDraw.ImageDraw

    def line(self, points: Iterable[Sequence[float]], colour: str, width: float) -> None:
        """A line with round corners."""
        at = [(x * _FINE, y * _FINE) for x, y in points]
        self.draw.line(at, fill=colour, width=round(width * _FINE), joint="curve")

    def dashes(self, points: Floats, colour: str, width: float) -> None:
        """A broken line, 5 points on and 3 off."""
        along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
        for first in np.arange(0.0, along[-1], 8.0):
            cut = np.unique(
                np.clip([first, *along[(along > first) & (along < first + 5.0)], first + 5.0], 0, along[-1])
            )
            self.line(np.stack([np.interp(cut, along, points[:, k]) for k in range(2)], 1), colour, width)

    def shape(self, points: Floats, fill: str | None, edge: str | None = None) -> None:
        """A polygon."""
        at = [(x * _FINE, y * _FINE) for x, y in points]
        if fill:
            self.draw.polygon(at, fill=fill)
        if edge:
            self.draw.line([*at, at[0]], fill=edge, width=_FINE, joint="curve")

    def dot(
        self, place: Sequence[float] | Floats, radius: float, fill: str | None, edge: str | None, width: float = 1.5
    ) -> None:
        """A disc or a ring."""
        x, y = place[0] * _FINE, place[1] * _FINE
        r = radius * _FINE
        self.draw.ellipse((x - r, y - r, x + r, y + r), fill=fill, outline=edge, width=round(width * _FINE))

    def text(self, x: float, y: float, words: str, colour: str, size: float = 12, anchor: str = "lm") -> None:
        """Words, anchored at their left middle unless said otherwise."""
        font = ImageFont.load_default(size * _FINE)
        self.draw.text((x * _FINE, y * _FINE), words, fill=colour, font=font, anchor=anchor)


def png(picture: Picture) -> bytes:
    """Returns a picture as a PNG file, twice as fine as it is meant to be seen. In it, as text, are the margins."""
    image = Image.new("RGB", (_WIDE * _FINE, _HIGH * _FINE), _PAPER)
    sheet = _Sheet(image, ImageDraw.Draw(image))
    _paint(picture.view, sheet)
    _head(sheet, picture)
    _legend(sheet, picture)
    small = image.resize((_WIDE * _SHARP, _HIGH * _SHARP), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    said = PngInfo()
    said.add_text("Title", picture.rule)
    said.add_text("Description", f"{picture.asked:.6g} {picture.kept:.6g}")
    small.quantize(_COLOURS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True, pnginfo=said)
    return out.getvalue()


def _head(sheet: _Sheet, picture: Picture) -> None:
    sheet.draw.rectangle((0, 0, _WIDE * _FINE, _TOP * _FINE), fill=_PAPER)
    forecast = " (forecast)" if TYPES[picture.rule].class_ == "H" else ""
    sheet.text(8, _TOP / 2, picture.rule + forecast, _INK, 14)
    right = f"{picture.kept:+.2f} {picture.unit}".rstrip()
    sheet.text(_WIDE - 8, _TOP / 2, right, _COLOUR[KEPT], 13, "rm")
    sheet.text(_WIDE - 130, _TOP / 2, f"margin {picture.asked:+.2f}", _COLOUR[ASKED], 13, "rm")
    sheet.line([(0, _TOP), (_WIDE, _TOP)], _BARRED, 1)


def _legend(sheet: _Sheet, picture: Picture) -> None:
    y, top = _HIGH - _BOTTOM / 2, _HIGH - _BOTTOM
    sheet.draw.rectangle((0, top * _FINE, _WIDE * _FINE, _HIGH * _FINE), fill=_PAPER)
    sheet.line([(0, top), (_WIDE, top)], _BARRED, 1)
    sheet.dashes(np.array([[8.0, y], [29.0, y]]), _COLOUR[ASKED], 1.5)
    sheet.dot((36, y), 3.5, _PAPER, _COLOUR[ASKED])
    sheet.text(44, y, "asked for", _COLOUR[ASKED])
    sheet.line([(126, y), (150, y)], _COLOUR[KEPT], 3.5)
    sheet.dot((158, y), 4, _COLOUR[KEPT], None)
    sheet.text(166, y, "with the rule", _COLOUR[KEPT])
    sheet.shape(np.array([(268, y - 5), (286, y - 5), (286, y + 5), (268, y + 5)]), _BARRED, _EDGE)
    sheet.text(292, y, "the rule's concern", _INK)


@singledispatch
def _paint(view: object, sheet: _Sheet) -> None:
    raise TypeError(type(view).__name__)


@_paint.register
def _(view: Floor, sheet: _Sheet) -> None:
    scale = _WIDE / view.width
    foot = _HIGH - _BOTTOM

    def at(points: Floats) -> Floats:
        return np.stack(
            [(points[..., 0] - view.corner[0]) * scale, foot - (points[..., 1] - view.corner[1]) * scale], -1
        )

    for area in view.areas:
        if area.outside:
            whole = np.array([(0, _TOP), (_WIDE, _TOP), (_WIDE, foot), (0, foot)], np.float64)
            sheet.shape(whole, _BARRED)
        for polygon in area.polygons:
            sheet.shape(at(polygon), _PAPER if area.outside else _BARRED, _EDGE)
    for way in view.ways:
        if way.radius:
            sheet.dot(
                at(way.points[-1]), way.radius * scale, _FAINT if way.whose == OTHER else None, _COLOUR[way.whose], 1
            )
    for way in view.ways:
        points = at(way.points)
        if way.whose == KEPT:
            sheet.line(points, _COLOUR[KEPT], 3.5)
        else:
            sheet.dashes(points, _COLOUR[way.whose], 1.5)
        sheet.dot(points[0], 3, _COLOUR[way.whose], None)
    for mark in view.marks:
        granted = mark.whose == KEPT
        sheet.dot(at(mark.place), 4, _COLOUR[KEPT] if granted else _PAPER, None if granted else _COLOUR[ASKED])


@_paint.register
def _(view: Curves, sheet: _Sheet) -> None:
    left, right, top, foot = 44.0, _WIDE - 12.0, _TOP + 24.0, _HIGH - _BOTTOM - 20.0
    numbers = np.concatenate([view.asked, view.kept])
    low, high = float(np.nanmin(numbers)), float(np.nanmax(numbers))
    low, high = min(low, 0.0) - 0.04 * (high - low), high + 0.06 * (high - low)
    length = float(view.seconds[-1])

    def at(seconds: Floats, value: Floats) -> Floats:
        return np.stack(
            [left + (right - left) * seconds / length, foot - (foot - top) * (value - low) / (high - low)], -1
        )

    if view.barred is not None:
        first, last = np.clip(view.barred, low, high)
        corners = at(np.array([0.0, length, length, 0.0]), np.array([first, first, last, last]))
        sheet.shape(corners, _BARRED, _EDGE)
    sheet.line([(left, top), (left, foot), (right, foot)], _EDGE, 1)
    sheet.text(left, _TOP + 12, view.says, _INK)
    for value in _steps(low, high):
        _, y = at(np.zeros(()), np.asarray(value))
        sheet.text(left - 6, y, f"{value:g}", _INK, 11, "rm")
    _seconds(sheet, length, left, right, foot)
    for known, colour in ((view.asked, _COLOUR[ASKED]), (view.kept, _COLOUR[KEPT])):
        there = np.isfinite(known)
        points = at(view.seconds[there], known[there])
        if colour == _COLOUR[KEPT]:
            sheet.line(points, colour, 3.5)
        else:
            sheet.dashes(points, colour, 1.5)


@_paint.register
def _(view: Rows, sheet: _Sheet) -> None:
    left, right, top, foot = 62.0, _WIDE - 12.0, _TOP + 14.0, _HIGH - _BOTTOM - 20.0
    scale = (right - left) / view.length
    for first, last in view.barred:
        x0, x1 = left + scale * first, left + scale * last
        sheet.shape(np.array([(x0, top), (x1, top), (x1, foot), (x0, foot)]), _BARRED, _EDGE)
    sheet.line([(left, foot), (right, foot)], _EDGE, 1)
    _seconds(sheet, view.length, left, right, foot)
    for k, row in enumerate(view.rows):
        _row(sheet, row, left, scale, top + (foot - top) * (k + 0.4) / len(view.rows), view.length)


def _row(sheet: _Sheet, row: Row, left: float, scale: float, y: float, length: float) -> None:
    sheet.text(left - 8, y, row.says, _INK, 11, "rm")
    sheet.line([(left, y), (left + scale * length, y)], _FAINT, 1)
    for k, (first, last) in enumerate(row.holds):
        x0, x1, under = left + scale * first, left + scale * min(last, length), y + 12 + 14 * (k % 2)
        sheet.shape(np.array([(x0, under - 4), (x1, under - 4), (x1, under + 4), (x0, under + 4)]), _BARRED, _EDGE)
    for second in row.refused:
        sheet.dot((left + scale * second, y), 4, _PAPER, _COLOUR[ASKED])
    for second in row.granted:
        sheet.dot((left + scale * second, y), 5, _COLOUR[KEPT], None)


def _seconds(sheet: _Sheet, length: float, left: float, right: float, foot: float) -> None:
    for second in _steps(0.0, length):
        x = left + (right - left) * second / length
        sheet.line([(x, foot), (x, foot + 3)], _EDGE, 1)
        sheet.text(x, foot + 11, f"{second:g} s", _INK, 11, "rm" if x > right - 8 else "mm")


def _steps(low: float, high: float) -> Floats:
    """Round numbers within a range, three to six of them."""
    size = 10.0 ** np.floor(np.log10((high - low) / 3.0))
    size *= next(k for k in (5.0, 2.0, 1.0) if k * size <= (high - low) / 3.0)
    first, last = int(np.ceil(low / size - 1e-9)), int(np.floor(high / size + 1e-9))
    return np.asarray(size * np.arange(first, last + 1))
