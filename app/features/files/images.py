"""Pictures as bytes: checked before a pixel is unpacked, and scaled down. No database here.

A 20 KB file can unpack to 800 MB, so the size is read from the header first and refused over 25 million pixels; at most
two pictures are unpacked at the same time.
"""

import hashlib
import threading
import warnings
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageOps, UnidentifiedImageError

from app.core.errors import Invalid

MAX_PIXELS = 25_000_000
MAX_BYTES = 30 * 1024 * 1024
SMALL_EDGE = 480
MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}

# Pillow itself warns over this and raises over twice this; the warning counts as an error too. Its documentation:
# "Image.MAX_IMAGE_PIXELS". Set once a process, before any thread opens a picture.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)
_unpacking = threading.BoundedSemaphore(2)


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """A picture that was looked at: the original's bytes and facts, and a JPEG of at most 480 pixels an edge."""

    original: bytes
    media_type: str
    width: int
    height: int
    sha256: str
    small: bytes


def prepare(content: bytes) -> PreparedImage:
    """Check and scale a PNG, JPEG or WebP. Raises Invalid, with the limit in the text, for anything else."""
    if len(content) > MAX_BYTES:
        raise Invalid(f"The picture is larger than {MAX_BYTES // 1024 // 1024} MB.", code="too_large")
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
            raise Invalid(
                "This is not a picture: PNG, JPEG and WebP can be read.", code="not_a_picture"
            ) from error
    digest = hashlib.sha256(content).hexdigest()
    return PreparedImage(content, MEDIA_TYPES[kind], width, height, digest, small)


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
    return Invalid(f"The picture has more than {MAX_PIXELS // 1_000_000} million pixels.", code="too_large")
