"""Small pictures for the mail and the decision page, made from the stored small JPEG (at most 480 px)."""

from io import BytesIO

from PIL import Image, ImageOps

SIDE = 240  # shown at 112 to 132: sharp on a phone, about 10 KB


def square(jpeg: bytes, side: int = SIDE) -> bytes:
    """Return the middle of a JPEG as a square JPEG of *side* pixels; what is smaller is not blown up."""
    with Image.open(BytesIO(jpeg), formats=("JPEG",)) as picture:
        picture.draft("RGB", (side, side))
        side = min(side, *picture.size)
        small = ImageOps.fit(picture.convert("RGB"), (side, side), Image.Resampling.LANCZOS)
    out = BytesIO()
    small.save(out, "JPEG", quality=80, optimize=True, progressive=True)
    return out.getvalue()
