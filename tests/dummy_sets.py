"""Tiny data sets, each laid out exactly as the published archive is. Every picture is drawn by us.

`python -m tests.dummy_sets` draws tests/dummy_data anew, which the builders' tests read.
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from matting_keras.data.synthetic import synthetic_scene
from matting_keras.data.trimap import trimap

HEIGHT, WIDTH = 32, 24
DATA = Path(__file__).parent / "dummy_data"


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A portrait, uint8 (32, 24, 3), and its alpha, uint8 (32, 24)."""
    scene = synthetic_scene(seed, HEIGHT, WIDTH, people=1)
    return scene.image, np.rint(scene.alpha * 255).astype(np.uint8)


def write(path: Path, picture: np.ndarray) -> Path:
    """Write a picture; JPEG at the quality of a small file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"quality": 80} if path.suffix.lower() in (".jpg", ".jpeg") else {"optimize": True}
    Image.fromarray(picture).save(path, **options)
    return path


def aisegment(root: Path) -> None:
    """Three groups; the Kaggle copy's second set below matting_human_half/, and a Mac's litter."""
    for number, (group, clip) in enumerate(
        (("1803151818", 0), ("1803151818", 1), ("1803290444", 0))
    ):
        photo, alpha = drawn(number)
        for top in (root, root / "matting_human_half"):
            stem = f"{group}-{number:08d}"
            write(top / "clip_img" / group / f"clip_{clip:08d}" / f"{stem}.jpg", photo)
            folder = top / "matting" / group / f"matting_{clip:08d}"
            write(folder / f"{stem}.png", np.dstack([photo * (alpha[..., None] > 0), alpha]))
    (folder / f"._{stem}.png").write_bytes(b"\0\5\x16\7")


def easyportrait(root: Path, version: int = 2) -> None:
    """Two photos to learn from, by one user; one to validate and one to test."""
    rows = []
    for number, part in enumerate(("train", "train", "val", "test")):
        photo, alpha = drawn(20 + number)
        stem = f"{number:08x}-0000-4000-8000-000000000000"
        labels = (alpha > 127).astype(np.uint8)
        labels[10:12, 9:12] = 5
        write(root / "images" / part / f"{stem}.jpg", photo)
        write(root / "annotations" / part / f"{stem}.png", labels)
        user = f"user{max(1, number)}"
        if version == 1:
            flags = [str(part == other) for other in ("train", "test", "val")]
            rows.append([str(number), stem, user, "0", str(WIDTH), str(HEIGHT), "136", *flags])
        else:
            rows.append([f"{stem}.jpg", user, str(HEIGHT), str(WIDTH), part, "136"])
    if version == 1:
        head = ["", "attachment_id", "user_id", "data_hash", "width", "height", "brightness"]
        head += ["train", "test", "valid"]
    else:
        head = ["image_name", "user_id", "height", "width", "set", "brightness"]
    separator = "\t" if version == 1 else ","
    table = "\n".join(separator.join(row) for row in [head, *rows]) + "\n"
    with zipfile.ZipFile(root / "annotations" / "meta.zip", "w") as archive:
        # A fixed date, so that drawing again gives the same bytes.
        archive.writestr(zipfile.ZipInfo("meta.csv"), table)


def easyportrait1(root: Path) -> None:
    """The same with version 1's meta data."""
    easyportrait(root, 1)


def p3m(root: Path) -> None:
    """Two photos to learn from, one of each set for scoring; those have trimaps."""
    places = (
        ("train", "blurred_image", 2),
        ("validation/P3M-500-P", "blurred_image", 1),
        ("validation/P3M-500-NP", "original_image", 1),
    )
    seed = 40
    for place, photos, count in places:
        for _ in range(count):
            photo, alpha = drawn(seed)
            write(root / place / photos / f"p_{seed:08x}.jpg", photo)
            write(root / place / "mask" / f"p_{seed:08x}.png", alpha)
            if place != "train":
                known = trimap(alpha.astype("float32") / 255)
                write(root / place / "trimap" / f"p_{seed:08x}.png", known)
            seed += 1


def ppm100(root: Path) -> None:
    """Two photos with mattes, both JPEG."""
    for seed in (60, 61):
        photo, alpha = drawn(seed)
        write(root / "image" / f"{seed}_5bd5_o.jpg", photo)
        write(root / "matte" / f"{seed}_5bd5_o.jpg", alpha)


def supervisely(root: Path) -> None:
    """A bitmap, and a polygon with a hole in another folder."""
    for folder, number in (("ds1", 80), ("ds2", 81)):
        photo, alpha = drawn(number)
        name = f"pexels-photo-{number}.png"
        write(root / folder / "img" / name, photo)
        one = _bitmap(alpha > 127) if folder == "ds1" else _polygon()
        neutral = {**_polygon(), "classTitle": "neutral"}
        annotation = {
            "description": "",
            "tags": [],
            "size": {"height": HEIGHT, "width": WIDTH},
            "objects": [one, neutral] if folder == "ds1" else [one],
        }
        path = root / folder / "ann" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(annotation, indent=1), encoding="utf-8")
    (root / "meta.json").write_text('{"classes": []}\n', encoding="utf-8")


def _bitmap(person: np.ndarray) -> dict:
    """A person as the tool packs it: the part of the picture around them, one bit a pixel."""
    rows, columns = np.nonzero(person)
    top, left = int(rows.min()), int(columns.min())
    part = person[top : rows.max() + 1, left : columns.max() + 1]
    picture = Image.fromarray(part.astype(np.uint8)).convert("P")
    picture.putpalette([0, 0, 0, 255, 255, 255])
    file = io.BytesIO()
    picture.save(file, "PNG", bits=1, transparency=0)
    data = base64.b64encode(zlib.compress(file.getvalue())).decode("ascii")
    return {
        "classTitle": "person_bmp",
        "geometryType": "bitmap",
        "bitmap": {"data": data, "origin": [left, top]},
    }


def _polygon() -> dict:
    return {
        "classTitle": "person_poly",
        "geometryType": "polygon",
        "points": {
            "exterior": [[4, 6], [19, 6], [19, 30], [4, 30]],
            "interior": [[[10, 12], [13, 12], [13, 15], [10, 15]]],
        },
    }


def paixin(root: Path) -> None:
    """Two categories, and both folders of backgrounds."""
    for number, category in enumerate(("man_in_white", "woman_with_food")):
        photo, alpha = drawn(100 + number)
        write(root / category / "raw_image" / f"100038{number}_44355_HNe.png", photo)
        write(root / category / "mask_image" / f"100038{number}_44355_HNe.png", alpha)
    empty = synthetic_scene(110, HEIGHT, WIDTH, people=0).image
    write(root / "background" / "ILSVRC2012_val_00000001.JPEG", empty)
    write(root / "background_easy" / "0.png", np.full((8, 8, 3), (20, 90, 160), np.uint8))


def listed(root: Path) -> None:
    """PaddleSeg's lists: mattes found by rule to learn from, class numbers to validate."""
    lines = []
    for seed in (120, 121):
        photo, alpha = drawn(seed)
        write(root / "train" / "fg" / f"{seed}.jpg", photo)
        write(root / "train" / "alpha" / f"{seed}.png", alpha)
        lines.append(f"train/fg/{seed}.jpg")
    # Without an end of the last line, as lists made by hand are.
    (root / "train.txt").write_text("\n".join(lines), encoding="utf-8")
    photo, alpha = drawn(122)
    write(root / "images" / "my photo.jpg", photo)
    write(root / "labels" / "my photo.png", (alpha > 127).astype(np.uint8))
    (root / "val.txt").write_text("images/my photo.jpg|labels/my photo.png\n", encoding="utf-8")


def folder(root: Path) -> None:
    """A matte, and a rough mask."""
    for seed, kind in ((140, "alphas"), (141, "masks")):
        photo, alpha = drawn(seed)
        write(root / "images" / f"{seed}.jpg", photo)
        write(
            root / kind / f"{seed}.png",
            alpha if kind == "alphas" else (alpha > 127) * np.uint8(255),
        )
    (root / "people.csv").write_text("140,ada\n141,ada\n", encoding="utf-8")


SETS: dict[str, Callable[[Path], None]] = {
    "aisegment": aisegment,
    "easyportrait": easyportrait,
    "easyportrait1": easyportrait1,
    "folder": folder,
    "list": listed,
    "p3m": p3m,
    "paixin": paixin,
    "ppm100": ppm100,
    "supervisely": supervisely,
}


def main() -> None:
    """Draw all of them where the tests look."""
    for name, draw in SETS.items():
        (DATA / name).mkdir(parents=True, exist_ok=True)
        draw(DATA / name)


if __name__ == "__main__":
    main()
