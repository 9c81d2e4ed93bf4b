"""The report: what must be on the page, what must not, and the photos it picks."""

import base64
import html
import io
import math
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

import matting_keras
from matting_keras.errors import InputError
from matting_keras.report import write_report
from matting_keras.report.charts import histogram
from matting_keras.report.splits import groups, splits
from matting_keras.report.strips import (
    FALSE_PERSON,
    MISSED_PERSON,
    choose,
    error_picture,
    strips,
)

FIGURES = ("mIoU", "IoU", "MAD", "MSE", "SAD", "Grad")
BAND = ("MAD", "MSE", "SAD", "Grad")
EVIL = "<script>alert(1)</script>&\"'.jpg"
EMPTY = {"meta", "img"}
PICTURES_A_STRIP = 5


@dataclass
class Measured:
    """What the report asks of an evaluation."""

    model: str
    data: str
    area: int | None
    looks: int
    truth: str
    rows: list[dict]
    again: Callable
    figures: tuple[str, ...] = FIGURES

    @property
    def summary(self):
        return {key: float(np.mean([row[key] for row in self.rows])) for key in self.figures}

    @property
    def band_summary(self):
        bands = [row["band"] for row in self.rows if row["band"]]
        return {key: float(np.mean([band[key] for band in bands])) for key in BAND if bands}


def measured(count=40, seed=0, model="dark-light", data="eg1800 (held-back)", **more):
    rng = np.random.default_rng(seed)
    rows = [
        {
            "name": f"photo-{at:03}.jpg",
            "height": 40 + at % 7,
            "width": 30,
            "subject": rng.uniform(0.1, 0.8),
            "unknown": rng.uniform(0.01, 0.2),
            **{figure: rng.uniform(0, 1) for figure in FIGURES},
            "band": {figure: rng.uniform(0, 1) for figure in BAND},
        }
        for at in range(count)
    ]

    def again(index):
        shape = (rows[index]["height"], rows[index]["width"])
        noise = np.random.default_rng(index)
        truth = np.zeros(shape, np.float32)
        truth[10:, 8:22] = 1
        return (
            noise.integers(0, 256, (*shape, 3), np.uint8),
            truth,
            np.clip(truth + noise.normal(0, 0.2, shape), 0, 1).astype(np.float32),
        )

    return Measured(**{"area": 110592, "looks": 1, "truth": "binary", "again": again} | more, **{
        "model": model, "data": data, "rows": rows
    })  # fmt: skip


class Page(HTMLParser):
    """Tags and texts of a page; fails where tags do not close in the order they opened."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.open, self.marked = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
        if "mark" in self.open:
            self.marked.append(data)

    def found(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def written(evaluations, folder):
    path = write_report(evaluations, folder)
    assert path == folder / "index.html"
    return path.read_text(encoding="utf-8")


def titles(drawn):
    """The spans that bars stand for, such as "0.90 to 0.92: "."""
    return re.findall(r'title="(.*?: )\d+"', drawn)


def names(page):
    return [tag["alt"].removeprefix("Photo of ") for tag in page.found("img")][::PICTURES_A_STRIP]


def test_page_needs_nothing_else(tmp_path):
    text = written([measured()], tmp_path / "a" / "report")
    page = Page(text)
    assert [path.name for path in (tmp_path / "a" / "report").iterdir()] == ["index.html"]
    assert not page.found("script") and not page.found("link")
    addresses = [a[key] for _, a in page.tags for key in ("src", "href") if key in a]
    assert addresses and all(a.startswith("data:image/jpeg;base64,") for a in addresses)
    rest = re.sub(r"data:image/jpeg;base64,[\w+/=]+", "", text)
    assert not re.search(r"//|url\(|@import", rest)
    assert str(tmp_path) not in text and str(tmp_path.parent) not in text


def test_pictures_open_are_lazy_and_described(tmp_path):
    page = Page(written([measured()], tmp_path))
    pictures = page.found("img")
    assert len(pictures) == 36 * PICTURES_A_STRIP
    for tag in pictures:
        file = base64.b64decode(tag["src"].partition(",")[2], validate=True)
        with Image.open(io.BytesIO(file)) as image:
            assert image.size == (int(tag["width"]), int(tag["height"]))
            image.load()
        assert tag["loading"] == "lazy" and tag["alt"]


def test_table_has_every_figure(tmp_path):
    evaluation = measured()
    page = Page(written([evaluation], tmp_path))
    for summary in (evaluation.summary, evaluation.band_summary):
        for figure, value in summary.items():
            digits = 2 if figure in ("SAD", "Grad") else 4
            assert f"{value:.{digits}f}" in page.words
            assert f"{figure} " in page.words
    facts = [matting_keras.__version__, "110,592 px", "eg1800 (held-back): 40"]
    assert all(fact in " ".join(page.words) for fact in facts)
    assert re.search(r"\b20\d\d-\d\d-\d\d\b", " ".join(page.words))
    assert not page.marked


@pytest.mark.parametrize(
    ("truth", "said"),
    [
        ("binary", "hair cannot be judged"),
        ("computed", "help of other networks"),
        ("hand-made", "made by hand"),
        ("soft", "nobody knows"),
    ],
)
def test_says_what_the_truth_is_worth(tmp_path, truth, said):
    text = written([measured(3, truth=truth)], tmp_path)
    sayings = ["hair cannot be judged", "help of other networks", "made by hand", "nobody knows"]
    assert [saying for saying in sayings if saying in text] == [said]


def test_names_are_text_not_markup(tmp_path):
    evaluation = measured(3, model=EVIL, data=EVIL)
    evaluation.rows[1]["name"] = EVIL
    text = written([evaluation, evaluation], tmp_path)
    page = Page(text)
    assert "<script" not in text
    assert f"Photo of {EVIL}" in [tag["alt"] for tag in page.found("img")]
    assert html.escape(EVIL) in text
    assert text.count("alert(1)") == text.count(html.escape("<script>alert(1)"))


@pytest.mark.parametrize("count", [1, 2, 12, 13, 25, 35, 36, 100])
def test_no_photo_appears_twice(count):
    mads = np.random.default_rng(count).permutation(count).astype(float)
    chosen = [at for _, group in choose(mads) for at in group]
    assert len(chosen) == len(set(chosen)) == min(count, 36)
    groups = [mads[group] for _, group in choose(mads)]
    assert groups[0][0] == mads.max()
    if count > 12:
        worst, median, best = groups
        assert worst.min() > median.max() and median.min() > best.max() and best[0] == 0
        assert abs(np.median(median) - np.median(mads)) <= 1


def test_few_photos_are_all_shown_once(tmp_path):
    evaluation = measured(20)
    page = Page(written([evaluation], tmp_path))
    assert sorted(names(page)) == [row["name"] for row in evaluation.rows]
    by_mad = sorted(evaluation.rows, key=lambda row: -row["MAD"])
    assert names(page)[:7] == [row["name"] for row in by_mad[:7]]


def test_several_models_are_compared_per_data_set(tmp_path):
    evaluations = [
        measured(3, 1, "one"),
        measured(3, 2, "two", area=None),
        measured(3, 3, "three", data="ppm100 (all)", truth="hand-made"),
    ]
    for at, evaluation in enumerate(evaluations):
        for row in evaluation.rows:
            row["mIoU"], row["MAD"] = 0.5 + at / 10, 0.3 + at / 10
    page = Page(written(evaluations, tmp_path))
    links = [tag["href"] for tag in page.found("a")]
    ids = [tag["id"] for tag in page.found("section") if "id" in tag]
    assert links == [f"#{name}" for name in ids] and len(links) == 3
    # The third is best of all in mIoU, but alone on its data: only the first two compete.
    assert "0.6000" in page.marked and "0.3000" in page.marked
    assert "0.7000" not in page.marked and "0.7000" in page.words
    assert len(page.marked) == len(FIGURES) + len(BAND)
    opened = ["open" in tag for tag in page.found("details") if tag.get("class") != "terms"]
    assert opened == [True, False, False]


def test_equal_scores_are_both_marked(tmp_path):
    page = Page(written([measured(3, 5, "one"), measured(3, 5, "two")], tmp_path))
    assert len(page.marked) == 2 * (len(FIGURES) + len(BAND))


def test_one_picture_size_is_said_not_drawn():
    rows = measured(40).rows
    assert splits(rows, ["MAD"]).count("class=panel>") == 3
    for row in rows:
        row["height"], row["width"] = 800, 600
    drawn = splits(rows, ["MAD"])
    assert drawn.count("class=panel>") == 2
    assert "Picture size: the same for all photos (0.48 MP)" in drawn


def subject_panel(outlier):
    """Four groups of ten; in each, one photo is worse than the others by `outlier`."""
    rows = measured(40).rows
    for at, row in enumerate(rows):
        row["subject"], row["MAD"] = at / 40, 0.01 * (1 + at // 10) + outlier * (at % 10 == 9)
    panel = splits(rows, ["MAD"]).split("<section")[2]
    assert "Subject size" in panel
    return panel


def test_boxes_show_each_groups_mean_and_number():
    panel = subject_panel(0.1)
    assert re.findall(r"n (\d+)", panel) == ["10"] * 4
    assert re.findall(r"<b>(0\.\d+)</b>", panel) == ["0.0200", "0.0300", "0.0400", "0.0500"]


def test_boxes_lie_on_one_scale():
    panel = subject_panel(0)
    assert re.findall(r"left:([\d.]+)%\"></u>", panel) == ["0.0", "33.3", "66.7", "100.0"]
    assert re.findall(r"<small>(0\.\d+)</small>", panel) == ["0.0100", "0.0400"]


@pytest.mark.parametrize("seed", range(20))
def test_groups_are_ordered_and_keep_equals_together(seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, [2, 5, 30, 1000][seed % 4], rng.integers(1, 60)).astype(float)
    values[rng.uniform(size=values.size) < 0.1] = math.nan
    found = groups(values)
    assert sum(len(group) for group in found) == np.isfinite(values).sum()
    distinct = len(np.unique(values[np.isfinite(values)]))
    assert min(distinct, 2) <= len(found) <= 4
    for one, two in pairwise(found):
        assert values[one].max() < values[two].min()


@pytest.mark.parametrize(
    "values",
    [
        np.linspace(0.2, 0.9, 50),
        [1.0] * 30 + [0.5],
        [0.97] * 99 + [0.1, 1.0],
        [0.5, 0.5 + 2e-4],
        [0.5] * 50 + [0.5 + 1e-14] * 50 + [0.9],
        [0.0, 1.0],
        [0.3, math.nan, math.inf, 0.4],
    ],
)
def test_histogram_counts_every_photo(values):
    drawn = histogram("mIoU", [{"mIoU": value} for value in values])
    counts = [int(text or 0) for text in re.findall(r"<b>(\d*)</b><u>", drawn)]
    assert sum(counts) == np.isfinite(values).sum()
    assert len(counts) <= 20 and "--h:1.000" in drawn
    # No bar lies where no photo can be.
    assert counts[0] > 0 and counts[-1] > 0
    bounds = [float(bound) for bound in re.findall(r"(-?[\d.]+)[ :]", "".join(titles(drawn)))]
    assert min(bounds) >= 0 and max(bounds) <= 1


def test_far_values_share_an_open_bar():
    drawn = histogram("MAD", [{"MAD": 0.01 + at / 1e4} for at in range(100)] + [{"MAD": 0.9}])
    assert drawn.count("class=open") == 1 and "up to 0.9000" in drawn


def test_not_a_number_does_no_harm(tmp_path):
    evaluation = measured(15)
    evaluation.rows[4] |= dict.fromkeys(FIGURES, math.nan) | {"subject": math.nan, "band": {}}
    evaluation.rows[5]["unknown"] = math.inf
    lost = Measured(**vars(evaluation) | {"rows": evaluation.rows[4:5], "model": "lost"})
    text = written([evaluation, lost], tmp_path)
    page = Page(text)
    assert evaluation.rows[4]["name"] not in names(page) and len(names(page)) == 14
    assert "–" in page.words and "Without a MAD and so not shown: 1." in page.words
    assert "nan" not in re.findall(r"\w+", " ".join(page.words).lower())


def test_error_colours_tell_false_from_missed():
    rgb = np.zeros((2, 3, 3), np.uint8)
    truth = np.array([[0, 1, 1], [0, 0, 1]], np.float32)
    alpha = np.array([[1, 0, 1], [0, 0.5, 1]], np.float32)
    painted = error_picture(rgb, truth, alpha)
    assert tuple(painted[0, 0]) == FALSE_PERSON and tuple(painted[0, 1]) == MISSED_PERSON
    assert np.ptp(painted[0, 2]) == 0 and (painted[1, 0] == painted[0, 2]).all()
    half = (np.array(FALSE_PERSON) + painted[0, 2]) / 2
    assert abs(painted[1, 1] - half).max() <= 1


def test_small_errors_side_by_side_do_not_cancel():
    truth = np.tile(np.array([[0, 1]], np.float32), (40, 20))
    painted = error_picture(np.full((10, 10, 3), 128, np.uint8), truth, 1 - truth)
    assert abs(painted - (np.array(FALSE_PERSON) + MISSED_PERSON) / 2).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 2), (301, 299)])
def test_any_picture_shape(shape):
    evaluation = measured(1)
    evaluation.again = lambda index: (
        np.zeros((*shape, 3), np.uint8),
        np.ones(shape, np.float32),
        np.full(shape, 0.5, np.float32),
    )
    sizes = {
        (int(tag["height"]), int(tag["width"])) for tag in Page(strips(evaluation)).found("img")
    }
    (height, width), *others = sizes
    assert not others and min(height, width) > 0 and max(height, width) == min(300, max(shape))


def test_photos_are_read_one_at_a_time_and_once(tmp_path):
    evaluation, asked = measured(50), []
    again = evaluation.again
    evaluation.again = lambda index: (asked.append(index), again(index))[1]
    write_report([evaluation], tmp_path)
    assert len(asked) == len(set(asked)) == 36


def test_file_in_place_of_folder(tmp_path):
    (tmp_path / "taken").write_text("mine")
    evaluation = measured(1)
    evaluation.again = None  # refused before any work is done
    with pytest.raises(InputError, match=r"taken: is a file; give a folder"):
        write_report([evaluation], tmp_path / "taken")
    with pytest.raises(InputError, match=r"choose another folder"):
        write_report([evaluation], tmp_path / "taken" / "below")
    assert (tmp_path / "taken").read_text() == "mine"


def test_nothing_to_report(tmp_path):
    with pytest.raises(InputError, match="no evaluation"):
        write_report([], tmp_path)
    with pytest.raises(InputError, match=r"dark-light on eg1800.*no photos"):
        write_report([measured(2), measured(0)], tmp_path)
    assert not list(tmp_path.iterdir())


def test_failure_leaves_the_old_page(tmp_path):
    old = written([measured(2)], tmp_path)
    broken = measured(2)

    def again(index):
        raise InputError("gone")

    broken.again = again
    with pytest.raises(InputError, match="gone"):
        write_report([broken], tmp_path)
    assert [(path.name, path.read_text("utf-8")) for path in tmp_path.iterdir()] == [
        ("index.html", old)
    ]


def test_imports_no_framework():
    code = (
        "import sys, matting_keras.report;"
        "sys.exit(len({'keras', 'tensorflow', 'matplotlib', 'cv2'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
