"""The parts of the trainer: pictures, chance, losses, imbalance, checks."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402  after the check that torch is there

from train_adapter.augment import Changes, flipped, middle  # noqa: E402
from train_adapter.checks import cheap_checks, thorough_checks  # noqa: E402
from train_adapter.decode import pixels  # noqa: E402
from train_adapter.device import pick_device  # noqa: E402
from train_adapter.errors import TrainingError  # noqa: E402
from train_adapter.folder import Part, PhotoFacts, mirrored_classes, read_folder  # noqa: E402
from train_adapter.imbalance import class_weights, logit_offset, sampler_odds  # noqa: E402
from train_adapter.loading import EpochSampler, PictureData, collate, loader  # noqa: E402
from train_adapter.losses import box_iou, box_loss, focal_loss  # noqa: E402
from train_adapter.network import Network  # noqa: E402
from train_adapter.pictures import Pictures, pictures  # noqa: E402
from train_adapter.progress import silent  # noqa: E402
from train_adapter.recipe import Augment, load_recipe  # noqa: E402
from train_adapter.recipe import Image as Seen  # noqa: E402
from train_adapter.train import network_of  # noqa: E402

VIEWS = ("background", "front", "front-left", "front-right", "rear", "rear-left", "rear-right")
COUNTS = st.lists(st.integers(1, 500), min_size=2, max_size=12)


def test_pixels_are_the_whole_photo_upright_on_white(tmp_path: Path) -> None:
    logo = Image.new("RGBA", (80, 40), (0, 0, 0, 0))
    logo.paste((255, 0, 0, 255), (0, 0, 40, 40))
    logo.save(tmp_path / "logo.png")
    square = pixels(tmp_path / "logo.png", 32)
    assert square.shape == (32, 32, 3)
    assert square[16, 28].tolist() == [255, 255, 255]
    assert square[16, 4].tolist() == [255, 0, 0]
    exif = Image.Exif()
    exif[0x0112] = 3
    buffer = io.BytesIO()
    logo.convert("RGB").save(buffer, "JPEG", exif=exif, quality=95)
    (tmp_path / "turned.jpg").write_bytes(buffer.getvalue())
    assert pixels(tmp_path / "turned.jpg", 32)[16, 28, 0] > 200
    wide = Image.new("RGB", (90, 30), (0, 0, 255))
    wide.paste((255, 0, 0), (30, 0, 60, 30))
    wide.save(tmp_path / "wide.png")
    assert np.ptp(pixels(tmp_path / "wide.png", 30, "crop").reshape(-1, 3), axis=0).tolist() == [0, 0, 0]
    padded = pixels(tmp_path / "wide.png", 30, "pad")
    assert padded[0, 15].tolist() == [124, 116, 104] and padded[15, 15].tolist() == [255, 0, 0]


def test_jpegs_are_decoded_as_pillow_does(tmp_path: Path) -> None:
    """At a fraction of their size, so not to the last bit."""
    rng = np.random.default_rng(3)
    rough = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)).resize(
        (800, 600), Image.Resampling.BICUBIC
    )
    for mode in ("RGB", "L", "CMYK"):
        rough.convert(mode).save(tmp_path / f"{mode}.jpg", quality=92)
        wanted = np.asarray(
            Image.open(tmp_path / f"{mode}.jpg").convert("RGB").resize((96, 96), Image.Resampling.BICUBIC)
        )
        found = pixels(tmp_path / f"{mode}.jpg", 96)
        assert np.abs(found.astype(int) - wanted).mean() < 2.5


def test_a_cache_is_shared_and_knows_when_it_is_stale(stripes: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(stripes, tmp_path / "folder"))
    cache = tmp_path / "cache"

    def read(px: int = 16, fit: str = "squash") -> Pictures:
        return pictures(read_folder(root).parts["train"], px, fit, cache, silent)

    first = read()
    assert first[3].shape == (16, 16, 3)
    assert np.array_equal(first[3], pixels(first.part.files[3], 16))
    (kept,) = cache.iterdir()
    begun = kept.stat().st_mtime_ns
    assert np.array_equal(read()[5], first[5]) and kept.stat().st_mtime_ns == begun
    assert np.load(kept, allow_pickle=False).dtype == np.uint8
    read(px=20)
    read(fit="crop")
    assert len(list(cache.iterdir())) == 3
    shutil.copy(root / "val" / "DOWN" / "1.png", root / "train" / "DOWN" / "1.png")
    again = read()
    assert len(list(cache.iterdir())) == 4
    assert np.array_equal(again[17], pixels(root / "val" / "DOWN" / "1.png", 16))


def test_a_broken_decode_leaves_no_cache(stripes: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(stripes, tmp_path / "folder"))
    (root / "train" / "DOWN" / "9.png").write_bytes(b"nothing")
    with pytest.raises(TrainingError, match=r"9\.png"):
        pictures(read_folder(root).parts["train"], 16, "squash", tmp_path / "cache", silent)
    assert list((tmp_path / "cache").iterdir()) == []


def test_without_room_for_a_cache_the_files_are_read(
    stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = read_folder(stripes).parts["val"]
    kept = pictures(part, 16, "squash", tmp_path / "cache", silent)
    monkeypatch.setattr("train_adapter.pictures.shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    direct = pictures(part, 16, "squash", tmp_path / "none", silent)
    assert list((tmp_path / "none").iterdir()) == []
    assert all(np.array_equal(direct[n], kept[n]) for n in range(len(part)))


def test_chance_is_the_same_for_any_number_of_workers_and_another_each_epoch(stripes: Path, tmp_path: Path) -> None:
    part = read_folder(stripes).parts["val"]
    kept = pictures(part, 40, "squash", tmp_path, silent)
    image, augment = (
        Seen(px=32, load_px=40),
        Augment(flip=True, crop=0.5, jitter=0.4, erase=0.5, policy="trivialaugment"),
    )

    def epoch(number: int, workers: int) -> torch.Tensor:
        sampler = EpochSampler(len(part), 7, shuffle=True)
        sampler.set_epoch(number)
        data = PictureData(kept, image, Changes(augment, image, (0, 1)), seed=7, boxes=False)
        return torch.cat([batch.inputs for batch in loader(data, sampler, 5, workers)])

    torch.manual_seed(1)
    alone = epoch(0, 0)
    torch.manual_seed(2)
    assert torch.equal(alone, epoch(0, 1))
    assert not torch.equal(alone, epoch(1, 0))


def test_mirrors_swap_sides_or_are_off() -> None:
    swapped = mirrored_classes(VIEWS)
    assert swapped is not None
    assert [VIEWS[n] for n in swapped] == [
        "background", "front", "front-right", "front-left", "rear", "rear-right", "rear-left",
    ]  # fmt: skip
    assert mirrored_classes(("BMW front_left", "BMW front_right", "AUDI Front-Left", "AUDI Front-Right")) == (
        1,
        0,
        3,
        2,
    )
    assert mirrored_classes(("AUDI", "BMW")) == (0, 1)
    assert mirrored_classes(("front", "front-left")) is None
    square = np.zeros((32, 32, 3), np.uint8)
    square[:, :16] = 255
    changes = Changes(Augment(flip=True), Seen(px=32), swapped)
    seen = set()
    for seed in range(20):
        torch.manual_seed(seed)
        picture, target, box = changes(square, VIEWS.index("front-left"), (0.0, 0.0, 0.5, 1.0))
        left = bool(picture[0, 0, 0])
        seen.add((left, VIEWS[target], box))
    assert seen == {(True, "front-left", (0.0, 0.0, 0.5, 1.0)), (False, "front-right", (0.5, 0.0, 1.0, 1.0))}
    off = Changes(Augment(flip=True), Seen(px=32), mirrored_classes(("front", "front-left")))
    assert all(off(square, 1, None)[0][0, 0, 0] == 255 for _ in range(20))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 0.6), st.floats(0.05, 0.6), st.floats(0.15, 0.4), st.floats(0.15, 0.4))
def test_boxes_stay_on_the_car(seed: int, left: float, top: float, width: float, height: float) -> None:
    """Whatever chance does to the geometry, the box is where the white rectangle went."""
    side = 80
    box = (left, top, min(1.0, left + width), min(1.0, top + height))
    square = np.zeros((side, side, 3), np.uint8)
    x1, y1, x2, y2 = (round(share * side) for share in box)
    square[y1:y2, x1:x2] = 255
    image = Seen(px=64, load_px=80)
    torch.manual_seed(seed)
    picture, _, moved = Changes(Augment(flip=True, crop=0.5), image, (0,))(square, 0, box)
    rows, columns = np.nonzero(picture[0].numpy() > 127)
    if moved is None:
        assert len(rows) <= 0.01 * 64 * 64
        return
    if len(rows):
        seen = columns.min() / 64, rows.min() / 64, (columns.max() + 1) / 64, (rows.max() + 1) / 64
        assert np.abs(np.array(moved) - seen).max() < 0.06


def test_the_middle_is_cut_with_its_box() -> None:
    square = np.zeros((40, 40, 3), np.uint8)
    square[10:30, 10:20] = 255
    picture, box = middle(square, Seen(px=32, load_px=40), (0.25, 0.25, 0.5, 0.75))
    assert picture.shape == (3, 32, 32)
    assert box == pytest.approx((6 / 32, 6 / 32, 16 / 32, 26 / 32))
    assert flipped(box) == pytest.approx((16 / 32, 6 / 32, 26 / 32, 26 / 32))


@given(COUNTS)
def test_weights_favour_the_rare_and_leave_the_whole_as_it_is(counts: list[int]) -> None:
    for word in ("balanced", "sqrt", "effective"):
        weights = class_weights([word], counts)
        assert weights is not None
        n = torch.tensor(counts, dtype=torch.float32)
        assert float((weights * n).sum() / n.sum()) == pytest.approx(1.0, rel=1e-4)
        order = torch.argsort(n, stable=True)
        assert (weights[order].diff() <= 1e-6).all()
    assert class_weights(["none"], counts) is None


@given(COUNTS)
def test_a_sampler_makes_classes_alike(counts: list[int]) -> None:
    targets = [target for target, count in enumerate(counts) for _ in range(count)]
    odds = sampler_odds(["sampler"], targets)
    assert odds is not None
    shares = torch.zeros(len(counts), dtype=torch.double).index_add(0, torch.tensor(targets), odds)
    assert torch.allclose(shares, shares[0].expand(len(counts)))
    assert sampler_odds(["focal"], targets) is None


def test_logit_adjustment_is_undone_by_frequency() -> None:
    """Logits that say nothing but how frequent classes are become alike once the offset is what training adds."""
    counts = [80, 15, 5]
    offset = logit_offset(["logit-adjustment"], counts, 1.0)
    assert offset is not None
    assert offset.exp().tolist() == pytest.approx([0.8, 0.15, 0.05])
    assert logit_offset(["none"], counts, 1.0) is None


@given(st.integers(0, 1000), st.floats(0, 0.3), st.booleans())
def test_focal_at_gamma_zero_is_cross_entropy(seed: int, smoothing: float, weighted: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(6, 4, generator=generator)
    hard = torch.randint(4, (6,), generator=generator)
    soft = torch.rand(6, 4, generator=generator).softmax(dim=1)
    weights = torch.rand(4, generator=generator) + 0.5 if weighted else None
    for targets in (hard, soft):
        ours = focal_loss(logits, targets, 0.0, weights, smoothing)
        theirs = F.cross_entropy(logits, targets, weights, label_smoothing=smoothing)
        assert float(ours) == pytest.approx(float(theirs), abs=1e-5)
        assert focal_loss(logits, targets, 2.0, weights, smoothing) <= ours + 1e-6


def test_boxes_are_compared_as_torchvision_does() -> None:
    from torchvision.ops import box_iou as torchvision_iou

    generator = torch.Generator().manual_seed(4)
    corners = torch.rand(50, 2, generator=generator) * 0.5
    found = torch.cat([corners, corners + torch.rand(50, 2, generator=generator) * 0.5], dim=1)
    true = found.roll(1, dims=0)
    assert torch.allclose(box_iou(found, true), torchvision_iou(found, true).diagonal(), atol=1e-5)
    assert float(box_loss(true, true)) == pytest.approx(0, abs=1e-4)
    assert box_loss(found, true) > 0
    unknown = torch.full((50, 4), float("nan"))
    assert float(box_loss(found, unknown)) == 0


def test_devices_that_are_not_there_are_refused() -> None:
    assert pick_device("cpu").precision("auto") == "32-true"
    assert pick_device("auto").accelerator in ("cpu", "cuda", "mps")
    with pytest.raises(TrainingError, match="tpu"):
        pick_device("tpu")


def test_the_checks_see_what_is_wrong(stripes: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(stripes, tmp_path / "folder"))
    Image.open(root / "train" / "DOWN" / "3.png").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(
        root / "test" / "DOWN" / "mirrored.jpg", quality=95
    )
    recipe = load_recipe("fast-cpu", ["image.px=64"])

    folder = read_folder(root)
    kept = {name: pictures(part, 64, "squash", tmp_path / "cache", silent) for name, part in folder.parts.items()}

    def checked(network: Network) -> dict[str, tuple[bool, str]]:
        found = [
            *cheap_checks(network, recipe, folder, kept, despite_leaks=False),
            *thorough_checks(network, recipe, folder, kept, seed=1),
        ]
        return {check.name: (check.ok, check.told) for check in found}

    sound = checked(network_of(recipe, 2, 1))
    assert {name for name, (ok, _) in sound.items() if not ok} == {"look-alikes"}
    assert "train/DOWN/3.png and test/DOWN/mirrored.jpg" in sound["look-alikes"][1]
    broken = network_of(recipe, 2, 1)
    broken.body.bn2 = torch.nn.Identity()
    broken.body.conv_head.weight.data.zero_()  # nothing comes through
    broken.head[-1].bias.data[:] = torch.tensor([3.0, -3.0])
    broken.mean += 0.1
    found = checked(broken)
    assert not any(found[name][0] for name in ("initial loss", "normalisation", "look-alikes"))


def test_boxes_of_a_split_are_shares_of_the_picture(stripes: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(stripes, tmp_path / "folder"))
    told = {"file": "train/DOWN/3.png", "view": "rear", "source": "pexels", "width_px": 200, "height_px": 100}
    told["boxes"] = [[0, 0, 10, 10], [50, 20, 150, 80]]
    (root / "photos.jsonl").write_text(json.dumps(told) + "\n")
    part = read_folder(root).parts["train"]
    facts = part.facts_of([f.name for f in part.files].index("3.png", 16))
    assert facts == PhotoFacts("rear", "pexels", 200, 100, (0.25, 0.2, 0.75, 0.8))
    assert part.facts_of(0) == PhotoFacts()
    batch = collate(
        [(torch.zeros(3, 4, 4, dtype=torch.uint8), 1, facts.box), (torch.zeros(3, 4, 4, dtype=torch.uint8), 0, None)]
    )
    assert batch.boxes[0].tolist() == pytest.approx([0.25, 0.2, 0.75, 0.8])
    assert batch.boxes[1].isnan().all()
    assert Part("train", (), ()).facts_of(3) == PhotoFacts()
