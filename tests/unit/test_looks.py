"""A photo that is looked at twice: mirrored, and closer or finer where that shows more."""

import numpy as np
import pytest
from PIL import Image

from matting_keras import Matter, cli
from matting_keras.errors import InputError
from matting_keras.evaluate import evaluate
from matting_keras.inference.finish import Finish
from matting_keras.inference.looks import SEARCH, SecondLook, joined, searched
from matting_keras.inference.pipeline import matte, prepare
from matting_keras.inference.windows import Window, closer
from matting_keras.media.images import Photo
from matting_keras.weights.presets import PRESETS, find

AREA = 96 * 128
FINER = 3


class Bright:
    """A network that takes what is bright for a person, and likes the left half better."""

    name, device, metadata = "bright", "CPU", {"matting_keras.area": "1024"}

    def __init__(self, right: float = 1.0):
        self.seen, self._right = [], right

    def run(self, batch):
        self.seen.append(batch.shape[1:3])
        alpha = batch[..., :1] / 255
        alpha[:, :, batch.shape[2] // 2 :] *= self._right
        return alpha


def looked(network, picture: np.ndarray, looks: int = 2, **options) -> np.ndarray:
    prepared = prepare(Photo(picture, options.pop("own", None)), AREA, **options)
    again = SecondLook(network, AREA, Finish(), FINER) if looks == 2 else None
    return matte([prepared], network, again)[0]


def disc(centre: tuple[int, int], radius: int, size=(600, 800)) -> np.ndarray:
    rows, columns = np.mgrid[: size[0], : size[1]]
    far = np.hypot(rows - centre[0], columns - centre[1])
    return np.clip(radius + 0.5 - far, 0, 1).astype(np.float32)


def photo_of(alpha: np.ndarray) -> np.ndarray:
    return np.repeat((255 * alpha).astype(np.uint8)[..., None], 3, axis=2)


def test_the_surer_look_counts_for_more_and_stays_in_place():
    alpha = np.zeros((96, 128), np.float32)
    alpha[8:, :20], alpha[:88, 100:] = 1, 1
    network = Bright(right=0.5)
    twice = looked(network, photo_of(alpha), refine="off")
    assert network.seen == [(96, 128)] * 2 and twice.dtype == np.float32
    sure, doubtful = 0.55**2, 0.05**2
    wanted = (sure + 0.5 * doubtful) / (sure + doubtful)
    np.testing.assert_allclose(twice, wanted * alpha, atol=1e-6)


@pytest.mark.parametrize("centre", [(90, 100), (300, 400), (555, 700), (310, 20)])
@pytest.mark.parametrize("refine", ["off", "guided"])
def test_who_is_small_is_seen_closer_and_stays_in_place(centre, refine):
    alpha = disc(centre, 60)
    network = Bright()
    once, twice = (looked(network, photo_of(alpha), n, refine=refine) for n in (1, 2))
    assert len(network.seen) == 3
    assert np.prod(network.seen[2]) < 1.2 * FINER * AREA, "no more work than a finer look"
    if refine == "off":
        assert np.abs(twice - alpha).mean() < 0.6 * np.abs(once - alpha).mean()
    for axis, length in enumerate(alpha.shape):
        places = np.arange(length) * 1.0
        middles = [(a.sum(1 - axis) @ places) / a.sum() for a in (twice, alpha)]
        assert abs(middles[0] - middles[1]) < 0.7


@pytest.mark.parametrize(("certain", "kept"), [(0.45, True), (0.35, False)])
def test_who_is_too_small_for_the_first_look_is_searched_for(certain, kept):
    there, looks = np.zeros((96, 128), np.float32), []

    def look(area: int) -> np.ndarray:
        looks.append(area)
        found = np.zeros((192, 256), np.float32)
        found[80:120, 100:140] = 0.9
        found[80 : 80 + int(40 * certain), 100:140] = 1
        return found

    found = searched(there, (600, 800), AREA, look)
    assert looks == [SEARCH * AREA]
    assert found.shape == ((192, 256) if kept else there.shape) and (found is there) != kept
    # Nor is anything searched in a picture that has no more to show, or where somebody is.
    assert searched(there, (110, 130), AREA, look) is there
    there[20:60, 20:60] = 1
    assert searched(there, (600, 800), AREA, look) is there
    assert len(looks) == 1
    # Who is large would have been seen before.
    large = np.ones((192, 256), np.float32)
    assert searched(0 * there, (600, 800), AREA, lambda area: large) is not large
    # A small picture is searched as far as it goes.
    searched(0 * there, (160, 200), AREA, look)
    assert looks[-1] == 160 * 200


def test_a_closer_look_is_believed_more():
    class Blind(Bright):
        """Sees of who is far away only what is around them."""

        def run(self, batch):
            alpha = super().run(batch)
            for one in alpha:
                rows, columns = np.nonzero(one[..., 0] > 0.5)
                row, column = int(rows.mean()), int(columns.mean())
                if np.ptp(rows) < 40:
                    one[row - 3 : row + 3, column - 3 : column + 3] = 0
            return alpha

    alpha = disc((400, 300), 90)
    once, twice = (looked(Blind(), photo_of(alpha), n, refine="off") for n in (1, 2))
    assert once[395:405, 295:305].max() < 0.1
    assert twice[395:405, 295:305].min() > 0.7


def test_what_lies_outside_of_the_closer_look_stays():
    alpha = np.maximum(disc((200, 200), 80), disc((500, 700), 6))
    once, twice = (looked(Bright(), photo_of(alpha), looks, refine="off") for looks in (1, 2))
    changed = np.abs(once - twice)
    assert changed[100:300, 100:300].max() > 0.2
    assert changed[480:520, 680:720].max() < 0.1 < 0.4 < twice[500, 700]


def test_a_picture_keeps_its_own_transparency():
    alpha, own = disc((300, 400), 60), np.zeros((600, 800), np.float32)
    own[:300] = 1
    twice = looked(Bright(), photo_of(alpha), own=own)
    assert twice[250, 400] > 0.9 and twice[300:].max() == 0


def test_pictures_of_one_shape_have_looks_of_their_own():
    discs = [((300, 400), 60), ((300, 400), 500), ((100, 100), 30), ((-50, 0), 1)]
    alphas = [disc(*numbers) for numbers in discs]
    pictures = [photo_of(alpha) for alpha in alphas]
    network = Bright()
    again = SecondLook(network, AREA, Finish(), FINER)
    together = matte((prepare(Photo(p, None), AREA) for p in pictures), network, again)
    # Once all, three closer or finer; the one that shows nobody is searched, then mirrored.
    assert len(network.seen) == 6 and np.prod(network.seen[4]) == SEARCH * AREA
    for picture, found in zip(pictures, together, strict=True):
        np.testing.assert_allclose(looked(Bright(), picture), found, atol=1e-6)


def test_a_window_holds_everybody_who_counts():
    small, speck = disc((30, 20), 8, (96, 128)), disc((80, 120), 1, (96, 128))
    for alpha in (small, np.maximum(small, speck)):
        window = closer(alpha, (600, 800), AREA, FINER)
        rows, columns = window.seen
        assert rows.start / window.size[0] < 22 / 96 and rows.stop / window.size[0] > 38 / 96
        assert columns.start / window.size[1] < 12 / 128 < 28 / 128 < columns.stop / window.size[1]
        assert columns.stop < window.size[1]
        assert window.rows % 32 == window.columns % 32 == 0
        assert 1 < window.zoom <= 16 < window.nearer <= 16 * FINER
    both = closer(np.maximum(small, disc((70, 60), 6, (96, 128))), (600, 800), AREA, FINER)
    assert both.seen[0].stop / both.size[0] > 76 / 96


@pytest.mark.parametrize(
    ("alpha", "size"),
    [
        (np.zeros((96, 128), np.float32), (600, 800)),  # nobody
        (disc((48, 64), 60, (96, 128)), (120, 160)),  # fills the picture, which has no more to show
        (disc((30, 20), 8, (96, 128)), (96, 128)),  # nothing more to see
        (disc((3, 3), 2, (32, 32)), (1, 1)),
    ],
)
def test_a_look_at_the_whole_where_a_closer_one_shows_no_more(alpha, size):
    assert closer(alpha, size, AREA, FINER) is None


def test_a_large_picture_is_seen_finer_even_where_somebody_fills_it():
    alpha = disc((300, 400), 290)
    small, large = (np.array(Image.fromarray(alpha).resize(s)) for s in ((160, 120), (800, 600)))
    network = Bright()
    looked(network, photo_of(small))
    assert network.seen == [(96, 128)] * 2, "a picture of 1.6 times its pixels has no more to show"
    network.seen.clear()
    once, twice = (looked(network, photo_of(large), n, refine="off") for n in (1, 2))
    assert 2 * AREA < np.prod(network.seen[-1]) < 1.2 * FINER * AREA
    assert np.abs(twice - large).mean() < 0.8 * np.abs(once - large).mean()


@pytest.mark.parametrize(("size", "spared"), [((250, 250), True), ((2000, 3000), False)])
def test_a_finer_look_leaves_pixels_to_spare(size, spared):
    window = closer(disc((48, 64), 40, (96, 128)), size, AREA, FINER)
    assert window.nearer > window.zoom
    most = np.prod(size) / 2 / AREA
    assert window.nearer == pytest.approx(most if spared else FINER * window.zoom)


def test_weights_that_gain_nothing_by_it_get_no_finer_look():
    assert closer(disc((48, 64), 60, (96, 128)), (2000, 3000), AREA) is None
    network = Bright()
    prepared = prepare(Photo(photo_of(disc((300, 400), 390)), None), AREA)
    matte([prepared], network, SecondLook(network, AREA, Finish()))
    assert network.seen == [(96, 128)] * 2


def test_a_preset_says_how_fine_its_second_look_is(tiny_onnx):
    assert Matter("dawn").finer == PRESETS["dawn"].finer > 1
    assert Matter("dawn", looks=1).finer == Matter(tiny_onnx, looks=2).finer == 1


def test_whoever_has_weights_of_their_own_can_ask_for_a_finer_look(monkeypatch, tmp_path):
    network = Bright()
    monkeypatch.setattr("matting_keras.inference.matter.open_runtime", lambda *told: network)
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    photo = photo_of(disc((300, 400), 290))
    for folder in ("images", "masks"):
        Image.fromarray(photo).save(tmp_path / folder / "a.png")
    for finer in (None, 3):
        evaluate("own.onnx", tmp_path, area=AREA, looks=2, finer=finer, quiet=True)
    *coarse, first, fine = (np.prod(size) for size in network.seen)
    assert set(coarse) == {first} and 2 * first < fine < 1.2 * 3 * first


@pytest.mark.parametrize("finer", [0.5, 4.5, float("nan"), -1])
def test_how_fine_a_look_can_be(finer):
    with pytest.raises(InputError, match=r"finer must be from 1 to 4, got .*pixels by area"):
        Matter("dawn", finer=finer)


def test_a_single_look_cannot_be_finer_than_itself(tiny_onnx):
    with pytest.raises(InputError, match="finer=2 is of a second look; add looks=2 "):
        Matter(tiny_onnx, finer=2)
    assert Matter(tiny_onnx, finer=1).finer == 1


def test_what_is_certain_nowhere_gets_no_finer_look():
    doubtful = disc((48, 64), 60, (96, 128)) * 0.8
    assert closer(doubtful, (2000, 3000), AREA, FINER) is None
    small = disc((48, 64), 20, (96, 128)) * 0.8
    window = closer(small, (2000, 3000), AREA, FINER)
    assert window.nearer == window.zoom > 2, "but a closer one, which may tell"


def test_far_from_an_edge_a_finer_look_counts_little():
    first = np.ones((100, 120), np.float32)
    first[:, :60], first[:, 60] = 0, 0.5
    second = 1 - first
    there = {"size": first.shape, "top": 0, "left": 0, "rows": 100, "columns": 120}
    finer = joined(first, second, Window(**there, nearer=3.0, zoom=1.0))
    assert finer[:, 62].max() < 0.3 and finer[:, 58].min() > 0.7
    assert finer[:, -1].min() > 0.9 and finer[:, 0].max() < 0.1
    near = joined(first, second, Window(**there, nearer=3.0, zoom=3.0))
    assert near[:, -1].max() < 0.3 and near[:, 0].min() > 0.7


@pytest.mark.filterwarnings("error")
def test_a_look_that_is_sure_of_everything_has_no_edges():
    first, second = np.ones((40, 40), np.float32), np.zeros((40, 40), np.float32)
    found = joined(first, second, Window((40, 40), 0, 0, 40, 40, nearer=3.0, zoom=1.0))
    np.testing.assert_allclose(found, 1 / 1.1, atol=1e-5)


@pytest.mark.parametrize("size", [(2, 3000), (3000, 2), (33, 40), (1500, 1000)])
def test_any_size_of_picture_is_looked_at_twice(size):
    random = np.random.default_rng(0)
    for _ in range(5):
        picture = np.zeros((*size, 3), np.uint8)
        row, column = (random.integers(length) for length in size)
        picture[row : row + 200, column : column + 200] = 255
        alpha = looked(Bright(), picture)
        assert alpha.shape == size and np.isfinite(alpha).all()


@pytest.mark.parametrize(("certain", "kept"), [(0.3, True), (0.2, False)])
def test_who_is_found_closer_must_be_surer(certain, kept):
    """Of a core of which 0.2 is certain, a look at the whole would keep all."""
    alpha = np.zeros((600, 800), np.float32)
    alpha[240:360, 340:460] = 0.9
    alpha[240 : 240 + int(certain * 120), 340:460] = 1
    prepared = prepare(Photo(photo_of(alpha), None), AREA, "off")
    again = SecondLook(Bright(), AREA, Finish("sure"), FINER)
    found = matte([prepared], Bright(), again)[0]
    assert (found.max() > 0.5) == kept


@pytest.mark.parametrize(("certain", "kept"), [(0.6, True), (0.3, False)])
def test_whom_a_first_look_is_certain_of_no_closer_one_makes_nobody(certain, kept):
    """The closer look doubts everything; at 0.3 the first is certain enough for itself only."""

    class Doubter(Bright):
        def run(self, batch):
            alpha = super().run(batch)
            return alpha if len(self.seen) == 1 else np.minimum(alpha, 0.9)

    alpha = np.zeros((600, 800), np.float32)
    alpha[120:480, 200:600] = 0.9
    alpha[120 : 120 + int(certain * 360), 200:600] = 1
    network = Doubter()
    prepared = prepare(Photo(photo_of(alpha), None), AREA, "off")
    found = matte([prepared], network, SecondLook(network, AREA, Finish("sure"), FINER))[0]
    assert len(network.seen) == 2 and network.seen[1] != network.seen[0], "the second is closer"
    assert (found.max() > 0.5) == kept


def test_a_second_look_that_is_no_alpha_is_complained_of():
    class Tired(Bright):
        def run(self, batch):
            alpha = super().run(batch)
            return alpha if len(self.seen) == 1 else self.wrong(alpha)

    for wrong in (lambda alpha: alpha * np.nan, lambda alpha: alpha[:, 1:]):
        network = Tired()
        network.wrong = wrong
        with pytest.raises(InputError, match="the network gave"):
            looked(network, photo_of(disc((300, 400), 60)))


def test_shipped_networks_look_twice_and_others_when_told(tiny_onnx):
    for shipped in ("dark-light", find("dark-light")):
        assert Matter(shipped).looks == 2
        assert Matter(shipped, looks=1).looks == 1
    assert Matter(tiny_onnx).looks == 1
    assert Matter(tiny_onnx, looks=2).looks == 2


def test_a_pictures_mirror_image_has_the_alphas_mirror_image():
    photo = np.random.default_rng(0).integers(0, 256, (96, 64, 3), dtype=np.uint8)
    turned = np.ascontiguousarray(photo[:, ::-1])
    options = {"area": 96 * 64, "refine": "off", "parts": "all"}
    for looks in (1, 2):
        matter = Matter("dark-light", looks=looks, **options)
        apart = np.abs(matter(photo) - matter(turned)[:, ::-1]).max()
        assert (apart < 1e-5) == (looks == 2)


def test_the_command_passes_it_on(tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    alphas = {}
    for words in ("--looks=2", "--looks=1", ""):
        told = ["--weights", "dark-light", "--parts", "all", "--alpha-only", *words.split()]
        out = tmp_path / f"out{words}"
        assert cli.main(["matte", str(tmp_path / "a.png"), *told, "--output", str(out)]) == 0
        alphas[words] = np.array(Image.open(out / "a.png"))
    np.testing.assert_array_equal(alphas[""], alphas["--looks=2"])
    assert (alphas["--looks=1"] != alphas["--looks=2"]).any()


def test_evaluate_says_how_often_it_looked(tmp_path, capsys):
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "room.png")
    area = f"{PRESETS['dark-light'].area:,}"
    for words, shown in (([], f"{area}×2"), (["--looks", "1"], f"{area} ")):
        asked = ["evaluate", "dark-light", "--data", str(tmp_path), "--people", "none"]
        assert cli.main([*asked, *words]) == 0
        assert shown in capsys.readouterr().out


def test_peers_look_twice_only_when_told(tmp_path, monkeypatch):
    class Left:
        area = None

        def __init__(self, path):
            pass

        def __call__(self, image):
            alpha = np.zeros(image.shape[:2], np.float32)
            alpha[:, : image.shape[1] // 4] = 1
            return alpha

    monkeypatch.setattr("matting_keras.evaluate.Peer", Left)
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "room.png")
    for looks in (None, 1, 2):
        found = evaluate("x.onnx", tmp_path, peer=True, people="none", looks=looks, quiet=True)
        assert found.summary["MAD"] == pytest.approx(1 / 4)
        assert found.summary["MSE"] == pytest.approx(1 / 8 if looks == 2 else 1 / 4)
