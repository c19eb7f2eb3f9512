"""The sample writer's pictures: a flat drawn scene, and below it a line with the prompt's words. Real PNGs.

Each number of a row shows another scene in other colours; the same request gives the same bytes. A scene is drawn at
twice its size and scaled down, so that edges are smooth. About 20 KB and 100 ms a picture.
"""

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from app.engine.contract import ImageRequest

SIZES = {"square": (1024, 1024), "portrait": (1024, 1536), "landscape": (1536, 1024), "story": (1024, 1536)}
COLOURS = 64
LONGEST_PROMPT = 150
LINES = 2
FINE = 2  # drawn so many times larger than shown
INK, PAPER, QUIET, GREEN, ON_GREEN = "#16201b", "#ffffff", "#4e5a54", "#0b7a4b", "#ffffff"
_LABEL = 0.125  # height of the line of words, of the shorter edge
_GROUND = 0.7  # where things stand, of the height above the words
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class _Paint:
    """A car's colour, where light falls on it, and in its seams."""

    body: str
    shine: str
    seam: str


_PAINTS = (
    _Paint("#0b7a4b", "#35996f", "#064a2d"),
    _Paint("#c8322b", "#dd6a5f", "#7c1512"),
    _Paint("#2a5fae", "#5c88cb", "#173a70"),
    _Paint("#e9a13a", "#f3c074", "#9a6415"),
    _Paint("#5c6a72", "#84919a", "#353f45"),
    _Paint("#f4f4f0", "#ffffff", "#a9adab"),
)


def _shape(text: str) -> Points:
    pairs = (pair.split(",") for pair in text.split())
    return tuple((float(x), float(y)) for x, y in pairs)


# A car seen from its side, 408 wide; its wheels stand at 200.
_CAR_WIDE, _CAR_STANDS = 408.0, 200.0
_BODY = _shape(
    "22,152 22,116 23,109 25,104 28,100 33,96 39,94 53,64 56,58 61,54 66,50 73,49 80,48 214,48 223,49 231,50 238,53 "
    "245,58 252,63 289,95 347,103 359,106 368,110 375,115 380,123 382,132 385,150 385,155 383,158 381,160 377,162 "
    "34,162 30,162 26,160 24,159 22,156"
)
_BACK_WINDOW = _shape("60,93 71,68 74,64 77,61 81,60 86,59 138,59 138,93")
_FRONT_WINDOW = _shape("148,59 210,59 218,60 225,62 232,65 238,70 262,93 148,93")
_HEADLIGHT = _shape("350,107 360,109 368,112 374,117 378,122 360,122 355,121 352,118")
_TAIL_LIGHT = _shape("23,106 32,106 33,112 33,117 32,122 28,126 22,126")


class _Sheet:
    """A drawing surface: the shorter edge is 1, x = 0 is the middle, y = 0 the ground, upwards is negative."""

    def __init__(self, width: int, height: int, number: int) -> None:
        self.image = Image.new("RGB", (width, height), PAPER)
        self._pen = ImageDraw.Draw(self.image)
        self._unit = float(min(width, height))
        self._middle = width / 2
        self._floor = (height - self._unit * _LABEL) * _GROUND
        self.number = number
        self.half = width / self._unit / 2
        self.top = -self._floor / self._unit
        self.bottom = (height - self._floor) / self._unit
        self.paint = _PAINTS[(number - 1) % len(_PAINTS)]

    def area(self, points: Points, fill: str) -> None:
        """Fill the inside of a closed line."""
        self._pen.polygon([self._at(x, y) for x, y in points], fill=fill)

    def box(self, x: float, y: float, wide: float, tall: float, fill: str, round_: float = 0.0) -> None:
        """Fill a rectangle from its upper left corner."""
        corners = (*self._at(x, y), *self._at(x + wide, y + tall))
        self._pen.rounded_rectangle(corners, radius=round_ * self._unit, fill=fill)

    def disc(self, x: float, y: float, across: float, fill: str, up: float | None = None) -> None:
        """Fill an ellipse around its middle; *up* is its half height, *across* its half width."""
        tall = across if up is None else up
        self._pen.ellipse((*self._at(x - across, y - tall), *self._at(x + across, y + tall)), fill=fill)

    def line(self, points: Points, fill: str, wide: float) -> None:
        """Draw a line with round joints."""
        width = max(1, round(wide * self._unit))
        self._pen.line([self._at(x, y) for x, y in points], fill=fill, width=width, joint="curve")

    def sky(self, *bands: str) -> None:
        """Fill everything above the ground in bands, the first on top."""
        tall = -self.top / len(bands)
        for place, fill in enumerate(bands):
            self.box(-self.half, self.top + place * tall, 2 * self.half, tall + 0.06, fill)

    def ground(self, fill: str, edge: float = 0.0) -> None:
        """Fill everything below *edge*."""
        self.box(-self.half, edge, 2 * self.half, self.bottom - edge, fill)

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return self._middle + x * self._unit, self._floor + y * self._unit


Scene = Callable[[_Sheet], None]


def draw(request: ImageRequest) -> bytes:
    """Return the PNG of a sample picture: a scene, and below it "Sample 3 of 5" with the prompt's words."""
    width, height = SIZES.get(request.size, SIZES["square"])
    # A picture that stands alone takes any place of the row, so that not all of them look the same.
    number = request.number + (zlib.crc32(request.prompt.encode()) % 30 if request.count == 1 else 0)
    sheet = _Sheet(width * FINE, height * FINE, number)
    scenes = _scenes(request.prompt)
    scenes[(number - 1) % len(scenes)](sheet)
    image = sheet.image.reduce(FINE)
    if request.watermark:
        image = _stamped(image, request.watermark)
    _words(ImageDraw.Draw(image), width, height, request)
    out = BytesIO()
    small = image.quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    small.save(out, "PNG", optimize=True)
    return out.getvalue()


def _stamped(image: Image.Image, word: str) -> Image.Image:
    """Return the picture with *word* across it, see-through, from one edge to the other."""
    width, height = image.size
    font = ImageFont.load_default(min(width, height) / len(word) * 1.1)
    stamp = Image.new("L", (width, height), 0)
    ImageDraw.Draw(stamp).text((width / 2, height / 2), word, font=font, fill=150, anchor="mm")
    stamp = stamp.rotate(20, Image.Resampling.BICUBIC)
    return Image.composite(Image.new("RGB", (width, height), PAPER), image, stamp)


def _scenes(prompt: str) -> tuple[Scene, ...]:
    """Return the scenes of the first word that has some; keys come before the car that they belong to."""
    words = _WORD.findall(subject(prompt).lower())
    found = (scenes for word in words for names, scenes in _SCENES if word in names)
    return _KEYS if "keys" in words else next(found, _PLACES)


# --- places ---


def _coast(sheet: _Sheet) -> None:
    sheet.sky("#7f6a96", "#b97c92", "#e8927e", "#f5b488", "#ffd6a0")
    sheet.disc(0.22, -0.26, 0.13, "#ffe9bd")
    sheet.box(-sheet.half, -0.2, 2 * sheet.half, 0.2, "#6d6b95")
    for x, y, wide in ((0.08, -0.165, 0.28), (0.13, -0.13, 0.18), (0.17, -0.095, 0.1)):
        sheet.box(x, y, wide, 0.012, "#ffdca6", 0.006)
    sheet.area(
        [(-sheet.half, -0.26), (-0.28, -0.33), (-0.1, -0.2), (0.02, -0.08), (-sheet.half, -0.08)], "#44375f"
    )
    _road(sheet, "#3f4052", "#e9e2c8", "#55506b")


def _mountains(sheet: _Sheet) -> None:
    sheet.sky("#b9ddf3", "#cde7f6", "#e0f0f8")
    sheet.disc(-0.28, -0.5, 0.07, "#fff7dc")
    far, peak = "#8fa6ba", "#eef4f7"
    sheet.area([(-0.75, 0), (-0.25, -0.46), (0.2, 0)], far)
    sheet.area([(-0.315, -0.4), (-0.25, -0.46), (-0.18, -0.39), (-0.23, -0.37), (-0.27, -0.4)], peak)
    sheet.area([(-0.1, 0), (0.28, -0.38), (0.8, 0)], "#7a93a8")
    sheet.area([(0.225, -0.325), (0.28, -0.38), (0.35, -0.33), (0.29, -0.31), (0.26, -0.335)], peak)
    sheet.disc(0, 0.06, 0.9, "#5e9a66", 0.19)
    for x, tall in ((-0.46, 0.2), (-0.38, 0.16), (0.36, 0.17), (0.44, 0.22)):
        _pine(sheet, x, -0.05, tall, "#2c6e4f")
    _road(sheet, "#565d63", "#f2eee0", "#47804f")


def _city(sheet: _Sheet) -> None:
    sheet.sky("#20304f", "#2f4268", "#475c84")
    sheet.disc(0.3, -0.5, 0.055, "#f4e9c4")
    heights = (0.34, 0.46, 0.28, 0.52, 0.38, 0.3, 0.48, 0.36, 0.42)
    for place, tall in enumerate(heights):
        x = -0.8 + place * 0.18
        sheet.box(x, -tall, 0.165, tall, "#172440" if place % 2 else "#1c2b4b")
        for row in range(int(tall / 0.075)):
            for column in range(3):
                lit = (row * 5 + column * 3 + place * 7) % 4 != 0
                fill = "#f6cf7a" if lit else "#2a3a5c"
                sheet.box(x + 0.025 + column * 0.045, -tall + 0.03 + row * 0.075, 0.024, 0.034, fill)
    _road(sheet, "#2d333d", "#c9b98a", "#3b434f")


def _home(sheet: _Sheet) -> None:
    sheet.sky("#c8e6f5", "#dceff6", "#ecf6f4")
    sheet.disc(-0.42, -0.3, 0.16, "#63a766")
    sheet.disc(-0.31, -0.25, 0.12, "#4f9357")
    sheet.box(-0.4, -0.18, 0.03, 0.18, "#7a5a3c")
    sheet.box(-0.12, -0.34, 0.62, 0.34, "#f6ead4")
    sheet.area([(-0.19, -0.33), (-0.07, -0.48), (0.45, -0.48), (0.57, -0.33)], "#8d4a3a")
    sheet.box(-0.06, -0.24, 0.28, 0.24, "#e0cfae")
    for row in range(4):
        sheet.box(-0.06, -0.19 + row * 0.055, 0.28, 0.007, "#c9b48c")
    for x in (0.29, 0.37):
        sheet.box(x, -0.25, 0.07, 0.08, "#9cc8de", 0.004)
    sheet.ground("#7db773", -0.03)
    _road(sheet, "#b7b2a6", "#b7b2a6", "#9f9a8e")


def _snow(sheet: _Sheet) -> None:
    sheet.sky("#cfe0ec", "#dfeaf2", "#edf3f7")
    sheet.disc(-0.3, 0.05, 0.6, "#f8fbfd", 0.28)
    sheet.disc(0.45, 0.08, 0.6, "#ffffff", 0.25)
    for x, tall in ((-0.45, 0.26), (-0.34, 0.19), (0.3, 0.2), (0.42, 0.28)):
        _pine(sheet, x, -0.06, tall, "#3e6f67", snow=True)
    _road(sheet, "#8b98a3", "#e9eff3", "#f8fbfd")
    for place in range(34):
        x = -sheet.half + (place * 0.377) % (2 * sheet.half)
        sheet.disc(x, sheet.top + (place * 0.2113) % -sheet.top, 0.005 + 0.002 * (place % 3), "#ffffff")


def _studio(sheet: _Sheet) -> None:
    sheet.sky("#e4e8e6")
    sheet.box(-0.36, sheet.top + 0.06, 0.72, 0.03, "#ffffff", 0.015)
    for x in (-0.62, -0.3, 0.02, 0.34):
        sheet.box(x, -0.44, 0.28, 0.4, "#cfe3ea", 0.01)
        sheet.area([(x + 0.05, -0.04), (x + 0.15, -0.44), (x + 0.2, -0.44), (x + 0.1, -0.04)], "#e2f0f4")
    sheet.ground("#c3cac6", -0.02)
    sheet.disc(0, 0.1, 0.6, "#d5dbd8", 0.13)


def _shop(sheet: _Sheet) -> None:
    sheet.sky("#d6ecf0", "#e4f2f1", "#f0f7f2")
    paint = sheet.paint
    sheet.box(-0.4, -0.46, 0.8, 0.46, "#fbf6ea")
    sheet.box(-0.34, -0.27, 0.44, 0.22, "#a9d0dd", 0.008)
    sheet.area([(-0.27, -0.05), (-0.17, -0.27), (-0.1, -0.27), (-0.2, -0.05)], "#c3e0e8")
    sheet.box(0.17, -0.28, 0.16, 0.28, paint.seam, 0.008)
    sheet.box(0.19, -0.26, 0.12, 0.14, "#c3e0e8", 0.006)
    for stripe in range(10):
        x = -0.44 + stripe * 0.088
        fill = paint.body if stripe % 2 == 0 else "#ffffff"
        sheet.box(x, -0.46, 0.088, 0.1, fill)
        sheet.disc(x + 0.044, -0.36, 0.044, fill, 0.03)
    sheet.ground("#b9b4a8")
    sheet.ground("#8f8b82", 0.1)


def _bay(sheet: _Sheet) -> None:
    sheet.sky("#e6eaec")
    for row in range(4):
        sheet.box(-sheet.half, sheet.top + 0.14 + row * 0.14, 2 * sheet.half, 0.006, "#d5dbde")
    for place, fill in enumerate(("#c8322b", "#2a5fae", "#e9a13a")):
        sheet.box(-0.1 + place * 0.075, -0.52, 0.05, 0.09, fill, 0.006)
    for x in (-0.43, 0.37):
        sheet.box(x, -0.5, 0.06, 0.5, "#e9b32e", 0.006)
    sheet.ground("#aeb6ba")
    _car(sheet, lifted=0.1)
    sheet.box(-0.43, -0.105, 0.86, 0.022, "#c4861c", 0.006)
    sheet.box(-0.12, 0.04, 0.24, 0.11, "#b3261e", 0.012)
    for y in (0.07, 0.105):
        sheet.box(-0.1, y, 0.2, 0.008, "#e88b83")


def _tyre(sheet: _Sheet) -> None:
    sheet.sky("#f3e7d2", "#f7eedd")
    sheet.ground("#cbb48d", 0.04)
    sheet.disc(0, 0.05, 0.29, "#a98f63", 0.025)
    for turn, fill in ((0.27, "#1b2024"), (0.23, "#2b3237"), (0.17, "#cfd6db"), (0.145, "#b3bdc4")):
        sheet.disc(0, -0.22, turn, fill)
    for x, y in ((0, -1), (0.95, -0.31), (0.59, 0.81), (-0.59, 0.81), (-0.95, -0.31)):
        sheet.line([(0, -0.22), (x * 0.155, -0.22 + y * 0.155)], "#7c878f", 0.032)
    sheet.disc(0, -0.22, 0.042, "#5d676e")


def _keys(sheet: _Sheet) -> None:
    sheet.sky("#fbe6c8", "#fceedb", "#fdf5ea")
    sheet.disc(0.26, -0.36, 0.12, "#fff9ea")
    sheet.disc(-0.5, 0.05, 0.62, "#e8c493", 0.22)
    sheet.disc(0.5, 0.07, 0.6, "#d9ab72", 0.2)
    sheet.ground("#8a6138", 0.02)
    for x in (-0.11, -0.1, -0.09):
        sheet.line([(x, -0.34), (x + 0.02, -0.42), (x + 0.09, -0.46), (x + 0.15, -0.4)], "#8f989e", 0.008)
    sheet.box(-0.16, -0.35, 0.19, 0.34, INK, 0.07)
    for y, fill in ((-0.28, sheet.paint.body), (-0.2, "#5c6a72"), (-0.12, "#5c6a72")):
        sheet.disc(-0.065, y, 0.032, fill)
    sheet.disc(0.15, -0.33, 0.075, "#b9c2c7")
    sheet.disc(0.15, -0.35, 0.025, "#fceedb")
    sheet.box(0.13, -0.27, 0.04, 0.27, "#b9c2c7", 0.01)
    for y in (-0.1, -0.05):
        sheet.box(0.165, y, 0.035, 0.025, "#b9c2c7", 0.004)


def _letter(sheet: _Sheet) -> None:
    sheet.sky("#e2f3e9", "#eaf6ef")
    sheet.ground("#bfe0cd", 0.04)
    sheet.disc(0, 0.05, 0.38, "#9cc8b0", 0.025)
    sheet.box(-0.36, -0.46, 0.72, 0.48, "#cdd8d2", 0.03)
    sheet.box(-0.35, -0.45, 0.7, 0.46, PAPER, 0.025)
    sheet.line([(-0.33, -0.43), (0, -0.17), (0.33, -0.43)], "#9fb0a7", 0.012)
    sheet.disc(0.34, -0.45, 0.07, GREEN)
    sheet.disc(0.34, -0.45, 0.025, PAPER)


# --- things ---


def _road(sheet: _Sheet, tar: str, dashes: str, edge: str) -> None:
    sheet.ground(edge, -0.02)
    sheet.ground(tar, 0.0)
    for place in range(-6, 7):
        sheet.box(place * 0.22 - 0.07, 0.155, 0.13, 0.012, dashes)


def _pine(sheet: _Sheet, x: float, y: float, tall: float, fill: str, snow: bool = False) -> None:
    sheet.box(x - 0.008, y - 0.02, 0.016, 0.04, "#5b4630")
    for part in range(3):
        low, wide = y - tall * part * 0.28, tall * (0.32 - part * 0.07)
        sheet.area([(x - wide, low), (x, low - tall * 0.44), (x + wide, low)], fill)
        if snow:
            top = low - tall * 0.44
            sheet.area(
                [(x - wide * 0.4, top + tall * 0.17), (x, top), (x + wide * 0.4, top + tall * 0.17)], PAPER
            )


def _car(sheet: _Sheet, *, lifted: float = 0.0) -> None:
    """Draw a car, 0.74 wide, on the ground or *lifted* above it."""
    scale, paint = 0.74 / _CAR_WIDE, sheet.paint
    base = -lifted if lifted else 0.075

    def put(x: float, y: float) -> tuple[float, float]:
        return (x - _CAR_WIDE / 2) * scale, base + (y - _CAR_STANDS) * scale

    def area(points: Points, fill: str) -> None:
        sheet.area([put(x, y) for x, y in points], fill)

    if not lifted:
        sheet.disc(0, base - 0.004, 0.36, "#2a2f33", 0.02)
    area(_BODY, paint.body)
    area(
        [(39, 94), (53, 64), (66, 50), (80, 48), (214, 48), (238, 53), (289, 95), (269, 98), (44, 98)],
        paint.shine,
    )
    area([(26, 120), (381, 120), (383, 132), (24, 132)], paint.shine)
    for window in (_BACK_WINDOW, _FRONT_WINDOW):
        area(window, "#1d2a35")
    for x, wide in ((66, 14), (160, 26)):
        area([(x, 93), (x + 18, 59), (x + 18 + wide, 59), (x + wide, 93)], "#3a4854")
    area([(22, 146), (384, 146), (385, 155), (377, 162), (34, 162), (24, 158)], "#20262b")
    for points in (
        [(143, 98), (143, 146)],
        [(262, 98), (262, 146)],
        [(120, 110), (136, 110)],
        [(238, 110), (254, 110)],
    ):
        sheet.line([put(x, y) for x, y in points], paint.seam, 0.005)
    area(_HEADLIGHT, "#fff6d6")
    area(_TAIL_LIGHT, "#e5484d")
    sheet.line([put(74, 46), put(206, 46)], "#20262b", 0.008)
    for x in (98, 308):
        _wheel(sheet, *put(x, 160), scale)


def _wheel(sheet: _Sheet, x: float, y: float, scale: float) -> None:
    for turn, fill in ((40, "#161b1f"), (34, "#23292e"), (22, "#cfd6db")):
        sheet.disc(x, y, turn * scale, fill)
    for to_x, to_y in ((0, -20), (19, -6), (12, 16), (-12, 16), (-19, -6)):
        sheet.line([(x, y), (x + to_x * scale, y + to_y * scale)], "#7c878f", 5 * scale)
    sheet.disc(x, y, 6 * scale, "#5d676e")


def _with_car(place: Scene) -> Scene:
    def scene(sheet: _Sheet) -> None:
        place(sheet)
        _car(sheet)

    return scene


_WORD = re.compile(r"[a-z]+")
_PLACES: tuple[Scene, ...] = (_mountains, _coast, _shop, _home, _snow, _city)
_CARS: tuple[Scene, ...] = tuple(map(_with_car, (_mountains, _coast, _studio, _home, _city, _snow)))
_SERVICE: tuple[Scene, ...] = (_bay, _tyre, _with_car(_snow), _shop, _with_car(_home), _with_car(_coast))
_KEYS: tuple[Scene, ...] = (_keys, _with_car(_home), _with_car(_mountains))
_SCENES: tuple[tuple[frozenset[str], tuple[Scene, ...]], ...] = (
    (
        frozenset("service tire tires tyre tyres brake brakes oil battery inspection mechanic".split()),
        _SERVICE,
    ),
    (
        frozenset(
            "car cars vehicle suv truck pickup sedan minivan honda toyota ford subaru nissan jeep chevrolet kia "
            "hyundai mazda bmw lexus tesla drive dealership lease".split()
        ),
        _CARS,
    ),
    (
        frozenset("mail email letter newsletter phone message call reply".split()),
        (_letter, _shop, _home, _city),
    ),
    (frozenset("shop store sale showroom offer product".split()), (_shop, _home, _city, _mountains)),
)


# --- words ---


def _words(pen: ImageDraw.ImageDraw, width: int, height: int, request: ImageRequest) -> None:
    unit = min(width, height)
    top, margin = height - unit * _LABEL, unit * 0.035
    pen.rectangle((0, top, width, height), fill=PAPER)
    small, middle = ImageFont.load_default(unit * 0.027), (top + height) / 2
    label = f"Sample {request.number} of {max(request.count, request.number)}"
    wide = small.getlength(label) + margin
    pen.rounded_rectangle(
        (margin, middle - margin, margin + wide, middle + margin), radius=margin, fill=GREEN
    )
    pen.text((margin * 1.5, middle), label, font=small, fill=ON_GREEN, anchor="lm")
    left = wide + 2 * margin
    lines = wrapped(subject(request.prompt), small.getlength, width - left - margin)
    for place, line in enumerate(lines):
        y = middle + unit * 0.036 * (place - (len(lines) - 1) / 2)
        pen.text((left, y), line, font=small, fill=QUIET, anchor="lm")


_TASK = re.compile(
    r"^[^:\n]{0,60}\b(?:picture|photo|slide|image|illustration)\b[^:\n]{0,60}:\s+", re.IGNORECASE
)
_UNDRAWN = re.compile("[^\\x20-\\u024f\\u2010-\\u203a\\u20ac]")  # what the built-in font has no letters for


def subject(prompt: str) -> str:
    """Return what a picture is about: its prompt's first line, without "A slide of a carousel about: "."""
    first = next((line for line in prompt.splitlines() if line.strip()), "")
    return " ".join(_UNDRAWN.sub(" ", _TASK.sub("", first.strip())).split())


def wrapped(text: str, length: Callable[[str], float], widest: float) -> list[str]:
    """Return the first words of *text* in at most two lines no wider than *widest*; "…" tells that there are more."""
    words, lines = text[: LONGEST_PROMPT + 1].split(), [""]
    for place, word in enumerate(words):
        longer = f"{lines[-1]} {word}".strip()
        if length(longer) <= widest:
            lines[-1] = longer
        elif len(lines) < LINES and lines[-1]:
            lines.append(_cut(word, length, widest))
        else:
            return [*lines[:-1], _cut(f"{longer} …" if place == 0 else f"{lines[-1]} …", length, widest)]
    if len(text) > LONGEST_PROMPT:
        lines[-1] = _cut(f"{lines[-1]} …", length, widest)
    return lines


def _cut(text: str, length: Callable[[str], float], widest: float) -> str:
    """Return *text* with "…" for what is wider than *widest*: from a word's end, or from inside a single word."""
    if length(text) <= widest:
        return text
    text = text.removesuffix("…").rstrip()
    if length(f"{text}…") <= widest:
        return f"{text}…"
    while text and length(f"{text}…") > widest:
        text = text[:-1]
    whole = text.rpartition(" ")[0].rstrip(" ,;:")
    return f"{whole or text}…"
