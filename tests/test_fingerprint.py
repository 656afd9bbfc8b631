"""One decode gives everything that is kept of the pixels, and no bytes can break it."""

import io
import zlib

import imagehash
import numpy as np
import pytest
from conftest import jpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter, ImageOps, features

from carharvest.harvest.fingerprint import decode
from carharvest.harvest.hashes import detail_hash, hashed_light, mirror_hashes
from carharvest.harvest.pixels import UnusablePicture, reduced

MAX_PIXELS = 50_000_000


def file_of(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(seed: int = 1, size: tuple[int, int] = (320, 240)) -> Image.Image:
    return Image.open(io.BytesIO(jpeg(seed, size))).convert("RGB")


@given(st.integers(0, 2**32 - 1), st.integers(16, 90), st.integers(16, 90))
@settings(max_examples=50, deadline=None)
def test_the_hash_is_imagehash_s_on_the_same_pixels(seed: int, width: int, height: int) -> None:
    luma = Image.fromarray(np.random.default_rng(seed).integers(0, 255, (height, width), dtype=np.uint8))
    as_is, mirrored, flipped, rotated = mirror_hashes(luma)
    assert f"{as_is:016x}" == str(imagehash.phash(luma))
    for ours, turned in (
        (mirrored, ImageOps.mirror(luma)),
        (flipped, ImageOps.flip(luma)),
        (rotated, luma.rotate(180)),
    ):
        assert (ours ^ int(str(imagehash.phash(turned)), 16)).bit_count() <= 1  # resizing a mirror image rounds
    hashed = imagehash.phash(luma, hash_size=16).hash
    assert detail_hash(luma) == np.packbits(hashed).tobytes()


def test_the_decoded_hash_is_that_of_the_reduced_decode() -> None:
    data = jpeg(3, (1600, 1200))
    picture = reduced(data, max_pixels=MAX_PIXELS).image
    assert picture.size == (400, 300)
    light = hashed_light(picture.convert("L"))
    assert light.size == (128, 128)
    found = decode(data, max_pixels=MAX_PIXELS).fingerprint.phash
    assert f"{found:016x}" == str(imagehash.phash(light))
    whole = int(str(imagehash.phash(Image.open(io.BytesIO(data)))), 16)
    assert (found ^ whole).bit_count() <= 4


def test_sizes_are_those_a_person_sees() -> None:
    upright = picture(4)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to the right
    turned = file_of(upright.rotate(90, expand=True), "JPEG", exif=exif, quality=95)
    found = decode(turned, max_pixels=MAX_PIXELS).fingerprint
    straight = decode(file_of(upright, "JPEG", quality=95), max_pixels=MAX_PIXELS).fingerprint
    assert (found.width_px, found.height_px, found.exif_orientation) == (320, 240, 6)
    assert (found.phash ^ straight.phash).bit_count() <= 4


def test_the_thumbnail_is_small_and_opens() -> None:
    decoded = decode(jpeg(5, (1000, 700)), max_pixels=MAX_PIXELS)
    with Image.open(io.BytesIO(decoded.thumbnail)) as thumbnail:
        assert thumbnail.format == "JPEG"
        assert thumbnail.size == (375, 263)  # 3/8 of the picture
    small = decode(file_of(picture(5, (1000, 700)), "PNG"), max_pixels=MAX_PIXELS)
    with Image.open(io.BytesIO(small.thumbnail)) as thumbnail:
        assert max(thumbnail.size) == 256


def test_blur_darkness_and_emptiness_show() -> None:
    sharp = decode(jpeg(6), max_pixels=MAX_PIXELS).fingerprint
    soft = picture(6).filter(ImageFilter.GaussianBlur(6))
    assert decode(file_of(soft, "JPEG"), max_pixels=MAX_PIXELS).fingerprint.blur_var < 0.2 * sharp.blur_var
    dark = decode(file_of(picture(6).point(lambda v: v // 20), "PNG"), max_pixels=MAX_PIXELS).fingerprint
    assert dark.brightness < 0.05 < sharp.brightness
    plain = decode(file_of(Image.new("RGB", (200, 100), "grey"), "PNG"), max_pixels=MAX_PIXELS).fingerprint
    assert plain.contrast == 0


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "I;16", "1", "F"])
def test_odd_modes_decode(mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.arange(40_000, dtype=np.uint16).reshape(200, 200))
    else:
        image = picture(7).convert("L").convert("F") if mode == "F" else picture(7).convert(mode)
    found = decode(file_of(image, "TIFF" if mode in {"CMYK", "F"} else "PNG"), max_pixels=MAX_PIXELS).fingerprint
    assert found.width_px == image.width
    assert found.contrast > 0


@pytest.mark.parametrize(
    ("kind", "ext"),
    [("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("GIF", "gif"), ("BMP", "bmp"), ("TIFF", "tif")],
)
def test_the_extension_follows_the_content(kind: str, ext: str) -> None:
    assert decode(file_of(picture(8), kind), max_pixels=MAX_PIXELS).fingerprint.ext == ext


def test_mpo_avif_and_a_palette_with_alpha_decode() -> None:
    both = decode(
        file_of(picture(8), "MPO", save_all=True, append_images=[picture(9)]), max_pixels=MAX_PIXELS
    ).fingerprint
    alone = decode(file_of(picture(8), "JPEG"), max_pixels=MAX_PIXELS).fingerprint
    assert (both.format, both.ext, both.frames) == ("MPO", "jpg", 2)
    assert both.phash == alone.phash
    see_through = picture(8).convert("RGBA")
    see_through.putalpha(0)
    plain = decode(file_of(see_through.quantize(), "PNG"), max_pixels=MAX_PIXELS).fingerprint
    assert plain.brightness > 0.99  # transparency is white, as people see it
    if not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    avif = decode(file_of(picture(8), "AVIF"), max_pixels=MAX_PIXELS).fingerprint
    assert (avif.ext, (avif.phash ^ alone.phash).bit_count() <= 6) == ("avif", True)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_out_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.open(io.BytesIO(file_of(picture(4), "JPEG", exif=exif, quality=95)))
    upright = decode(file_of(ImageOps.exif_transpose(stored), "PNG"), max_pixels=MAX_PIXELS).fingerprint
    for kind in ("JPEG", "WEBP"):
        found = decode(file_of(picture(4), kind, exif=exif, quality=95), max_pixels=MAX_PIXELS).fingerprint
        assert (found.width_px, found.height_px) == (upright.width_px, upright.height_px)
        assert (found.phash ^ upright.phash).bit_count() <= 4


def test_several_frames_are_noted_and_the_first_is_taken() -> None:
    frames = [picture(9), picture(10)]
    data = file_of(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(data, max_pixels=MAX_PIXELS).fingerprint.frames == 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<!DOCTYPE html><title>Not found</title>", "not-a-picture"),
        (b'{"error": "no"}', "not-a-picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not-a-picture"),
        (b"\x00" * 100, "not-a-picture"),
        (jpeg(11)[:-2000], "damaged"),
        (file_of(picture(12), "PNG")[:-3000], "damaged"),
    ],
)
def test_unusable_bytes_have_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UnusablePicture) as raised:
        decode(data, max_pixels=MAX_PIXELS)
    assert raised.value.reason == reason


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    header = (50_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )
    with pytest.raises(UnusablePicture) as raised:
        decode(bomb, max_pixels=MAX_PIXELS)
    assert raised.value.reason == "too-many-pixels"


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_bytes_break_it(data: st.DataObject) -> None:
    start = data.draw(st.sampled_from([b"", jpeg(13, (64, 48)), file_of(picture(13, (64, 48)), "PNG")]))
    changed = bytearray(start + data.draw(st.binary(max_size=60)))
    for position in data.draw(st.lists(st.integers(0, max(0, len(changed) - 1)), max_size=8)):
        if changed:
            changed[position] = data.draw(st.integers(0, 255))
    try:
        assert decode(bytes(changed), max_pixels=MAX_PIXELS).fingerprint.width_px > 0
    except UnusablePicture as error:
        assert error.reason in {"not-a-picture", "damaged", "too-many-pixels"}
