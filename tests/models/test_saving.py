"""A model in a file: it comes back bit for bit, or the error says what the file is instead."""

import json

import numpy as np
import pytest

import pellucid as pl
from pellucid import files
from pellucid.errors import RunError, UsageError
from pellucid.registry import to_config


def test_a_model_comes_back_bit_for_bit(trained, rows, tmp_path):
    model, _ = trained
    model.save(tmp_path / "m.pellucid")
    again = pl.load(tmp_path / "m.pellucid")
    assert list(again.parameters()) == list(model.parameters())
    for path, w in model.parameters().items():
        np.testing.assert_array_equal(again.parameters()[path], w)
        assert again.parameters()[path].dtype == w.dtype
    np.testing.assert_array_equal(again.predict(rows.x, engine="numpy"), model.predict(rows.x, engine="numpy"))
    assert again.evaluate(rows.x, rows.y, engine="numpy") == model.evaluate(rows.x, rows.y, engine="numpy")
    assert to_config(again) == to_config(model)


def test_a_loaded_model_trains_on_as_the_saved_one_would(rows, make_classifier, tmp_path):
    model = make_classifier(pl.Adam(pl.CosineDecay(0.01, 50), global_clipnorm=1.0))
    fit = {"epochs": 2, "engine": "numpy", "verbose": 0, "dtype": "float64"}
    model.fit(rows.x, rows.y, **fit)
    model.save(tmp_path / "m")
    again = pl.load(tmp_path / "m")
    a, b = (m.fit(rows.x, rows.y, **fit) for m in (model, again))
    np.testing.assert_array_equal(a.step_history["loss"], b.step_history["loss"])
    assert again.compiled.dtype == "float64"


class Residual(pl.Model):
    def __init__(self, name=None):
        super().__init__(name=name)
        self.inner = [pl.Dense(4, "relu"), pl.Dense(4, pl.tanh)]
        self.out = pl.Dense(1, kernel_initializer="he_normal")

    def __call__(self, x):
        for layer in self.inner:
            x = x + layer(x)
        return self.out(x)


class Wide(pl.Model):
    """Takes its width from its maker, as a field."""

    width: int = 3

    def __post_init__(self):
        self.hidden = pl.Dense(self.width, "relu")
        self.out = pl.Dense(1)

    def __call__(self, x):
        return self.out(self.hidden(x))


@pytest.mark.parametrize("make", [Residual, lambda: Wide(5), lambda: pl.Sequential([Wide(2), pl.Dense(1)])])
def test_a_model_of_ones_own(make, rows, tmp_path):
    model = make()
    expected = model.predict(rows.x, engine="numpy")
    model.save(tmp_path / "m")
    again = pl.load(tmp_path / "m")
    assert type(again) is type(model)
    np.testing.assert_array_equal(again.predict(rows.x, engine="numpy"), expected)


def test_a_model_of_a_class_that_is_not_imported(tmp_path):
    files.write(tmp_path / "m", content({"format": 1, "network": {"class": "Unheard"}}))
    with pytest.raises(UsageError, match=r"'Unheard' is not known here; import the module that defines it"):
        pl.load(tmp_path / "m")


def test_a_model_without_weights_yet(tmp_path):
    with pytest.raises(UsageError, match="no weights yet"):
        pl.Sequential([pl.Dense(1)]).save(tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_folder_that_is_not_there(trained, tmp_path):
    with pytest.raises(UsageError, match=r"there is no folder .*nowhere to write m into"):
        trained[0].save(tmp_path / "nowhere" / "m")


def test_saving_over_a_model_leaves_one_whole_model(trained, tmp_path):
    path = tmp_path / "m"
    path.write_bytes(b"old")
    trained[0].save(path)
    assert pl.load(path).parameters()
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


@pytest.fixture
def saved(trained, tmp_path):
    trained[0].save(tmp_path / "m")
    return tmp_path / "m"


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file(saved, share):
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(RunError, match=r"m (is torn|is no safetensors file, or it is torn)"):
        pl.load(saved)


def test_a_file_with_more_behind_it(saved):
    saved.write_bytes(saved.read_bytes() + b"tail")
    with pytest.raises(RunError, match="torn"):
        pl.load(saved)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip", b"x" * 500, b'{"a": 1}', bytes(64)])
def test_what_is_no_model(tmp_path, content):
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(RunError, match=r"m (is no safetensors file|is torn|holds arrays but no network)"):
        pl.load(tmp_path / "m")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(RunError, match=r"absent cannot be read: No such file"):
        pl.load(tmp_path / "absent")
    with pytest.raises(RunError, match="cannot be read: Is a directory"):
        pl.load(tmp_path)


def content(config, arrays=None, key="pellucid"):
    return files.tensors(arrays or {"w": np.ones(2)}, {key: json.dumps(config)})


def test_a_file_of_weights_alone(tmp_path):
    files.write(tmp_path / "m", files.tensors({"w": np.ones(2)}))
    with pytest.raises(RunError, match=r"holds arrays but no network.*load_parameters"):
        pl.load(tmp_path / "m")


def test_a_file_of_a_newer_pellucid(tmp_path):
    files.write(tmp_path / "m", content({"format": 99, "network": {"class": "Sequential"}}))
    with pytest.raises(RunError, match=r"newer pellucid \(format 99\); pip install -U pellucid"):
        pl.load(tmp_path / "m")


@pytest.mark.parametrize(
    "config", [{}, [], "text", {"format": 1}, {"format": "x"}, {"format": 1, "network": {"class": "Dense", "units": 1}}]
)
def test_a_file_whose_text_is_not_a_network(tmp_path, config):
    files.write(tmp_path / "m", content(config))
    with pytest.raises(RunError):
        pl.load(tmp_path / "m")


def test_a_file_that_lacks_a_weight(saved):
    text = files.metadata_of(saved.read_bytes(), "m")["pellucid"]
    arrays = files.read_tensors(saved.read_bytes(), "m")
    del arrays["dense_1/bias"]
    files.write(saved, files.tensors(arrays, {"pellucid": text}))
    with pytest.raises(RunError, match="dense_1/bias"):
        pl.load(saved)
