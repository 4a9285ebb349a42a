"""Pictures as Pillow has them, upright and of one size; boxes that follow their picture; files named that are not."""

import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

import pellucid as pl
from pellucid.data.files.placement import placement
from pellucid.errors import DataError, UsageError

Image = pytest.importorskip("PIL.Image")
RNG = np.random.default_rng(0)


def noise(*shape):
    return RNG.integers(0, 256, shape).astype(np.uint8)


def saved(path, pixels, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(path, **how)
    return path


def one(path, size=None, color=None, **how):
    return pl.pictures([path], size, color, **how).x[0]


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.TIFF"])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_pixels_come_back_as_written(tmp_path, name, shape):
    pixels = noise(*shape)
    found = pl.pictures([saved(tmp_path / name, pixels)])
    assert (found.x.dtype, found.x.shape) == (np.uint8, (1, 5, 7, 3 if len(shape) == 3 else 1))
    np.testing.assert_array_equal(found.x[0].reshape(shape), pixels)
    assert (found.y.tolist(), found.classes) == ([-1], ())


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.gif"])
def test_other_formats_as_pillow_decodes_them(tmp_path, name):
    path = saved(tmp_path / name, noise(6, 4, 3))
    with Image.open(path) as image:
        np.testing.assert_array_equal(one(path), np.asarray(image.convert("RGB")))


def test_the_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("L", (3, 2), grey) for grey in (10, 200)]
    for name in ("a.gif", "a.png", "a.webp", "a.tif"):
        lossless = {"lossless": True} if name == "a.webp" else {}
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **lossless)
        assert (one(tmp_path / name, color="grey") == 10).all(), name


def test_grey_is_the_weighted_sum_of_the_colours(tmp_path):
    pixels = noise(4, 4, 3)
    found = one(saved(tmp_path / "a.png", pixels), color="grey")[..., 0]
    np.testing.assert_allclose(found, pixels @ [0.299, 0.587, 0.114], atol=0.51)  # rounded to a whole number
    grey = noise(4, 4)
    found = one(saved(tmp_path / "b.png", grey), color="rgb")
    assert all((found[..., c] == grey).all() for c in range(3))


def test_what_shines_through_becomes_white(tmp_path):
    pixels = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 51]]], np.uint8)
    np.testing.assert_array_equal(one(saved(tmp_path / "a.png", pixels)), [[[10, 20, 30], [255] * 3, [204] * 3]])
    palette = Image.new("P", (1, 1), 1)
    palette.putpalette([0, 0, 0, 9, 9, 9])
    np.testing.assert_array_equal(one(saved(tmp_path / "b.png", palette, transparency=1)), [[[255] * 3]])
    np.testing.assert_array_equal(one(saved(tmp_path / "c.png", palette)), [[[9] * 3]])


def test_sixteen_bits_become_eight(tmp_path):
    deep = np.array([[0, 128, 129, 257, 65535]], np.uint16)
    found = pl.pictures([saved(tmp_path / "a.png", deep)])
    assert found.x.ravel().tolist() == [0, 0, 1, 1, 255]
    real = saved(tmp_path / "b.tif", np.ones((2, 2), np.float32))
    with pytest.raises(DataError, match=r"b\.tif holds real numbers"):
        pl.pictures([real])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright(tmp_path, orientation):
    """The eight ways a camera was held (EXIF 2.3, section 4.6.4), by NumPy."""
    shown = noise(4, 6)
    stored = {
        1: shown,
        2: shown[:, ::-1],
        3: shown[::-1, ::-1],
        4: shown[::-1],
        5: shown.T,
        6: np.rot90(shown),
        7: shown[::-1, ::-1].T,
        8: np.rot90(shown, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name in ("a.png", "a.tif"):
        path = saved(tmp_path / name, np.ascontiguousarray(stored), exif=exif)
        np.testing.assert_array_equal(one(path)[..., 0], shown)
    path = saved(tmp_path / "a.jpg", np.ascontiguousarray(stored), exif=exif)
    assert one(path).shape == (4, 6, 1)


@pytest.mark.parametrize("resample", ["bilinear", "lanczos"])
def test_fits_are_pillows_resize_of_a_part(tmp_path, resample):
    pixels = noise(10, 20)
    path, image = saved(tmp_path / "a.png", pixels), Image.fromarray(pixels)
    way = Image.Resampling[resample.upper()]
    stretched = one(path, (6, 4), fit="stretch", resample=resample)[..., 0]
    np.testing.assert_array_equal(stretched, image.resize((4, 6), way))
    boxed = one(path, (8, 8), fit="letterbox", resample=resample)[..., 0]
    np.testing.assert_array_equal(boxed[2:6], image.resize((8, 4), way))
    assert not boxed[:2].any() and not boxed[6:].any()
    cropped = one(path, (5, 5), fit="crop", resample=resample)[..., 0]
    np.testing.assert_array_equal(cropped, image.resize((5, 5), way, box=(5, 0, 15, 10)))


def test_a_thin_picture_keeps_a_pixel():
    assert placement("letterbox", (1, 1000), (8, 8)).place == (0, 3, 8, 4)


def test_folders_are_classes(tmp_path):
    for name, grey in (("b", 20), ("a", 30), ("b", 10)):
        saved(tmp_path / name / "inner" / f"{grey}.png", np.full((2, 2), grey, np.uint8))
    (tmp_path / "b" / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden").mkdir()
    saved(tmp_path / ".hidden" / "x.png", noise(2, 2))
    found = pl.pictures(tmp_path)
    assert found.classes == ("a", "b") and found.y.tolist() == [0, 1, 1] and found.y.dtype == np.int32
    assert found.x[:, 0, 0, 0].tolist() == [30, 10, 20]
    assert [path.name for path in found.files] == ["30.png", "10.png", "20.png"]
    flat = pl.pictures(tmp_path / "b" / "inner")
    assert flat.classes == () and flat.y.tolist() == [-1, -1]
    listed = pl.pictures(found.files[::-1], labels=["x", "y", "x"])
    assert listed.y.tolist() == [0, 1, 0] and listed.x[:, 0, 0, 0].tolist() == [20, 10, 30]


def test_many_lie_in_a_mapped_file(tmp_path):
    paths = [saved(tmp_path / f"{i}.png", np.full((2, 3), i, np.uint8)) for i in range(5)]
    found = pl.pictures(paths, memory_limit=29)
    assert isinstance(found.x, np.memmap) and found.folder is not None and found.folder.is_dir()
    assert found.x[:, 1, 2, 0].tolist() == [0, 1, 2, 3, 4]
    where = found.folder
    del found
    assert not where.exists()
    assert not isinstance(pl.pictures(paths, memory_limit=30).x, np.memmap)


def claims(width, height):
    """A PNG of a few bytes that says it is large."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b"\0" * 10))
        + chunk(b"IEND", b"")
    )


def test_too_many_pixels_are_refused_before_decoding(tmp_path, monkeypatch):
    from PIL import ImageFile

    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("it was decoded"))
    for name, side, words in (("a", 10_001, "more than 100,000,000"), ("b", 60_000, "too many pixels")):
        path = tmp_path / f"{name}.png"
        path.write_bytes(claims(side, side))
        with pytest.raises(DataError, match=rf"{name}\.png has .*{words}"):
            pl.pictures([path])
    small = saved(tmp_path / "c.bmp", noise(3, 4))
    with pytest.raises(DataError, match=r"c\.bmp has 4 × 3 pixels, more than 11"):
        pl.pictures([small], most_pixels=11)


@pytest.fixture
def spoiled(tmp_path):
    """A folder with pictures of two classes, and what is none."""
    for name in ("a", "b"):
        saved(tmp_path / name / "good.png", noise(8, 8))
    torn = saved(tmp_path / "a" / "torn.jpg", noise(40, 40))
    torn.write_bytes(torn.read_bytes()[:-300])
    half = saved(tmp_path / "b" / "half.png", noise(40, 40))
    half.write_bytes(half.read_bytes()[:700])
    (tmp_path / "b" / "text.png").write_text("this is no picture")
    (tmp_path / "b" / "empty.gif").write_bytes(b"")
    saved(tmp_path / "b" / "foreign.png", Image.new("L", (2, 2)), format="PPM")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a/torn.jpg", "cannot be decoded"),
        ("b/half.png", "cannot be decoded"),
        ("b/text.png", "no picture that can be read"),
        ("b/empty.gif", "no picture that can be read"),
        ("b/foreign.png", "no picture that can be read"),
        ("b/lacking.png", "lacking.png cannot be opened: No such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(spoiled, name, words):
    with pytest.raises(DataError) as raised:
        pl.pictures([spoiled / name], size=(8, 8), color="grey")
    assert name in str(raised.value) and words in str(raised.value)
    with pytest.raises(DataError):
        pl.pictures(spoiled, size=(8, 8))


@pytest.mark.parametrize("color", [None, "grey"])
def test_or_skipped_and_counted(spoiled, color):
    found = pl.pictures(spoiled, size=(8, 8), color=color, skip=True)
    assert [path.name for path in found.files] == ["good.png", "good.png"]
    assert found.y.tolist() == [0, 1] and found.x.shape == (2, 8, 8, 1)
    assert len(found.skipped) == 5 and sum("torn.jpg" in why for why in found.skipped) == 1
    with pytest.raises(DataError, match="none of the 1 pictures can be read"):
        pl.pictures([spoiled / "b" / "text.png"], size=(8, 8), color=color, skip=True)


def test_sizes_that_differ_are_said(tmp_path):
    paths = [saved(tmp_path / f"{i}.png", noise(4, 4 + (i == 1))) for i in range(3)]
    with pytest.raises(DataError, match=r"4×4 \(2, as 0\.png\), 4×5 \(1, as 1\.png\).*size=\(4, 4\)"):
        pl.pictures(paths)
    assert pl.pictures(paths, size=(4, 4)).x.shape == (3, 4, 4, 1)


def test_what_was_asked_wrongly(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.png", noise(4, 4))
    for options, words in (
        ({"size": (0, 4)}, r"size\[0\]=0"),
        ({"size": 4}, r"size=4: it is \(height, width\)"),
        ({"color": "red"}, "color='red': it is 'grey' or 'rgb'"),
        ({"fit": "zoom"}, "fit='zoom': it is 'letterbox' or 'crop' or 'stretch'"),
        ({"resample": "cubic"}, "resample='cubic'"),
        ({"labels": ["a", "b"]}, "2 labels for 1 pictures"),
    ):
        with pytest.raises(UsageError, match=words):
            pl.pictures([path], **options)
    with pytest.raises(DataError, match="There is no folder"):
        pl.pictures(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no pictures"):
        pl.pictures(tmp_path / "empty")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UsageError, match=r'pip install "pellucid\[images\]"'):
        pl.pictures([path])


# Boxes


def rows(*boxes, file="a.png", **more):
    return [dict(zip(("left", "top", "right", "bottom"), box, strict=True)) | {"file": file} | more for box in boxes]


@pytest.mark.parametrize("fit", ["stretch", "letterbox", "crop"])
def test_a_box_stays_around_what_it_was_around(tmp_path, fit):
    """A white rectangle on black, resized by Pillow: the box is where the white is, to a pixel."""
    pixels = np.zeros((60, 100), np.uint8)
    pixels[20:40, 45:70] = 255
    saved(tmp_path / "a.png", pixels)
    found = pl.boxed_pictures(rows((45, 20, 70, 40)), (64, 48), "grey", folder=tmp_path, fit=fit)
    down, across = np.nonzero(found.x[0, :, :, 0] > 127)
    seen = np.array([across.min(), down.min(), across.max() + 1, down.max() + 1])
    assert np.abs(found.boxes[0] * [48, 64, 48, 64] - seen).max() <= 1
    assert found.boxes.shape == (1, 4) and found.boxes.dtype == np.float32 and found.counts.tolist() == [1]


def test_boxes_by_hand(tmp_path):
    saved(tmp_path / "a.png", noise(10, 20))

    def box(fit, *edges):
        return pl.boxed_pictures(rows(edges), (10, 10), folder=tmp_path, fit=fit).boxes[0].tolist()

    assert box("stretch", 5, 0, 10, 5) == [0.25, 0.0, 0.5, 0.5]
    # 20 × 10 into 10 × 10: half the size, 5 high, below 2 rows of black
    assert box("letterbox", 0, 0, 20, 10) == pytest.approx([0.0, 0.2, 1.0, 0.7])
    # the middle 10 columns stay; what is left of them is clipped away
    assert box("crop", 0, 0, 10, 10) == [0.0, 0.0, 0.5, 1.0]
    with pytest.raises(DataError, match=r"row 1: fit='crop' leaves nothing of its box in a\.png"):
        box("crop", 0, 0, 5, 10)


def test_a_box_in_a_turned_picture_is_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    saved(tmp_path / "a.png", noise(10, 20), exif=exif)  # shown 10 wide, 20 high
    found = pl.boxed_pictures(rows((0, 10, 10, 20)), (20, 10), folder=tmp_path)
    assert found.boxes.tolist() == [[0.0, 0.5, 1.0, 1.0]]


def test_several_boxes_from_a_file(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        saved(tmp_path / "in" / name, noise(10, 10, 3))
    (tmp_path / "boxes.csv").write_text(
        "label,file,left,top,right,bottom\ncat,in/a.png,0,0,5,5\ndog,in/b.png,1,1,2,2\nant,in/a.png,5,5,10,10\n"
        ",in/c.png,,,,\n"
    )
    found = pl.boxed_pictures(tmp_path / "boxes.csv", (10, 10), most=None)
    assert found.boxes.shape == (3, 2, 4) and found.counts.tolist() == [2, 1, 0]
    assert found.classes == ("ant", "cat", "dog")
    assert found.y.tolist() == [[1, 0], [2, -1], [-1, -1]] and found.y.dtype == np.int32
    np.testing.assert_allclose(found.boxes[0], [[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]])
    assert not found.boxes[1, 1].any() and not found.boxes[2].any()
    assert [path.name for path in found.files] == ["a.png", "b.png", "c.png"]
    assert pl.boxed_pictures(tmp_path / "boxes.csv", (10, 10), most=3).boxes.shape == (3, 3, 4)
    with pytest.raises(DataError, match=r"a\.png has 2 boxes, more than most=1"):
        pl.boxed_pictures(tmp_path / "boxes.csv", (10, 10))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (rows((5, 0, 5, 5)), r"row 1: the box from 5, 0 to 5, 5 does not lie in a\.png, which is 20 wide and 10 high"),
        (rows((0, 0, 20, 10.5)), "does not lie in"),
        (rows((-1, 0, 5, 5)), "does not lie in"),
        (rows((0, 0, 5, "x")), 'row 1, column "bottom": \'x\'; expected a number of pixels'),
        (rows((0, 0, None, 5)), 'row 1, column "right": None; expected a number, as in the other corners'),
        (rows((0, 0, 1, 1), file=None), 'column "file".*the name of a picture'),
        (rows((0, 0, 1, 1), file="z.png"), r"z\.png cannot be opened"),
        (rows((0, 0, 1, 1), (None,) * 4, file="a.png") + rows((None,) * 4, file="b.png"), r"b\.png has no box"),
        (rows((0, 0, 1, 1), label="") + rows((0, 0, 1, 1), label="a", file="b"), 'column "label".*class of the box'),
        ([{"file": "a.png", "left": 0}], "lacks the column top, right, bottom"),
        ([], "The list of boxes is empty"),
        ([3], "the rows of boxes are dicts"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_named(tmp_path, given, words):
    saved(tmp_path / "a.png", noise(10, 20))
    with pytest.raises(DataError, match=words):
        pl.boxed_pictures(given, (8, 8), folder=tmp_path)


def test_paths_of_any_kind(tmp_path):
    path = saved(tmp_path / "ä ö.png", noise(2, 2))
    assert len(pl.pictures(str(path))) == 1
    assert len(pl.pictures([os.fspath(path), Path(path)])) == 2
