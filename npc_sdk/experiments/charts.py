"""Plain PNG charts with pillow: lines over octaves and a coloured matrix. No axes library for two pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from npc_sdk.errors import MissingDependency

try:
    from PIL import Image, ImageDraw, ImageFont
except ImportError as error:  # pragma: no cover - the demo extra brings pillow
    raise MissingDependency("pillow", "demo") from error

_PAPER, _INK, _GRID, _LINE, _BAND = "#fbfaf7", "#22262b", "#dcd9d2", "#2c6e9b", "#c9dbe6"
_WIDE, _HIGH, _PAD = 260, 170, 30


@dataclass(frozen=True, slots=True)
class Line:
    """One small chart: a metric over slider levels, with its spread over seeds."""

    title: str
    note: str
    levels: Sequence[float]
    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def lines_png(path: Path, charts: Sequence[Line], columns: int = 4) -> None:
    """Draws small charts in rows and writes them as one picture."""
    rows = -(-len(charts) // columns)
    image = Image.new("RGB", (columns * _WIDE, max(1, rows) * _HIGH), _PAPER)
    draw = ImageDraw.Draw(image)
    for i, chart in enumerate(charts):
        _line(draw, (i % columns) * _WIDE, (i // columns) * _HIGH, chart)
    image.save(path)


def _line(draw: ImageDraw.ImageDraw, x0: int, y0: int, chart: Line) -> None:
    left, top = x0 + _PAD + 14, y0 + _PAD
    wide, high = _WIDE - _PAD - 24, _HIGH - 2 * _PAD
    bottom, ceiling = min(chart.low), max(chart.high)
    span = (ceiling - bottom) or 1.0

    def at(k: int, value: float) -> tuple[float, float]:
        return left + wide * k / max(1, len(chart.levels) - 1), top + high * (1 - (value - bottom) / span)

    draw.rectangle((left, top, left + wide, top + high), outline=_GRID)
    band = [at(k, v) for k, v in enumerate(chart.high)] + [at(k, v) for k, v in reversed(list(enumerate(chart.low)))]
    draw.polygon(band, fill=_BAND)
    points = [at(k, v) for k, v in enumerate(chart.mean)]
    draw.line(points, fill=_LINE, width=2)
    for k, (x, y) in enumerate(points):
        draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=_LINE)
        draw.text((x - 8, top + high + 3), f"{chart.levels[k]:.3g}", fill=_INK)
    draw.text((left, y0 + 3), chart.title, fill=_INK)
    draw.text((left, y0 + 15), chart.note, fill=_LINE)
    draw.text((x0 + 2, top - 2), f"{ceiling:.3g}", fill=_INK)
    draw.text((x0 + 2, top + high - 10), f"{bottom:.3g}", fill=_INK)


def matrix_png(
    path: Path, values: Float[np.ndarray, "r c"], rows: Sequence[str], columns: Sequence[str], title: str
) -> None:
    """Draws a matrix of values in -1..1: blue up, red down, with the numbers."""
    cell, margin = 46, 150
    image = Image.new("RGB", (margin + cell * len(columns) + 10, margin + 20 * len(rows) + 10), _PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((6, 6), title, fill=_INK)
    for j, name in enumerate(columns):
        tag = Image.new("RGB", (margin - 30, 12), _PAPER)
        ImageDraw.Draw(tag).text((0, 0), name, fill=_INK)
        image.paste(tag.rotate(90, expand=True), (margin + cell * j + 14, 28))
    for i, name in enumerate(rows):
        y = margin + 20 * i
        draw.text((6, y + 4), name, fill=_INK)
        for j in range(len(columns)):
            value = float(np.clip(np.nan_to_num(values[i, j]), -1, 1))
            x = margin + cell * j
            draw.rectangle((x, y, x + cell - 2, y + 18), fill=_shade(value))
            draw.text((x + 8, y + 3), f"{values[i, j]:+.2f}", fill=_INK)
    image.save(path)


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a bar chart: a mean with its interval, and a note."""

    name: str
    mean: float
    low: float
    high: float
    note: str = ""


def bars_png(path: Path, title: str, bars: Sequence[Bar]) -> None:
    """Draws means with their intervals as rows, from the line at 0."""
    left, wide, high, margin = 190, 520, 30, 40
    image = Image.new("RGB", (left + wide + 110, margin + high * len(bars) + 24), _PAPER)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(14)
    low, top = min(0.0, *(b.low for b in bars)), max(0.0, *(b.high for b in bars))
    scale = wide / ((top - low) or 1.0)

    def at(value: float) -> float:
        return left + (value - low) * scale

    draw.text((8, 10), title, fill=_INK, font=font)
    draw.line((at(0), margin, at(0), margin + high * len(bars)), fill=_GRID, width=2)
    for i, bar in enumerate(bars):
        y = margin + high * i
        draw.text((8, y + 6), bar.name, fill=_INK, font=font)
        draw.rectangle((min(at(0), at(bar.mean)), y + 6, max(at(0), at(bar.mean)), y + high - 8), fill=_BAND)
        middle = y + high // 2 - 1
        draw.line((at(bar.low), middle, at(bar.high), middle), fill=_LINE, width=2)
        draw.ellipse((at(bar.mean) - 4, middle - 4, at(bar.mean) + 4, middle + 4), fill=_LINE)
        draw.text((left + wide + 8, y + 6), f"{bar.mean:+.1f}  {bar.note}", fill=_INK, font=font)
    image.save(path)


def _shade(value: float) -> tuple[int, int, int]:
    to = (70, 130, 180) if value > 0 else (200, 90, 80)
    r, g, b = (round(251 + (c - 251) * abs(value)) for c in to)
    return r, g, b
