"""Pictures: what is refused before it is unpacked, what is kept, what is scaled."""

import struct
import subprocess
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from io import BytesIO

import pillow_heif
import pytest
from PIL import Image
from sqlalchemy.orm import Session

from app.core.errors import Invalid, NotFound
from app.engine.contract import Category, StepError
from app.features.files import images, queries, service
from tests.fakes.openai_server import png
from tests.features.files.conftest import TINY, Shelf


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def bomb(side: int) -> bytes:
    """Return a small PNG that unpacks to side² pixels of one bit."""
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    row = b"\x00" * (1 + (side + 7) // 8)
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    parts = (b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts
    )


def test_a_picture_keeps_its_bytes_and_gets_a_small_jpeg(shelf: Shelf, session: Session) -> None:
    original = png(1024, 1536, 400_000)
    stored = shelf.image(session, png=original, prompt="A car at dusk " * 30)
    assert (stored.width, stored.height, stored.size_bytes) == (1024, 1536, len(original))
    assert (stored.media_type, len(stored.sha256), len(stored.alt)) == ("image/png", 64, 156)
    assert queries.blob(session, stored.id).content == original
    small = queries.blob(session, stored.id, "small")
    assert small.media_type == "image/jpeg"
    with Image.open(BytesIO(small.content)) as image:
        assert (image.format, image.size) == ("JPEG", (320, 480))
    assert len(small.content) < 120_000


def test_a_small_picture_is_not_blown_up() -> None:
    with Image.open(BytesIO(images.prepare(TINY).small)) as image:
        assert image.size == (8, 8)


def heic(width: int, height: int, **options: object) -> bytes:
    """Return a photo as a phone takes it: red on its left half, blue on its right."""
    pillow_heif.register_heif_opener()
    photo = Image.new("RGB", (width, height), "#c02020")
    photo.paste("#2020c0", (width // 2, 0, width, height))
    return encoded(photo, "HEIF", **options)


def test_a_phones_picture_becomes_an_upright_jpeg_without_the_place() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    exif[0x010E] = "secret place"
    made = images.prepare(heic(640, 480, exif=exif.tobytes()))
    assert (made.media_type, made.width, made.height) == ("image/jpeg", 480, 640)
    assert b"secret" not in made.original
    with Image.open(BytesIO(made.original)) as image:
        top, bottom = image.getpixel((240, 100)), image.getpixel((240, 540))
    assert isinstance(top, tuple)
    assert isinstance(bottom, tuple)
    assert top[0] > 150 > top[2]
    assert bottom[2] > 150 > bottom[0]


def test_a_phones_large_picture_is_kept_at_half_the_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_WHOLE_HEIF", 100_000)
    made = images.prepare(heic(640, 602))
    assert (made.width, made.height) == (320, 301)
    with Image.open(BytesIO(made.original)) as image:
        for row in (5, 150, 295):
            left, right = image.getpixel((60, row)), image.getpixel((260, row))
            assert isinstance(left, tuple)
            assert isinstance(right, tuple)
            assert (left[0] > 150, right[2] > 150) == (True, True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content[: len(content) // 2], "This is not a picture"),
        (lambda content: content[:12] + b"\xff" * 40, "This is not a picture"),
        (lambda content: content, "The picture has more than 0 million pixels."),
    ],
)
def test_a_phones_picture_that_cannot_be_used_is_refused(
    change: Callable[[bytes], bytes], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "million" in words:
        monkeypatch.setattr(images, "MAX_PIXELS", 1000)
    with pytest.raises(Invalid, match=words):
        images.prepare(change(heic(64, 64)))


def test_the_reader_of_phones_pictures_is_loaded_when_one_comes() -> None:
    code = "import sys, app.features.files.images; sys.exit('pillow_heif' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_small_picture_is_upright_on_white_and_without_metadata() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    exif[0x010E] = "secret place"
    lying = encoded(Image.new("RGB", (40, 20), "red"), "JPEG", exif=exif)
    with Image.open(BytesIO(images.prepare(lying).small)) as image:
        assert image.size == (20, 40)
        assert not image.getexif()
    clear = encoded(Image.new("RGBA", (10, 10), (0, 0, 0, 0)), "PNG")
    with Image.open(BytesIO(images.prepare(clear).small)) as image:
        assert image.getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.filterwarnings(
    "error::PIL.Image.DecompressionBombWarning"
)  # what the process does outside of pytest
@pytest.mark.parametrize("side", [5_200, 13_000])
def test_a_bomb_is_refused_before_it_is_unpacked(side: int) -> None:
    content = bomb(side)
    assert len(content) < 60_000
    tracemalloc.start()
    with pytest.raises(Invalid, match="more than 25 million pixels"):
        images.prepare(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"%PDF-1.7",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        encoded(Image.new("RGB", (9, 9)), "GIF"),
        png(64, 64, 9_000)[:4000],
        png(64, 64)[:30],
    ],
    ids=["empty", "pdf", "svg", "gif", "half", "header"],
)
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(Invalid, match="not a picture"):
        images.prepare(content)


def test_the_engine_is_told_in_its_own_words() -> None:
    class Bad:
        png = b"%PDF-1.7"

    with pytest.raises(StepError) as raised:
        service.prepare_image(Bad())
    assert (raised.value.category, raised.value.code) == (Category.AI_ANSWER, "not_a_picture")


def test_many_threads_scale_without_a_slip() -> None:
    content, sizes = png(300, 200, 50_000), []

    def work() -> None:
        with Image.open(BytesIO(images.prepare(content).small)) as image:
            sizes.append(image.size)

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == [(300, 200)] * 12


def test_lists_and_missing_blobs(shelf: Shelf, session: Session) -> None:
    made = shelf.images(session, 3)
    shelf.image(session, workspace_id=shelf.stranger_id)
    first = queries.images(session, shelf.workspace_id, limit=2)
    rest = queries.images(session, shelf.workspace_id, before=first[-1].id)
    assert [image.id for image in [*first, *rest]] == made[::-1]
    with pytest.raises(NotFound):
        queries.blob(session, made[0], "huge")  # type: ignore[arg-type]
