"""Each builder makes the dummy copy of its set into a tfds data set, by tfds' own test."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("tensorflow_datasets", reason="tensorflow-datasets is not installed")
pytest.importorskip("dill", reason="dill is not installed, which tensorflow-datasets tests with")
pytest.importorskip("importlib_resources", reason="importlib_resources is not installed")

import tensorflow_datasets as tfds

from matting_keras.data import sources
from matting_keras.data import tfds as builders
from matting_keras.data.formats import FORMATS
from matting_keras.errors import InputError
from tests.dummy_sets import DATA


def case(builder: type, data: str, splits: dict[str, int], config: str | None = None) -> type:
    """tfds' test of a builder, on our dummy data, with the number of examples in each split."""
    return type(
        f"Test{builder.__name__}{config or ''}",
        (tfds.testing.DatasetBuilderTestCase,),
        {
            "DATASET_CLASS": builder,
            "EXAMPLE_DIR": DATA / data,
            "SPLITS": splits,
            "BUILDER_CONFIG_NAMES_TO_TEST": [config] if config else None,
            "__module__": __name__,
        },
    )


TestAisegment = case(builders.Aisegment, "aisegment", {"train": 3})
TestEasyportrait = case(
    builders.Easyportrait, "easyportrait", {"train": 2, "validation": 1, "test": 1}, "v2"
)
TestEasyportrait1 = case(
    builders.Easyportrait, "easyportrait1", {"train": 2, "validation": 1, "test": 1}, "v1"
)
TestMattingFolder = case(builders.MattingFolder, "folder", {"train": 2})
TestMattingList = case(builders.MattingList, "list", {"train": 2, "validation": 1})
TestP3m10k = case(builders.P3m10k, "p3m", {"train": 2, "p3m_500_p": 1, "p3m_500_np": 1})
TestPaixinCompMod = case(builders.PaixinCompMod, "paixin", {"train": 2})
TestPpm100 = case(builders.Ppm100, "ppm100", {"test": 2})
TestSuperviselyPerson = case(builders.SuperviselyPerson, "supervisely", {"train": 2})


def prepared(name: str, data: Path, place: Path) -> dict[str, list[dict]]:
    """The examples of a builder found by its name, split by split, as a user gets them."""
    builder = tfds.builder(name, data_dir=place)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(
            manual_dir=data, compute_stats=tfds.download.ComputeStatsMode.SKIP
        )
    )
    return {
        split: list(tfds.as_numpy(builder.as_dataset(split=split))) for split in builder.info.splits
    }


@pytest.mark.parametrize("name, data", [("p3m10k", "p3m"), ("easyportrait", "easyportrait")])
def test_examples_are_what_the_folder_source_reads(name, data, tmp_path):
    found = {s.name: s for s in sources.open_source(f"{data}:{DATA / data}")}
    examples = [e for part in prepared(name, DATA / data, tmp_path).values() for e in part]
    assert len(examples) == len(found) == 4
    for example in examples:
        sample = found[str(DATA / data / example["name"].decode())]
        rgb, alpha = sample.read()
        np.testing.assert_array_equal(example["alpha"][..., 0], np.rint(alpha * 255))
        # TensorFlow decodes JPEG by a faster and coarser rule than Pillow.
        difference = np.abs(example["image"].astype(int) - rgb)
        assert difference.max() <= 6 and difference.mean() < 1.5
        assert example["person"].decode() == sample.person
        assert example["rough"] == sample.rough


def test_trimaps_say_whether_they_were_published(tmp_path):
    parts = prepared("p3m10k", DATA / "p3m", tmp_path)
    assert [e["trimap_published"] for e in parts["train"]] == [False, False]
    (example,) = parts["p3m_500_np"]
    assert example["trimap_published"]
    (file,) = (DATA / "p3m/validation/P3M-500-NP/trimap").iterdir()
    np.testing.assert_array_equal(example["trimap"][..., 0], np.asarray(Image.open(file)))
    assert set(np.unique(parts["train"][0]["trimap"])) == {0, 128, 255}


def test_labels_keep_the_class_numbers(tmp_path):
    (example,) = prepared("easyportrait", DATA / "easyportrait", tmp_path)["validation"]
    assert set(np.unique(example["labels"])) == {0, 1, 5}
    np.testing.assert_array_equal(example["alpha"] == 255, example["labels"] > 0)


def test_a_photo_that_is_turned_by_exif_stays_with_its_alpha(tmp_path):
    data = shutil.copytree(DATA / "ppm100", tmp_path / "data")
    photo = next((data / "image").iterdir())
    with Image.open(photo) as image:
        exif = image.getexif()
        exif[0x0112] = 6
        pixels = image.transpose(Image.Transpose.ROTATE_90)
        pixels.save(photo, exif=exif, quality=95)
    for example in prepared("ppm100", data, tmp_path)["test"]:
        assert example["image"].shape[:2] == example["alpha"].shape[:2] == (32, 24)


def test_another_tree_is_named(tmp_path):
    (tmp_path / "manual").mkdir()
    (tmp_path / "manual" / "P3M-10k.zip").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"is not P3M-10k(.|\n)*P3M-10k\.zip is still packed"):
        prepared("p3m10k", tmp_path / "manual", tmp_path)


def test_a_set_full_of_broken_files_is_refused(tmp_path):
    data = shutil.copytree(DATA / "ppm100", tmp_path / "data")
    next((data / "image").iterdir()).write_bytes(b"")
    with pytest.raises(InputError, match=r"1 of 2 pairs of image cannot be used(.|\n)*is empty"):
        prepared("ppm100", data, tmp_path)


def test_every_published_format_has_a_builder():
    built = {vars(builders)[name].FORMAT.name for name in builders.__all__}
    assert built == set(FORMATS) - {"labels", "cutouts"}
