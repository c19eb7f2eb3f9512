"""The sample writer's pictures: a flat drawn scene in the brand's colours that carries the prompt's words. Real PNGs.

Each number of a row looks different; the same request gives the same bytes. About 20 KB and 50 ms a picture.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from app.engine.contract import ImageRequest

SIZES = {"square": (1024, 1024), "portrait": (1024, 1536), "landscape": (1536, 1024), "story": (1024, 1536)}
LONGEST_PROMPT = 150
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Palette:
    sky: str
    far: str
    near: str
    ground: str
    thing: str
    light: str


INK, PAPER, GREEN, ON_GREEN = "#16201b", "#ffffff", "#0b7a4b", "#ffffff"
_PALETTES = (
    _Palette("#e2f3e9", "#a9d8be", "#4f9f78", "#2c6e4f", "#0b7a4b", "#ffffff"),
    _Palette("#fdf0d8", "#f3cf92", "#d99a45", "#8a5a1f", "#ae4a1c", "#fff7e8"),
    _Palette("#e6effc", "#aac8f2", "#5f8fd3", "#274f8f", "#1a56b0", "#ffffff"),
    _Palette("#efeafb", "#c9b8ee", "#8d70cf", "#4a2f8c", "#5b34ad", "#ffffff"),
    _Palette("#fdecea", "#f4b9b3", "#d9776d", "#8d342c", "#ae231c", "#fff5f4"),
    _Palette("#eff2f0", "#c6d0cb", "#8a9a92", "#4e5a54", "#16201b", "#ffffff"),
)
Scene = Callable[[ImageDraw.ImageDraw, float, float, _Palette, int], None]


def draw(request: ImageRequest) -> bytes:
    """Return the PNG of a sample picture: scene, the prompt's words, and "Sample picture 3 of 5"."""
    width, height = SIZES.get(request.size, SIZES["square"])
    palette = _PALETTES[(request.number - 1) % len(_PALETTES)]
    image = Image.new("RGB", (width, height), palette.sky)
    pen = ImageDraw.Draw(image)
    _hills(pen, width, height * 0.72, palette, request.number)
    _scene(request.prompt)(pen, width, height * 0.72, palette, request.number)
    _words(pen, width, height, request, palette)
    out = BytesIO()
    image.quantize(32, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
        out, "PNG", optimize=True
    )
    return out.getvalue()


def _scene(prompt: str) -> Scene:
    words = prompt.lower()
    return next((scene for names, scene in _SCENES if names & set(_WORD.findall(words))), _tree)


# --- scenes: *floor* is the height of the ground ---


def _hills(pen: ImageDraw.ImageDraw, width: float, floor: float, palette: _Palette, number: int) -> None:
    sun = width * (0.16 + 0.136 * ((number * 2) % 6))
    radius = width * 0.075
    top = floor * (0.2 + 0.05 * (number % 3))
    pen.ellipse((sun - radius, top - radius, sun + radius, top + radius), fill=palette.light)
    shift = width * 0.11 * (number % 4)
    pen.ellipse((-width * 0.3 + shift, floor * 0.52, width * 0.55 + shift, floor * 1.6), fill=palette.far)
    pen.ellipse((width * 0.4 - shift, floor * 0.6, width * 1.3 - shift, floor * 1.7), fill=palette.near)
    pen.rectangle((0, floor, width, floor * 2), fill=palette.ground)


def _car(pen: ImageDraw.ImageDraw, width: float, floor: float, palette: _Palette, number: int) -> None:
    size = width * 0.62
    left = width * (0.1 + 0.06 * (number % 4))
    base = floor + size * 0.06

    def at(x: float, y: float) -> Point:
        return (left + x * size, base - y * size)

    pen.polygon([at(0.18, 0.26), at(0.32, 0.42), at(0.66, 0.42), at(0.82, 0.26)], fill=palette.thing)
    pen.polygon([at(0.25, 0.27), at(0.345, 0.39), at(0.48, 0.39), at(0.48, 0.27)], fill=palette.light)
    pen.polygon([at(0.51, 0.27), at(0.51, 0.39), at(0.645, 0.39), at(0.745, 0.27)], fill=palette.light)
    pen.rounded_rectangle((*at(0, 0.27), *at(1, 0.08)), radius=size * 0.06, fill=palette.thing)
    pen.rounded_rectangle((*at(0.93, 0.22), *at(1, 0.17)), radius=size * 0.015, fill=palette.sky)
    for centre in (0.22, 0.78):
        pen.ellipse((*at(centre - 0.095, 0.19), *at(centre + 0.095, 0)), fill=INK)
        pen.ellipse((*at(centre - 0.045, 0.14), *at(centre + 0.045, 0.05)), fill=palette.far)


def _shop(pen: ImageDraw.ImageDraw, width: float, floor: float, palette: _Palette, number: int) -> None:
    size = width * 0.5
    left = width * (0.16 + 0.05 * (number % 4))
    top = floor - size * 0.72
    pen.rectangle((left, top, left + size, floor + 2), fill=palette.light)
    pen.rectangle(
        (left + size * 0.08, floor - size * 0.4, left + size * 0.56, floor - size * 0.1), fill=palette.far
    )
    pen.rectangle((left + size * 0.66, floor - size * 0.42, left + size * 0.9, floor + 2), fill=palette.near)
    stripes = 8
    for stripe in range(stripes):
        edge = left - size * 0.04 + stripe * size * 1.08 / stripes
        fill = palette.thing if stripe % 2 == 0 else palette.sky
        pen.rectangle((edge, top - size * 0.04, edge + size * 1.08 / stripes, top + size * 0.16), fill=fill)


def _letter(pen: ImageDraw.ImageDraw, width: float, floor: float, palette: _Palette, number: int) -> None:
    size = width * 0.5
    left = width * (0.2 + 0.04 * (number % 4))
    top = floor * 0.42
    right, bottom = left + size, top + size * 0.62
    pen.rounded_rectangle((left, top, right, bottom), radius=size * 0.04, fill=palette.light)
    middle = (left + right) / 2
    flap = [(left + 8, top + 8), (middle, top + size * 0.34), (right - 8, top + 8)]
    pen.line(flap, fill=palette.thing, width=int(size * 0.03))
    pen.ellipse(
        (right - size * 0.12, top - size * 0.12, right + size * 0.12, top + size * 0.12), fill=palette.thing
    )


def _tree(pen: ImageDraw.ImageDraw, width: float, floor: float, palette: _Palette, number: int) -> None:
    for step in range(3):
        x = width * (0.24 + 0.26 * step) + width * 0.03 * (number % 3)
        tall = width * (0.2 + 0.05 * ((step + number) % 3))
        pen.rectangle(
            (x - width * 0.012, floor - tall * 0.5, x + width * 0.012, floor + width * 0.02), fill=INK
        )
        pen.ellipse(
            (x - tall * 0.36, floor - tall * 1.25, x + tall * 0.36, floor - tall * 0.3), fill=palette.thing
        )


_WORD = re.compile(r"[a-z]+")
_SCENES: tuple[tuple[frozenset[str], Scene], ...] = (
    (frozenset("car cars vehicle suv truck sedan honda toyota ford drive dealership lease".split()), _car),
    (frozenset("mail email letter newsletter phone message call reply".split()), _letter),
    (frozenset("shop store sale showroom offer service product".split()), _shop),
)


# --- words ---


def _words(
    pen: ImageDraw.ImageDraw, width: int, height: int, request: ImageRequest, palette: _Palette
) -> None:
    margin = width * 0.05
    big, small = ImageFont.load_default(width * 0.036), ImageFont.load_default(width * 0.028)
    lines = wrapped(request.prompt, big.getlength, width - 4 * margin)
    line_height = width * 0.05
    top = height - margin - line_height * (len(lines) + 0.8)
    pen.rounded_rectangle((margin, top, width - margin, height - margin), radius=width * 0.02, fill=PAPER)
    for place, line in enumerate(lines):
        pen.text((2 * margin, top + line_height * (place + 0.4)), line, font=big, fill=INK)
    label = f"Sample picture {request.number} of {max(request.count, request.number)}"
    wide = small.getlength(label)
    pen.rounded_rectangle(
        (margin, margin, margin * 2 + wide, margin + width * 0.06), radius=width * 0.03, fill=GREEN
    )
    pen.text((margin * 1.5, margin + width * 0.03), label, font=small, fill=ON_GREEN, anchor="lm")


def wrapped(text: str, length: Callable[[str], float], widest: float) -> list[str]:
    """Return the first words of *text* in at most four lines no wider than *widest*."""
    words = " ".join(text.split())[:LONGEST_PROMPT].split(" ")
    lines, line = [], ""
    for word in words:
        longer = f"{line} {word}".strip()
        if length(longer) > widest and line:
            lines.append(line)
            line = word
        else:
            line = longer
    lines.append(line)
    if len(lines) > 4:
        lines = [*lines[:3], f"{lines[3]} …"]
    return [part if length(part) <= widest * 1.05 else part[:40] for part in lines] or [""]
