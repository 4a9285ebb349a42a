"""Trains a small network of each kind and packs the run folders, one archive each.

The archives beside this file were made by version 53e9ba1: later versions have to open, replay and resume them.
Run it with the version whose runs are to be kept: python tests/earlier/make.py FOLDER
"""

import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from earlier_networks import KINDS, data_of

import pellucid as pl
from pellucid import cli


class Stop(pl.Callback):
    """Ctrl-C in the second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def pack(folder, archive):
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                out.write(path, path.relative_to(folder.parent))


def main(target):
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        for name, make in KINDS.items():
            model, options = make()
            x, y = data_of(name)
            model.fit(x, y, record=place / name, verbose=0, **options)
            pack(place / name, target / f"{name}.zip")
        model, options = KINDS["dense"]()
        x, y = data_of("dense")
        try:
            model.fit(x, y, record=place / "interrupted", verbose=0, callbacks=[Stop()], **options)
        except KeyboardInterrupt:
            pack(place / "interrupted", target / "interrupted.zip")
        model, options = KINDS["convolution"]()
        model.fit(*data_of("convolution"), record=False, verbose=0, **options)
        model.save(str(target / "convolution.pellucid"))
        np.savez_compressed(target / "convolution.npz", y=model.predict(data_of("convolution")[0][:4]))
        commands(place, target)


def commands(place, target):
    """Runs of the command line: a built-in table, sentences, ratings, pictures."""
    draw = np.random.default_rng(3)
    words = ["good", "fine", "bad", "poor", "film", "plot", "the", "of", "it", "was"]
    lines = ["text,liked"]
    for _ in range(80):
        chosen = draw.choice(words, 8)
        liked = (
            "yes" if sum(w in ("good", "fine") for w in chosen) > sum(w in ("bad", "poor") for w in chosen) else "no"
        )
        lines.append(f"{' '.join(chosen)},{liked}")
    (place / "films.csv").write_text("\n".join(lines) + "\n")
    lines = ["user,item,rating"]
    for _ in range(400):
        u, i = int(draw.integers(20)), int(draw.integers(15))
        lines.append(f"u{u},i{i},{int(np.clip(round(3 + (u % 3 - 1) + (i % 2) + draw.normal() * 0.3), 1, 5))}")
    (place / "ratings.csv").write_text("\n".join(lines) + "\n")
    from PIL import Image

    for k, name in enumerate(("across", "down")):
        (place / "stripes" / name).mkdir(parents=True)
        for i in range(12):
            stripes = np.indices((8, 8))[k] % 2 * 150
            pixels = (stripes + draw.integers(0, 100, (8, 8))).astype(np.uint8)
            Image.fromarray(pixels).save(place / "stripes" / name / f"{i:02}.png")
    for name, arguments in {
        "iris": ["iris", "--epochs", "4"],
        "films": [str(place / "films.csv"), "--target", "liked", "--epochs", "3"],
        "ratings": [str(place / "ratings.csv"), "--target", "rating", "--epochs", "3"],
        "stripes": [str(place / "stripes"), "--epochs", "2", "--hidden", "4"],
    }.items():
        assert cli.run(["train", *arguments, "-q", "--out", str(place / f"run-{name}")]) == 0
        pack(place / f"run-{name}", target / f"run-{name}.zip")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main(Path(sys.argv[1]))
    shutil.rmtree(Path(__file__).parent / "__pycache__", ignore_errors=True)
