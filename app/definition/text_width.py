"""How wide a text is drawn in Inter 600, so that the server can cut names to fit. From the font's own table."""

import unicodedata

# Advance widths of U+0020 to U+007E in thousandths of the font's size (@fontsource-variable/inter 5.3.0, weight 600).
_WIDTHS = (
    252, 321, 523, 644, 650, 1004, 663, 326, 373, 373, 540, 673, 319, 465, 319, 379, 660, 423, 623, 636, 666,
    612, 640, 576, 640, 640, 319, 329, 673, 673, 673, 543, 999, 728, 659, 737, 722, 605, 588, 749, 746, 277,
    580, 703, 565, 922, 759, 769, 645, 773, 652, 650, 660, 736, 728, 1020, 720, 713, 652, 373, 379, 373, 481,
    469, 351, 574, 624, 583, 624, 591, 389, 625, 612, 262, 262, 569, 262, 900, 612, 609, 624, 624, 397, 549,
    353, 612, 587, 839, 569, 588, 566, 455, 359, 455, 673,
)  # fmt: skip
_ELLIPSIS = 956
_MARKS = {
    "…": _ELLIPSIS, "“": 507, "”": 501, "‘": 294, "’": 294, "–": 500, "—": 1000, "·": 319, "×": 673, "€": 679, "£": 629,
    "°": 458,
}  # fmt: skip


def width(text: str, size: float) -> float:
    """Return the width in px of *text* at *size* px; marks outside ASCII are taken by their base letter or as wide."""
    return sum(map(_mark_width, text)) * size / 1000


def cut_to_fit(text: str, most: float, size: float) -> str:
    """Return *text*, cut with an ellipsis where it is wider than *most* px at *size* px."""
    if width(text, size) <= most:
        return text
    room = most * 1000 / size - _ELLIPSIS
    for place, mark in enumerate(text):
        room -= _mark_width(mark)
        if room < 0:
            return text[:place].rstrip() + "…"
    return text


def _mark_width(mark: str) -> int:
    code = ord(mark)
    if 32 <= code <= 126:
        return _WIDTHS[code - 32]
    if mark in _MARKS:
        return _MARKS[mark]
    if unicodedata.combining(mark) or unicodedata.category(mark) in ("Cf", "Mn"):
        return 0
    if unicodedata.east_asian_width(mark) in "WF":
        return 1300  # emoji and ideographs come from another, wider font
    base = ord(unicodedata.normalize("NFD", mark)[0])
    return _WIDTHS[base - 32] if 32 <= base <= 126 else 800
