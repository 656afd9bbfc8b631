"""Whatever the bytes are: a photo or a failure with a reason; never a crash, never a hang. `make fuzz` looks longer."""

import io
import os
from pathlib import Path

import pytest
from conftest import jpeg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, features

from carharvest.blobs import BlobStore
from carharvest.harvest.keep import Kept, Refused, Stores, kept

CASES = int(os.environ.get("FUZZ_CASES", "150"))
SLOWEST_MS = 10_000  # a case that takes longer counts as a hang
REASONS = {"not-a-picture", "too-many-pixels", "damaged"}


def seeds() -> list[bytes]:
    """Small real files of every format that is taken, plain and odd."""
    picture = Image.open(io.BytesIO(jpeg(1, (64, 48)))).convert("RGB")
    kinds: list[tuple[str, Image.Image, dict[str, object]]] = [
        ("JPEG", picture, {}),
        ("JPEG", picture, {"progressive": True, "quality": 40}),
        ("JPEG", picture.convert("L"), {}),
        ("JPEG", picture.convert("CMYK"), {}),
        ("PNG", picture, {}),
        ("PNG", picture.convert("P"), {}),
        ("PNG", picture.convert("RGBA"), {}),
        ("GIF", picture, {}),
        ("BMP", picture, {}),
        ("TIFF", picture, {}),
        ("TIFF", picture, {"compression": "tiff_lzw"}),
        ("WEBP", picture, {}),
        ("MPO", picture, {"save_all": True, "append_images": [picture]}),
    ]
    if features.check("avif"):
        kinds.append(("AVIF", picture, {}))
    made = []
    for kind, image, options in kinds:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        made.append(buffer.getvalue())
    return made


SEEDS = seeds()


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Stores:
    root: Path = tmp_path_factory.mktemp("fuzz")
    return Stores(BlobStore(root / "blobs"), BlobStore(root / "thumbs"), 10**7, 10**7)


@st.composite
def damaged_pictures(draw: st.DrawFn) -> bytes:
    """A real picture with bytes of its head (mostly) changed, cut out, doubled, or its end cut off."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 6))):
        most = min(len(data), 200 if draw(st.booleans()) else len(data))
        at = draw(st.integers(0, max(0, most - 1)))
        match draw(st.sampled_from(["set", "insert", "delete", "double", "cut", "long"])):
            case "set" if data:
                data[at] = draw(st.integers(0, 255))
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=8))
            case "delete":
                del data[at : at + draw(st.integers(1, 8))]
            case "double":
                data[at:at] = data[at : at + 32]
            case "cut":
                del data[max(1, len(data) - draw(st.integers(1, len(data) or 1))) :]
            case "long":
                data[at : at + 4] = draw(st.integers(0, 2**32 - 1)).to_bytes(4, "big")
    return bytes(data)


def check(data: bytes, stores: Stores) -> None:
    found = kept(data, stores)
    if isinstance(found, Kept):
        assert stores.blobs.path(found.sha256, found.fingerprint.ext).read_bytes() == data
        assert found.fingerprint.width_px * found.fingerprint.height_px <= stores.max_pixels
    else:
        assert isinstance(found, Refused)
        assert found.reason in REASONS, found


@given(data=damaged_pictures())
@settings(max_examples=CASES, deadline=SLOWEST_MS, suppress_health_check=list(HealthCheck))
def test_damaged_pictures(data: bytes, stores: Stores) -> None:
    check(data, stores)


_BEGINNINGS = st.sampled_from([seed[:12] for seed in SEEDS])


@given(data=st.binary(max_size=400) | st.builds(bytes.__add__, _BEGINNINGS, st.binary(max_size=400)))
@settings(max_examples=CASES, deadline=SLOWEST_MS, suppress_health_check=list(HealthCheck))
def test_arbitrary_bytes(data: bytes, stores: Stores) -> None:
    check(data, stores)
