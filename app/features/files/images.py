"""Pictures as bytes: checked before a pixel is unpacked, and scaled down. No database here.

A 20 KB file can unpack to 800 MB, so the size is read from the header first and refused over 25 million pixels; at most
two pictures are unpacked at the same time. HEIC, what phones take, is turned into JPEG, without place and time of the
shot; its reader is loaded when the first one comes.
"""

import hashlib
import threading
import warnings
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

from app.core import priority
from app.core.errors import Invalid

MAX_PIXELS = 25_000_000
MAX_BYTES = 30 * 1024 * 1024
MAX_WHOLE_HEIF = 13_000_000
SMALL_EDGE = 480
MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}

# Pillow itself warns over this and raises over twice this; the warning counts as an error too. Its documentation:
# "Image.MAX_IMAGE_PIXELS". Set once a process, before any thread opens a picture.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)
_unpacking = threading.BoundedSemaphore(2)
_STRIP = 256  # rows, an even number
_unpacking_heif = threading.Lock()
_HEIF_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """A picture that was looked at: the original's bytes and facts, and a JPEG of at most 480 pixels an edge."""

    original: bytes
    media_type: str
    width: int
    height: int
    sha256: str
    small: bytes


@priority.on_any_core()
def prepare(content: bytes) -> PreparedImage:
    """Check and scale a PNG, JPEG, WebP or HEIC. Raises Invalid, with the limit in the text, for anything else."""
    if len(content) > MAX_BYTES:
        raise Invalid(f"The picture is larger than {MAX_BYTES // 1024 // 1024} MB.", code="too_large")
    if content[4:8] == b"ftyp" and content[8:12] in _HEIF_BRANDS:
        content = _jpeg_of_heif(content)
    with _unpacking:
        try:
            with Image.open(BytesIO(content), formats=tuple(MEDIA_TYPES)) as image:
                width, height, kind = *image.size, str(image.format)
                if width * height > MAX_PIXELS:
                    raise _too_many_pixels()
                small = _small(image)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise _too_many_pixels() from None
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
            raise _no_picture() from error
    digest = hashlib.sha256(content).hexdigest()
    return PreparedImage(content, MEDIA_TYPES[kind], width, height, digest, small)


def _jpeg_of_heif(content: bytes) -> bytes:
    """Return the main picture of a HEIC file as JPEG, the right way up, its colour profile kept. Raises Invalid.

    One at a time, and over 13 million pixels at half the edge: one of 24 million takes 130 MB so, and 190 MB whole.
    """
    with _unpacking_heif:
        import pillow_heif

        options = pillow_heif.options
        options.DECODE_THREADS, options.THUMBNAILS, options.DEPTH_IMAGES, options.AUX_IMAGES = 1, False, False, False
        out = BytesIO()
        try:
            opened = pillow_heif.open_heif(content)
            if opened.size[0] * opened.size[1] > MAX_PIXELS:
                raise _too_many_pixels()
            whole = opened.size[0] * opened.size[1] <= MAX_WHOLE_HEIF
            image = opened.to_pillow() if whole else _halved(opened)
            flat = image if image.mode == "RGB" else image.convert("RGB")
            flat.save(out, "JPEG", quality=90, exif=b"", icc_profile=opened.info.get("icc_profile"))
        except (OSError, ValueError, RuntimeError, SyntaxError, EOFError) as error:
            raise _no_picture() from error
    return out.getvalue()


def _halved(opened: Any) -> Image.Image:
    """Return the pixels of an opened HEIC file at half the edge; they are copied a strip at a time."""
    rows = memoryview(opened.data)
    width, height = opened.size
    half = Image.new(opened.mode, ((width + 1) // 2, (height + 1) // 2))
    for top in range(0, height, _STRIP):
        deep = min(_STRIP, height - top)
        part = rows[top * opened.stride : (top + deep) * opened.stride]
        strip = Image.frombytes(opened.mode, (width, deep), part, "raw", opened.mode, opened.stride)
        half.paste(strip.reduce(2), (0, top // 2))
    return half


def _small(image: Image.Image) -> bytes:
    """Return a JPEG without metadata, on white where the picture is see-through, the right way up."""
    image.thumbnail((SMALL_EDGE, SMALL_EDGE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    upright = ImageOps.exif_transpose(image).convert("RGBA")
    flat = Image.new("RGB", upright.size, "#ffffff")
    flat.paste(upright, mask=upright.getchannel("A"))
    out = BytesIO()
    flat.save(out, "JPEG", quality=82, optimize=True)
    return out.getvalue()


def _too_many_pixels() -> Invalid:
    most = MAX_PIXELS // 1_000_000
    return Invalid(
        f"The picture has more than {most} million pixels.", code="too_large", fix="Save it smaller, then hand it in."
    )


def _no_picture() -> Invalid:
    return Invalid("This is not a picture: PNG, JPEG, WebP and HEIC can be read.", code="not_a_picture")
