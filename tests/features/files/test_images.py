"""Pictures: what is refused before it is unpacked, what is kept, what is scaled."""

import struct
import threading
import tracemalloc
import zlib
from io import BytesIO

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
