import pytest
from PIL import Image

from matting_keras.data.clips import Clips
from matting_keras.data.sources import unlabelled
from matting_keras.errors import InputError
from tests.clips import gray_clip


@pytest.fixture
def clip(tmp_path):
    return gray_clip(tmp_path / "gray.mp4")


def test_frames_of_a_video(clip):
    frames = Clips(step=5, area=64 * 12).samples(clip)
    assert [sample.name for sample in frames] == [f"{clip}, frame {n}" for n in range(0, 24, 5)]
    assert {sample.person for sample in frames} == {"gray.mp4"}
    for again in range(2):
        # Out of order, and a second time, when the video has to be decoded anew.
        for number in (3, 0, 4):
            rgb, alpha = frames[number].read()
            assert alpha is None
            assert rgb.shape == (32, 24, 3)
            assert abs(rgb.mean() - 50 * number) < 6, again


def test_all_videos_share_one_budget(clip):
    clips = Clips(step=1, area=10**6, budget=40 * 64 * 48 * 3)
    assert len(clips.samples(clip)) == 24
    with pytest.raises(InputError, match=r"gray\.mp4: with it .* take fewer .data.frame_step=4"):
        clips.samples(clip)


def test_whatever_lies_in_a_folder_is_found_but_masks(pairs):
    folder = pairs(2)
    (folder / "more").mkdir()
    for number in range(3):
        Image.new("RGB", (8, 6)).save(folder / "more" / f"{number}.png")
    gray_clip(folder / "more" / "clip.mp4")
    Image.new("RGB", (8, 6)).save(folder / "images" / "without a mask.png")
    (folder / "more" / "._0.png").write_bytes(b"of a Mac")
    (folder / "masks" / "left over.png").write_bytes(b"")
    found = unlabelled(folder, Clips(step=8))
    assert [sample.labelled for sample in found] == [True] * 2 + [False] * 7
    assert {s.person.partition("/")[0] for s in found} == {"portraits"}
    assert [s.read()[1] is None for s in found] == [not s.labelled for s in found]


def test_a_video_alone_and_a_known_set(clip, laid):
    assert len(unlabelled(clip, Clips(step=6))) == 4
    assert all(sample.labelled for sample in unlabelled(f"p3m:{laid('p3m')}"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "no such folder; expected one with pictures or videos"),
        ("empty", "no pictures and no videos in it"),
        ("p3m", "pass p3m:"),
        ("broken.mp4", "broken.mp4"),
    ],
)
def test_what_nothing_can_be_learned_from(name, message, laid, tmp_path):
    laid("p3m")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match=message):
        unlabelled(tmp_path / name)
