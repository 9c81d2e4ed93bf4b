import logging

import numpy as np
import pytest
from PIL import Image

from matting_keras.data import sources
from matting_keras.data.store import Store, check, pack
from matting_keras.errors import InputError


def sample(name: str, person: str, folder: str = "a") -> sources.Sample:
    blank = np.zeros((4, 4, 3), "uint8"), np.zeros((4, 4), "float32")
    return sources.Sample(name, lambda: blank, f"{folder}/{person}")


def test_folder_pairs_by_stem_and_prefers_alphas(pairs):
    root = pairs(4)
    (root / "alphas").mkdir()
    Image.new("L", (24, 32), 99).save(root / "alphas" / "p1.png")
    Image.new("RGB", (24, 32)).save(root / "images" / "alone.jpg")
    found = sources.folder(root)
    assert [s.name.rsplit("/", 1)[1] for s in found] == ["p0.png", "p1.png", "p2.png", "p3.png"]
    assert [s.rough for s in found] == [True, False, True, True]
    rgb, alpha = found[1].read()
    assert rgb.shape == (32, 24, 3)
    np.testing.assert_allclose(alpha, 99 / 255, atol=1e-6)


def test_people_csv_says_who_is_who(pairs):
    root = pairs(3)
    (root / "people.csv").write_text("p0,ada\np2,ada\n")
    assert [s.person.split("/")[1] for s in sources.folder(root)] == ["ada", "p1", "ada"]
    (root / "people.csv").write_text("p0,ada,x\n")
    with pytest.raises(InputError, match=r"people\.csv, line 1: expected 'stem,person'"):
        sources.folder(root)


def test_folder_without_pairs(tmp_path):
    with pytest.raises(InputError, match="no such folder; expected a folder with images/"):
        sources.folder(tmp_path / "nowhere")
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "a.png")
    with pytest.raises(InputError, match=r"no pairs in it \(images/ 1, alphas/ 0, masks/ 0 files"):
        sources.folder(tmp_path)


def test_mask_of_another_size(pairs):
    root = pairs(1)
    Image.new("L", (5, 7)).save(root / "masks" / "p0.png")
    with pytest.raises(InputError, match=r"p0\.png: is 5x7 but its image p0\.png is 24x32"):
        sources.folder(root)[0].read()


def test_split_keeps_people_together_and_never_moves_them():
    samples = [sample(f"{p}-{i}", str(p)) for p in range(300) for i in range(2)]
    train, held = sources.split(samples, 0.1)
    assert 0.05 < len(held) / len(samples) < 0.15
    assert not {s.person for s in train} & {s.person for s in held}
    more = [sample("new", "someone new"), *samples]
    assert {s.name for s in held} <= {s.name for s in sources.split(more, 0.1)[1]}


def test_lookalikes_become_one_person_within_a_folder():
    rng = np.random.default_rng(0)
    one, other = rng.uniform(0, 255, (2, 16, 16))
    thumbnails = np.stack([one, other, one * 0.8 + 20, one])
    samples = [sample(str(i), str(i), "b" if i == 3 else "a") for i in range(4)]
    grouped = sources.group_lookalikes(samples, thumbnails)
    assert [s.person for s in grouped] == ["a/0", "a/1", "a/0", "b/3"]


def test_pack_shrinks_and_keeps_soft_alpha():
    alpha = np.tile(np.linspace(0, 1, 64, dtype="float32"), (32, 1))
    rgb = np.zeros((32, 64, 3), "uint8")
    rgb[..., 1] = 200
    packed = pack(rgb, alpha, channels=1, area=16 * 32)
    assert packed.shape == (16, 32, 2)
    assert set(np.unique(packed[..., 0])) == {round(200 * 0.587)}
    np.testing.assert_allclose(
        packed[0, :, 1] / 255, alpha[0].reshape(32, 2).mean(1), atol=1.5 / 255
    )
    assert pack(rgb, alpha, channels=3, area=10**6).shape == (32, 64, 4)


def test_check_lists_what_is_broken_and_skips_one_percent(pairs, caplog):
    root = pairs(100)
    (root / "images" / "p7.png").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        checked = check(sources.folder(root), 1, 10**6, quiet=True)
    assert len(checked.store) == len(checked.sizes) == len(checked.thumbnails) == 99
    assert "p7.png" in checked.rejected[0][0]
    assert "p7.png" in caplog.text


def test_check_refuses_more_than_one_percent(pairs):
    root = pairs(20)
    for i in (3, 4):
        (root / "masks" / f"p{i}.png").write_text("not a picture")
    with pytest.raises(InputError, match=r"2 of 20 pairs cannot be used(.|\n)*p3\.png(.|\n)*p4"):
        check(sources.folder(root), 1, 10**6, quiet=True)


def test_store_keeps_what_fits_the_budget_and_reads_the_rest_again():
    reads = []

    def read(i):
        reads.append(i)
        return np.full((8, 8, 3), i, "uint8"), np.ones((8, 8), "float32")

    samples = [sources.Sample(str(i), lambda i=i: read(i), str(i)) for i in range(3)]
    store = Store(samples, channels=1, area=10**6, budget=2 * 8 * 8 * 2)
    for _ in range(2):
        for i in range(3):
            assert store[i][0, 0, 0] == i
    assert reads == [0, 1, 2, 2]
    part = store.subset([2, 1])
    assert part[1][0, 0, 0] == 1
    assert reads == [0, 1, 2, 2]


def test_backgrounds_are_scenes_without_people(tmp_path):
    (tmp_path / "rooms").mkdir()
    Image.new("RGB", (8, 6), "red").save(tmp_path / "rooms" / "a.png")
    (tmp_path / "rooms" / "._a.png").touch()  # which a Mac leaves beside it
    (scene,) = sources.backgrounds(tmp_path)
    rgb, alpha = scene.read()
    assert rgb.shape == (6, 8, 3)
    assert not alpha.any()
    with pytest.raises(InputError, match="no such folder"):
        sources.backgrounds(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no pictures in it"):
        sources.backgrounds(tmp_path / "empty")
