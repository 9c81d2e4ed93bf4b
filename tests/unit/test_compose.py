import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from matting_keras.cli import main
from matting_keras.data import sources
from matting_keras.data.augment import AugmentConfig
from matting_keras.data.pipeline import training_batches
from matting_keras.data.store import check
from matting_keras.data.synthetic import synthetic_scene
from matting_keras.data.trimap import unknown_band
from matting_keras.errors import InputError
from matting_keras.evaluate import held_back
from matting_keras.inference.foreground import estimate_foreground
from matting_keras.workshop.blend import Placement, blend, grain, lit, placed, random_placement
from matting_keras.workshop.compose import Settings, compose
from matting_keras.workshop.refine import refine
from tests.masks import roughened

MIDDLE = Placement(height=0.5, x=0.5, y=0.9, flip=False)


@pytest.fixture
def data(tmp_path):
    """A data folder of three people with soft alphas, and a folder of scenes."""
    for number in range(3):
        scene = synthetic_scene(number, 64, 56, people=1)
        for folder, values in (("images", scene.image), ("alphas", scene.alpha * 255)):
            (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray(np.rint(values).astype("uint8"))
            picture.save(tmp_path / "data" / folder / f"p{number}.png")
    (tmp_path / "scenes").mkdir()
    for number, colour in enumerate(("navy", "gold")):
        Image.new("RGB", (90, 70), colour).save(tmp_path / "scenes" / f"s{number}.png")
    return tmp_path / "data"


def disc(size: int = 64, radius: float = 12) -> np.ndarray:
    """A soft-edged disc in the middle: float32 alpha."""
    rows, columns = np.mgrid[0:size, 0:size] - (size - 1) / 2
    return np.clip(radius + 0.5 - np.hypot(rows, columns), 0, 1).astype("float32")


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_composites_of_refined_labels_are_near_the_exact_ones(seed):
    pytest.importorskip("pymatting")
    scene = synthetic_scene(seed, 192, 160, people=1)
    behind = synthetic_scene(seed + 50, 192, 160, people=0).image
    alpha = refine(scene.image, roughened(scene.alpha), "closed-form")
    colours = estimate_foreground(scene.image, alpha, "best").astype("float32")
    ours = blend(colours, alpha, behind, np.random.default_rng(0), strength=0)
    exact = scene.alpha[..., None] * scene.foreground + (1 - scene.alpha[..., None]) * behind
    assert np.abs(ours - exact).mean() <= 2


def test_no_fringe_of_the_old_background_travels_along():
    """A red disc cut from a green wall, in front of a blue one: green is nowhere."""
    alpha = disc()
    red, green, blue = (np.eye(3)[i] * 200 for i in range(3))
    photo = np.rint(alpha[..., None] * red + (1 - alpha[..., None]) * green).astype("uint8")
    behind = np.full((64, 64, 3), blue, "uint8")
    edge = unknown_band(alpha, 2)
    seen = {}
    for method in ("off", "fast", "best"):
        if method == "best":
            pytest.importorskip("pymatting")
        colours = estimate_foreground(photo, alpha, method)
        moved, share = placed(colours, alpha, (64, 64), Placement(0.6, 0.5, 0.8, True))
        mixed = blend(moved, share, behind, np.random.default_rng(0), strength=0)
        seen[method] = mixed[unknown_band(share, 2)][:, 1].max()
    assert edge.any()
    assert seen["off"] > 30
    assert seen["fast"] <= 12
    assert seen["best"] <= 12


def test_a_cut_out_goes_where_it_is_put():
    alpha = disc()
    colours = np.full((64, 64, 3), 100, "uint8")
    moved, share = placed(colours, alpha, (80, 120), Placement(0.5, 0.25, 0.9, False))
    rows, columns = np.nonzero(share > 0.5)
    assert rows.max() + 1 == pytest.approx(0.9 * 80, abs=1.5)
    assert rows.max() + 1 - rows.min() == pytest.approx(0.5 * 80, abs=2)
    assert (columns.max() + 1 + columns.min()) / 2 == pytest.approx(0.25 * 120, abs=1.5)
    assert np.abs(moved[share > 0.02] - 100).max() < 2


def test_soft_edges_stay_soft_and_exact_when_nothing_is_scaled():
    alpha = disc()
    box = np.flatnonzero((alpha > 0.5).any(1))
    placement = Placement(len(box) / 64, 0.5, (box[-1] + 1) / 64, False)
    _, share = placed(np.zeros((64, 64, 3), "uint8"), alpha, (64, 64), placement)
    np.testing.assert_allclose(share, alpha, atol=1e-5)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("side", ["left", "right", "bottom", "both"])
def test_nobody_ends_in_a_straight_line_in_mid_air(side, flip):
    alpha = np.zeros((60, 60), "float32")
    rows = slice(20, 60 if side == "bottom" else 50)
    columns = {"left": slice(0, 30), "right": slice(30, 60), "both": slice(0, 60)}.get(
        side, slice(15, 45)
    )
    alpha[rows, columns] = 1
    placement = Placement(0.4, 0.5, 0.6, flip)
    _, share = placed(np.zeros((60, 60, 3), "uint8"), alpha, (60, 80), placement)
    person = share > 0.5
    mirrored = {"left": "right", "right": "left"}.get(side, side) if flip else side
    reached = {
        "left": person[:, 0].any(),
        "right": person[:, -1].any(),
        "bottom": person[-1].any(),
        "both": person[:, 0].any() and person[:, -1].any(),
    }
    assert reached[mirrored]
    assert not person[0].any(), "its head stays in the picture"


def test_light_follows_the_scene_as_far_as_told():
    alpha = disc()
    person = np.full((64, 64, 3), 180, "float32")
    dark = np.full((64, 64, 3), 20, "float32")
    np.testing.assert_array_equal(lit(person, alpha, dark, 0), person)
    half, whole = (lit(person, alpha, dark, strength).mean() for strength in (0.5, 1))
    assert 130 - 1 < whole < half < 180


def test_grain_is_measured_and_matched():
    rng = np.random.default_rng(1)
    rows = np.arange(128)[:, None, None]
    clean = np.broadcast_to(60 + rows.astype("float32"), (128, 128, 3))
    noisy = clean + rng.normal(0, 8, (128, 128, 1))
    assert grain(clean) < 0.5
    assert grain(noisy) == pytest.approx(8, rel=0.15)
    alpha = disc(128, 50)
    mixed = blend(clean, alpha, np.clip(noisy, 0, 255).astype("uint8"), rng)
    assert grain(mixed, disc(128, 40)) == pytest.approx(8, rel=0.25)


def test_placements_are_drawn_within_reason():
    rng = np.random.default_rng(0)
    drawn = [random_placement(rng) for _ in range(200)]
    assert {placement.flip for placement in drawn} == {True, False}
    assert all(0.15 <= placement.x <= 0.85 for placement in drawn)
    assert min(p.height for p in drawn) < 0.5 < 1 < max(p.height for p in drawn)


def test_command_makes_a_data_folder(data, tmp_path, capsys):
    line = ["compose", str(data), "--backgrounds", str(tmp_path / "scenes"), "--processes", "0"]
    assert main([*line, "--count", "5", "--output", str(tmp_path / "out")]) == 0
    assert "5 composed, 3 cut out" in capsys.readouterr().out
    samples = sources.open_source(str(tmp_path / "out"), "all")
    assert len(samples) == 5
    # The same persons as in the folder they come from: nobody gets on both sides of a split.
    assert {s.person for s in samples} == {s.person for s in sources.open_source(str(data), "all")}
    assert not any(sample.rough for sample in samples)
    for sample in samples:
        image, alpha = sample.read()
        assert image.shape[:2] == alpha.shape
        assert 0.02 < alpha.mean() < 1
    rows = (tmp_path / "out" / "composites.jsonl").read_text().splitlines()
    facts = [json.loads(row) for row in rows]
    assert {fact["scene"] for fact in facts} <= {"s0.png", "s1.png"}
    before = {p: p.read_bytes() for p in (tmp_path / "out" / "images").iterdir()}
    assert main([*line, "--count", "5", "--output", str(tmp_path / "again")]) == 0
    for path, content in before.items():
        assert (tmp_path / "again" / "images" / path.name).read_bytes() == content


def test_cut_outs_are_shown_in_front_of_scenes_at_every_use(data, tmp_path):
    line = ["compose", str(data), "--backgrounds", str(tmp_path / "scenes"), "--processes", "0"]
    assert main([*line, "--count", "1", "--output", str(tmp_path / "out")]) == 0
    samples = sources.open_source(f"cutouts:{tmp_path / 'out' / 'cutouts'}", "train+validation")
    assert {s.person for s in samples} == {s.person for s in sources.open_source(str(data), "all")}
    options = {"channels": 3, "area": 4096, "quiet": True}
    people = check(samples, **options)
    behind = check(sources.backgrounds(tmp_path / "scenes"), **options).store
    still = AugmentConfig(0, (1, 1), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, composite=0, empty=0)
    common = (people.store, people.sizes, [(64, 64)], 3)
    batches = training_batches(*common, seed=0, config=still, scenes=behind)
    image, alpha = next(batches.as_numpy_iterator())
    colours = image[alpha[..., 0] == 0]
    assert len(colours)
    navy, gold = np.array([0, 0, 128]), np.array([255, 215, 0])
    away = np.minimum(*(np.abs(colours - colour).max(-1) for colour in (navy, gold)))
    assert away.max() < 2
    with pytest.raises(InputError, match="cut-outs have no background of their own"):
        training_batches(*common, seed=0, config=still)


def test_people_held_back_stay_in_place_before_scenes_held_back(data, tmp_path, monkeypatch):
    monkeypatch.setattr("matting_keras.workshop.compose.FRACTION", 0.5)
    for number in range(3, 12):
        scene = synthetic_scene(number, 64, 56, people=1)
        for folder, values in (("images", scene.image), ("alphas", scene.alpha * 255)):
            picture = Image.fromarray(np.rint(values).astype("uint8"))
            picture.save(data / folder / f"p{number}.png")
        colour = (20 * number, 255 - 20 * number, 40)
        Image.new("RGB", (90, 70), colour).save(tmp_path / "scenes" / f"s{number}.png")
    line = ["compose", str(data), "--backgrounds", str(tmp_path / "scenes"), "--processes", "0"]
    line += ["--people", "held-back", "--in-place", "--count", "3"]
    assert main([*line, "--output", str(tmp_path / "out")]) == 0
    kept = {Path(s.name).stem: s for s in held_back(sources.open_source(str(data), "all"), 0.5)}
    assert 0 < len(kept) < 12
    scenes = sources.split(sources.backgrounds(tmp_path / "scenes"), 0.5)[1]
    rows = (tmp_path / "out" / "composites.jsonl").read_text().splitlines()
    for fact in map(json.loads, rows):
        assert fact["cutout"] in kept
        assert fact["scene"] in {Path(scene.name).name for scene in scenes}
        alpha = np.asarray(Image.open(tmp_path / "out" / "alphas" / f"{fact['name']}.png"))
        known = kept[fact["cutout"]].read()[1]
        np.testing.assert_allclose(alpha / 255, known.reshape(alpha.shape), atol=1 / 255)


def test_where_nobody_is_held_back_it_is_said(data, tmp_path, monkeypatch):
    settings = Settings(str(tmp_path / "scenes"), held_back=True)
    monkeypatch.setattr("matting_keras.workshop.compose.FRACTION", 0.0)
    with pytest.raises(InputError, match="data: training holds back none of its pictures"):
        list(compose(data, tmp_path / "out", settings, 0))


def test_impossible_jobs_are_refused(data, tmp_path):
    scenes = str(tmp_path / "scenes")
    for settings, message in (
        (Settings(scenes, method="magic"), "--foreground magic: there are"),
        (Settings(scenes, count=0), "--count must be 1 or more"),
        (Settings(scenes, light=2), "--light is a share"),
        (Settings(str(tmp_path / "nowhere")), "no such folder"),
    ):
        with pytest.raises(InputError, match=message):
            list(compose(data, tmp_path / "out", settings, 0))
    (data / "alphas").rename(data / "masks")
    with pytest.raises(InputError, match="has rough masks"):
        list(compose(data, tmp_path / "out", Settings(scenes), 0))


def test_a_photo_without_anybody_is_listed(data, tmp_path, capsys):
    Image.new("L", (56, 64)).save(data / "alphas" / "p1.png")
    line = ["compose", str(data), "--backgrounds", str(tmp_path / "scenes"), "--processes", "0"]
    assert main([*line, "--count", "4", "--output", str(tmp_path / "out")]) == 1
    assert "p1.png: nobody is in it" in capsys.readouterr().err
    people = (tmp_path / "out" / "people.csv").read_text()
    assert "p1" not in people
    assert "p0" in people


def test_a_folder_that_is_not_there_is_named_as_it_was_given(tmp_path, capsys):
    """No --data: this command has none."""
    nowhere = str(tmp_path / "nowhere")
    line = ["compose", nowhere, "--count", "1", "--output", str(tmp_path / "out")]
    assert main([*line, "--backgrounds", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"error: {nowhere}: no such folder")
