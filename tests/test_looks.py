"""Stages that judge what a photo looks like: content, audit, diversity, quality, watermark."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import coded, scene
from PIL import ImageDraw
from test_normalize import photo

from carharvest.normalize.audit import AuditStage, nearest, out_of_fold, suspicious
from carharvest.normalize.content import ContentStage
from carharvest.normalize.diversity import DiversityStage, farthest_first
from carharvest.normalize.overlay import overlay
from carharvest.normalize.quality import QualityStage
from carharvest.records import Label, Verdict
from carharvest.settings import (
    AuditSettings,
    ContentSettings,
    DiversitySettings,
    QualitySettings,
)

# --- content, audit, diversity -----------------------------------------------------------------------------


def shares(**classes: float) -> np.ndarray:
    row = np.full(1000, (1 - sum(classes.values())) / 1000)
    for name, share in classes.items():
        row[int(name[1:])] += share
    return row


@pytest.mark.parametrize(
    ("row", "entropy", "source", "kind", "drop"),
    [
        (shares(_817=0.9), 7.0, "pexels", None, None),
        (shares(_530=0.9), 2.0, "pexels", "logo", "logo"),
        (shares(_817=0.1), 2.0, "pexels", "logo", "logo"),
        (shares(_817=0.1), 7.0, "pexels", None, None),
        (shares(_530=0.99), 7.5, "pexels", "other", "no-car"),
        (shares(_530=0.99), 7.5, "sample", None, None),
        (shares(_530=0.99), 2.0, "sample", "logo", "logo"),
        (shares(_479=0.8), 7.0, "pexels", "part", None),
    ],
)
def test_content_says_what_a_photo_shows(
    row: np.ndarray, entropy: float, source: str, kind: str | None, drop: str | None
) -> None:
    seen = photo(1, entropy_bits=entropy)
    seen = replace(seen, sightings=(replace(seen.sightings[0], source=source),))
    stage = ContentStage(ContentSettings(), lambda hashes: np.ones((len(hashes), 4)), lambda _: row[None])
    opinions = list(stage.run([seen]))
    assert [o.value for o in opinions if isinstance(o, Label)] == ([kind] if kind else [])
    assert [o.reason for o in opinions if isinstance(o, Verdict) and not o.keep] == ([drop] if drop else [])


def test_without_a_thumbnail_content_says_nothing() -> None:
    stage = ContentStage(ContentSettings(), lambda hashes: np.zeros((len(hashes), 4)), lambda _: shares()[None])
    assert list(stage.run([photo(1)])) == []


def clouds(seed: int, count: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Two clouds of points, and which is which."""
    rng = np.random.default_rng(seed)
    of = np.arange(count) % 2
    return rng.normal(size=(count, 16)) + 2.5 * of[:, None] * (np.arange(16) < 4), of


@pytest.mark.parametrize("seed", [0, 1])
def test_audit_finds_flipped_labels_with_their_neighbours(seed: int) -> None:
    points, of = clouds(seed)
    flipped = {3, 20, 41, 77, 100}
    named = [1 - o if n in flipped else o for n, o in enumerate(of)]
    photos = [replace(photo(n + 1), labels={"brand": (("AUDI", "BMW")[name],)}) for n, name in enumerate(named)]
    by_sha = {p.sha256: points[p.id - 1] for p in photos}
    stage = AuditStage(AuditSettings(), lambda hashes: np.array([by_sha[h] for h in hashes]), seed=1)
    verdicts = list(stage.run(photos))
    assert {v.photo_id - 1 for v in verdicts} >= flipped - {41}
    assert len(verdicts) <= 9
    assert all(v.keep and v.reason == "wrong-brand" for v in verdicts)
    one = next(v for v in verdicts if v.photo_id == 4)
    assert one.evidence["likely"] == ("AUDI", "BMW")[of[3]]
    assert str(one.evidence["nearest"]).count(",") == 2
    believed = [replace(p, named_by_person=p.id == 4) for p in photos]
    assert 4 not in {v.photo_id for v in stage.run(believed)}
    acting = AuditStage(AuditSettings(drop=True), stage.embeddings, seed=1)
    assert not any(v.keep for v in acting.run(photos))


def test_audit_needs_two_brands_with_enough_photos() -> None:
    stage = AuditStage(AuditSettings(), lambda hashes: np.ones((len(hashes), 4)), seed=1)
    assert list(stage.run([replace(photo(n), labels={"brand": ("BMW",)}) for n in range(1, 30)])) == []


def test_nearest_leaves_out_the_photo_itself() -> None:
    points, of = clouds(3, 40)
    found = nearest(points, np.array([0, 5]))
    assert found.shape == (2, 3)
    assert 0 not in found[0]
    assert suspicious(out_of_fold(points, of, 0), of).mean() < 0.2


@given(st.integers(0, 1000), st.integers(2, 30), st.integers(1, 30))
def test_farthest_first_covers_what_it_leaves_out(seed: int, count: int, cap: int) -> None:
    points = np.random.default_rng(seed).normal(size=(count, 6))
    chosen, distance = farthest_first(points, cap)
    assert len(chosen) == len(set(chosen)) == min(cap, count)
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    expected = (1 - unit @ unit[chosen].T).min(axis=1)
    left = sorted(set(range(count)) - set(chosen))
    assert np.allclose(distance[left], expected[left])


def test_a_cap_keeps_the_most_different_and_those_a_person_keeps() -> None:
    points = np.array([[1, 0], [0.999, 0.02], [0.998, 0.03], [0, 1]])
    photos = [replace(photo(n + 1), labels={"brand": ("BMW",)}) for n in range(4)]
    by_sha = {p.sha256: points[p.id - 1] for p in photos}

    def stage(cap: int | None) -> DiversityStage:
        return DiversityStage(DiversitySettings(cap=cap), lambda hashes: np.array([by_sha[h] for h in hashes]))

    assert list(stage(None).run(photos)) == []
    assert len({v.photo_id for v in stage(2).run(photos)} & {1, 2, 3}) == 2
    wanted = [replace(p, kept_by_person=p.id == 3) for p in photos]
    assert {v.photo_id for v in stage(2).run(wanted)} == {1, 2}


# --- quality and overlays ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"width_px": 60}, {("too-small", False)}),
        ({"width_px": 4000, "height_px": 400}, {("odd-aspect", False)}),
        ({"brightness": 0.04, "contrast": 0.03}, {("dark", False)}),
        ({"brightness": 0.1, "contrast": 0.2}, set()),
        ({"brightness": 0.95, "contrast": 0.02}, {("bright", False)}),
        ({"entropy_bits": 0.7}, {("low-information", False)}),
        ({"contrast": 0.01}, {("empty", False)}),
        ({"blur_var": 3.0}, {("blurred", False)}),
        ({"colour": 0.1}, {("grey", True)}),
        ({"border": 0.3}, {("bordered", True)}),
        ({"frames": 12}, {("animated", True)}),
        ({"mode": "CMYK"}, {("odd-mode", True)}),
        ({"mode": "RGB"}, set()),
    ],
)
def test_quality_drops_faults_and_flags_oddities(changes: dict[str, object], said: set[tuple[str, bool]]) -> None:
    seen = replace(photo(1, **changes))
    assert {(v.reason, v.keep) for v in QualityStage(QualitySettings()).run([seen])} == said


def test_banners_and_letters_are_seen_and_a_plain_photo_is_not() -> None:
    plain = scene(1)
    assert overlay(coded(plain)).banner == 0
    assert overlay(coded(plain)).letters < 6
    barred, lettered = plain.copy(), plain.copy()
    draw = ImageDraw.Draw(barred)
    draw.rectangle((0, plain.height * 0.88, plain.width, plain.height), fill=(20, 40, 110))
    draw.text((plain.width / 2, plain.height * 0.94), "AUTO 24", fill="white", anchor="mm", font_size=20)
    assert overlay(coded(barred)).banner > 0.05
    ImageDraw.Draw(lettered).text((240, 120), "CARPICTURES", fill="white", anchor="mm", font_size=30)
    assert overlay(coded(lettered)).letters >= 6
