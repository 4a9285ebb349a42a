"""Writing, held to enumeration of all texts, to plain loops over bare prefixes, and to the frequencies of softmax."""

import itertools

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

import pellucid as pl
from pellucid.autodiff import Tape
from pellucid.errors import DataError, NotFiniteError, ShapeError, UsageError
from pellucid.inference.generation import drawn

TOKENS = 5


class Written(pl.Model):
    """A small network that writes: embedding, a causal layer, logits. Counts how often its lines are run."""

    runs = itertools.count()  # a number that is counted up would make another program of it

    def __init__(self, middle):
        super().__init__()
        self.embedding = pl.Embedding(TOKENS, 6, embeddings_initializer=pl.RandomUniform(-1.0, 1.0))
        self.middle = middle
        self.head = pl.Dense(TOKENS, kernel_initializer=pl.RandomUniform(-2.0, 2.0))

    def __call__(self, x):
        next(self.runs)
        return self.head(self.middle(self.embedding(x)))


class Translated(pl.Model):
    """The same with something read: both ways, for what is read may be looked at in full."""

    def __init__(self):
        super().__init__()
        self.reading = pl.Embedding(7, 6, embeddings_initializer=pl.RandomUniform(-1.0, 1.0), mask_zero=True)
        self.writing = pl.Embedding(TOKENS, 6, embeddings_initializer=pl.RandomUniform(-1.0, 1.0), mask_zero=True)
        self.encoder = pl.Bidirectional(pl.GRU(3, return_sequences=True))
        self.decoder = pl.TransformerDecoder(8, 2)
        self.head = pl.Dense(TOKENS, kernel_initializer=pl.RandomUniform(-2.0, 2.0))

    def __call__(self, x):
        read = self.encoder(self.reading(x["source"]))
        return self.head(self.decoder(self.writing(x["target_in"]), read))


MIDDLES = {
    "gru": lambda: pl.GRU(6, return_sequences=True),
    "convolution": lambda: pl.Conv1D(6, 3, padding="causal", activation="tanh"),
    "transformer": lambda: pl.TransformerEncoder(8, 2, use_causal_mask=True),
}


def written(kind="gru", seed=0):
    model = Written(MIDDLES[kind]())
    model.build(np.zeros((1, 3)), seed)
    return model


def translated():
    model = Translated()
    model.build({"source": np.ones((1, 4)), "target_in": np.ones((1, 3))})
    return model


SOURCES = np.array([[1, 2, 3, 0], [4, 4, 6, 5], [6, 0, 0, 0]])


def after(model, prefix, others=None):
    """log p of the token after a bare prefix, by a pass on nothing but it."""
    tape = Tape(model.parameters())
    ids = tape.given("x", np.asarray([prefix], np.float32))
    x = ids if others is None else {"target_in": ids} | {k: tape.given(k, a.astype("f4")) for k, a in others.items()}
    return log_softmax(model(x).array[0, -1].astype(float))


def bigrams(table):
    """A network whose next token depends on the last one alone: row i of the table is log p after i."""
    model = pl.Sequential([pl.Embedding(len(table), len(table))])
    model.load_parameters({"embedding/embeddings": np.asarray(table)})
    return model


@pytest.mark.parametrize("engine", ["numpy", "xla"])
@pytest.mark.parametrize("kind", MIDDLES)
def test_greedy_is_the_likeliest_after_each_bare_prefix(kind, engine):
    model = written(kind)
    prompts = [[1], [2, 3, 0], [4, 4]]
    found = pl.generate(model, prompts, 6, temperature=0, engine=engine, alternatives=2)
    for prompt, row in zip(prompts, found, strict=True):
        assert (row.prompt, len(row.tokens), row.ids) == (prompt, 6, prompt + row.tokens)
        for n, (token, log_p, others) in enumerate(
            zip(row.tokens, row.log_probabilities, row.alternatives, strict=True)
        ):
            expected = after(model, row.ids[: len(prompt) + n])
            best = np.argsort(-expected)[:2]
            assert token == best[0]
            assert [k for k, _ in others] == best.tolist()
            # A logit is a sum of 6 float32 products of numbers below 2; layers before it are as short.
            assert log_p == pytest.approx(expected[token], abs=1e-5)
            assert [p for _, p in others] == pytest.approx(expected[best], abs=1e-5)
        assert row.log_probability == pytest.approx(sum(row.log_probabilities))
    cold = pl.generate(model, prompts, 6, temperature=1e-6, engine=engine)
    assert [row.tokens for row in cold] == [row.tokens for row in found]


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_a_sequence_is_written_from_another(engine):
    model = translated()
    found = pl.generate(model, {"source": SOURCES, "target_in": [[2], [2, 1], [2]]}, 4, temperature=0, engine=engine)
    for source, row in zip(SOURCES, found, strict=True):
        for n in range(4):
            expected = after(model, row.ids[: len(row.prompt) + n], {"source": source[None]})
            assert row.tokens[n] == expected.argmax()
            assert row.log_probabilities[n] == pytest.approx(expected.max(), abs=1e-5)
    renamed = pl.generate(model, {"source": SOURCES[:1], "target_in": [[2]]}, 4, temperature=0, engine=engine)
    assert renamed[0].tokens == found[0].tokens


def test_one_program_serves_every_step_and_call():
    model = written()
    before = next(model.runs)
    pl.generate(model, [[1], [2]], 20)
    pl.generate(model, [[3], [4]], 20, seed=5, temperature=0.5)
    assert next(model.runs) - before - 1 == 1


CHANCES = softmax(np.array([[0.3, -1.0, 2.0, 0.0, 1.5]] * TOKENS), axis=1)


def cut(p, top_k=None, top_p=None):
    """p with only some tokens left, by the definitions."""
    order = sorted(range(len(p)), key=lambda k: -p[k])
    kept = order[:top_k]
    if top_p is not None:
        total = sum(p[k] for k in kept)
        kept = [k for i, k in enumerate(kept) if sum(p[j] for j in kept[:i]) < top_p * total]
    return np.array([p[k] if k in kept else 0 for k in range(len(p))]) / sum(p[k] for k in kept)


@pytest.mark.parametrize(
    ("temperature", "options"),
    [(1.0, {}), (0.5, {}), (3.0, {}), (1.0, {"top_k": 2}), (1.0, {"top_p": 0.8}), (2.0, {"top_k": 4, "top_p": 0.6})],
)
def test_tokens_come_as_often_as_softmax_says(temperature, options):
    rows = 20_000
    found = pl.generate(
        bigrams(np.log(CHANCES)), [[0]] * rows, 1, temperature=temperature, seed=3, batch_size=rows, **options
    )
    counts = np.bincount([row.tokens[0] for row in found], minlength=TOKENS)
    p = cut(softmax(np.log(CHANCES[0]) / temperature), **options)
    # Five standard deviations of a binomial count.
    assert (abs(counts - rows * p) <= 5 * np.sqrt(rows * p * (1 - p))).all()
    assert found[0].log_probabilities[0] == pytest.approx(np.log(CHANCES[0, found[0].tokens[0]]), abs=1e-6)


def test_draws_are_a_function_of_seed_row_and_step():
    model, prompts = written(), [[1], [2, 2], [3]]

    def tokens(*given, **options):
        return [row.tokens for row in pl.generate(model, *given, 8, **options)]

    whole = tokens(prompts)
    assert tokens(prompts) == whole == tokens(prompts, batch_size=2) == tokens(prompts, engine="numpy")
    assert tokens(prompts[:1]) == whole[:1] == tokens([[1], [4, 4, 4, 4], [0]])[:1]
    assert tokens(prompts, seed=1) != whole
    same = tokens([[1]] * 8)
    assert len({tuple(row) for row in same}) > 1


def test_what_is_rounded_up_to_one_is_still_a_token():
    log_p = np.log(np.array([[0.1] * 10]))
    assert drawn(log_p, np.array([1 - 2**-53]), 1.0, None, None).tolist() == [9]
    assert drawn(log_p, np.array([1 - 2**-53]), 1.0, 3, None).tolist() == [2]
    assert drawn(np.array([[-np.inf, 0.0]]), np.array([0.0]), 0.7, None, None).tolist() == [1]


def test_a_row_ends_at_the_end_token():
    model = bigrams(9 * np.roll(np.eye(4), 1, axis=1))
    found = pl.generate(model, [[0], [2], [3]], 3, temperature=0, end_token=0)
    assert [row.tokens for row in found] == [[1, 2, 3], [3, 0], [0]]
    page = found[1].page(lambda token: "abcd"[token]).to_text()
    assert page.splitlines()[1].split()[:4] == ["d", "1.000", "d", "1.000"]


def test_a_window_is_all_that_is_seen():
    model = written("transformer")
    (found,) = pl.generate(model, [[1, 2, 3, 4]], 5, temperature=0, window=2)
    for n in range(5):
        expected = after(model, found.ids[: 4 + n][-2:])
        assert found.tokens[n] == expected.argmax()
        assert found.log_probabilities[n] == pytest.approx(expected.max(), abs=1e-5)


def texts(model, prompt, longest, end, others=None):
    """Every text that may be written, with its log p: those that end with `end`, and those as long as may be."""
    found, open_ = {}, {(): 0.0}
    for length in range(1, longest + 1):
        more = {}
        for text, p in open_.items():
            for token, log_p in enumerate(after(model, prompt + list(text), others)):
                (found if token == end or length == longest else more)[(*text, token)] = p + log_p
        open_ = more
    return found


def ranked(found, penalty):
    return sorted(((p / ((5 + len(t)) / 6) ** penalty, t) for t, p in found.items()), reverse=True)


@pytest.mark.parametrize("penalty", [0.0, 0.6, 2.0])
def test_a_wide_beam_finds_the_best_of_all_texts(penalty):
    model, prompt = written(seed=1), [1, 2]
    best = ranked(texts(model, prompt, 3, end=0), penalty)
    width = TOKENS**3
    (found,) = pl.beam_search(model, [prompt], 3, num_beams=width, length_penalty=penalty, end_token=0, batch_size=1)
    assert len(found) == len(best) == 1 + 4 + 16 * 5
    assert [row.score(penalty) for row in found] == pytest.approx([score for score, _ in best], abs=1e-4)
    assert {tuple(row.tokens) for row in found} == {text for _, text in best}
    assert found[0].tokens == list(best[0][1])


def test_a_translation_is_searched_for():
    model = translated()
    found = pl.beam_search(model, {"source": SOURCES, "target_in": [[2]] * 3}, 2, num_beams=25, end_token=3)
    for source, row in zip(SOURCES, found, strict=True):
        best = ranked(texts(model, [2], 2, end=3, others={"source": source[None]}), 0.6)
        assert [tuple(one.tokens) for one in row] == [text for _, text in best]


def searched(model, prompt, longest, width, penalty, end):
    """Beam search in a few plain lines, without an early end."""
    beams, ended = {(): 0.0}, {}
    for step in range(longest):
        more = {}
        for text, p in beams.items():
            log_p = after(model, prompt + list(text))
            for token in range(TOKENS):
                (ended if token == end or step == longest - 1 else more)[(*text, token)] = p + log_p[token]
        beams = dict(sorted(more.items(), key=lambda item: -item[1])[:width])
    return ranked(ended, penalty)[:width]


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_narrow_beams_are_those_of_a_plain_loop(width, engine):
    model, prompts = written("transformer", seed=2), [[1], [2, 3], [4, 0]]
    found = pl.beam_search(model, prompts, 5, num_beams=width, length_penalty=0.8, end_token=2, engine=engine)
    for prompt, row in zip(prompts, found, strict=True):
        expected = searched(model, prompt, 5, width, 0.8, end=2)
        assert [tuple(one.tokens) for one in row] == [text for _, text in expected]
        assert [one.score(0.8) for one in row] == pytest.approx([score for score, _ in expected], abs=1e-4)
        for one in row:
            assert one.log_probability == pytest.approx(
                sum(after(model, prompt + one.tokens[:n])[one.tokens[n]] for n in range(len(one.tokens))), abs=1e-4
            )
            assert all(len(others) == 5 for others in one.alternatives)


def test_one_beam_without_an_end_is_greedy():
    model = written("gru", seed=4)
    (beam,) = pl.beam_search(model, [[1, 3]], 7, num_beams=1)[0]
    (greedy,) = pl.generate(model, [[1, 3]], 7, temperature=0)
    assert beam == greedy


def test_probabilities_are_taken_as_well_as_logits():
    logits = bigrams(np.log(CHANCES))
    model = pl.Sequential([pl.Embedding(TOKENS, TOKENS), pl.Activation("softmax")])
    model.load_parameters(logits.parameters())
    (found,), (expected,) = (pl.generate(m, [[0]], 4, temperature=0) for m in (model, logits))
    assert found.tokens == expected.tokens
    assert found.log_probabilities == pytest.approx(expected.log_probabilities, abs=1e-6)


def ahead():
    model = Written(pl.Bidirectional(pl.GRU(3, return_sequences=True)))
    model.build(np.zeros((1, 3)))
    return model


def last_only():
    model = Written(pl.GRU(3))
    model.build(np.zeros((1, 3)))
    return model


@pytest.mark.parametrize(
    ("make", "prompts", "options", "error", "message"),
    [
        (ahead, [[1]], {}, UsageError, "looks at tokens that are not written yet"),
        (last_only, [[1]], {}, ShapeError, r"at each step, \(1, 3, 'tokens'\), but this one gives \(1, 5\)"),
        (lambda: Written(pl.GRU(3)), [[1]], {}, UsageError, "no weights yet"),
        (written, [], {}, DataError, "a list of rows of token numbers, one at least"),
        (written, "text", {}, DataError, "the prompts are str"),
        (written, [[1], []], {}, DataError, r"prompt 1 has shape \(0,\)"),
        (written, [1, 2], {}, DataError, r"prompt 0 has shape \(\)"),
        (written, [[0.5]], {}, DataError, "dtype float64"),
        (written, [[1], [5]], {}, DataError, "prompt 1 holds the token 5; the network knows 0 to 4"),
        (translated, {"target_in": [[1]]}, {}, UsageError, "have to name 'target_in', which is written on, and the"),
        (translated, {"source": [[1]]}, {}, UsageError, "the prompts name source;"),
        (translated, {"source": SOURCES, "target_in": [[1]]}, {}, ShapeError, "1 rows of target_in.*'source': 3"),
        (written, [[1]], {"max_new_tokens": 0}, UsageError, "max_new_tokens=0: a whole number, 1 or more"),
        (written, [[1]], {"temperature": -1}, UsageError, r"temperature=-1: a number, 0 \(greedy\) or more"),
        (written, [[1]], {"top_k": 0}, UsageError, "top_k=0"),
        (written, [[1]], {"top_p": 0.0}, UsageError, "top_p=0.0: a probability above 0"),
        (written, [[1]], {"end_token": -1}, UsageError, "end_token=-1"),
        (written, [[1]], {"end_token": 5}, UsageError, "end_token=5: the network knows the tokens 0 to 4"),
        (written, [[1]], {"alternatives": -1}, UsageError, "alternatives=-1"),
        (written, [[1]], {"window": 0}, UsageError, "window=0"),
        (written, [[1]], {"engine": "torch"}, UsageError, "engine='torch' is not known"),
    ],
)
def test_mistakes_are_named(make, prompts, options, error, message):
    with pytest.raises(error, match=message):
        pl.generate(make(), prompts, **({"max_new_tokens": 3} | options))


def test_mistakes_of_a_search_are_named():
    with pytest.raises(UsageError, match="num_beams=0"):
        pl.beam_search(written(), [[1]], 3, num_beams=0)
    with pytest.raises(UsageError, match="length_penalty=-1: a number, 0 or more"):
        pl.beam_search(written(), [[1]], 3, length_penalty=-1)


def test_a_network_of_nan_is_refused():
    model = pl.Sequential([pl.Embedding(2, 2), pl.Dense(2)])
    kernel = [[1e10, 1e10], [-1e10, -1e10]]  # inf - inf
    model.load_parameters(
        {"embedding/embeddings": np.full((2, 2), 1e38), "dense/kernel": kernel, "dense/bias": [0.0, 0.0]}
    )
    for engine in ("numpy", "xla"):
        with pytest.raises(NotFiniteError, match="says NaN of the next token"):
            pl.generate(model, [[0]], 1, engine=engine)


@pytest.mark.parametrize("engine", ["numpy", "xla"])
def test_a_rewound_network_writes_with_what_was_changed(engine):
    """A program that was compiled before the rewind knows nothing of the new activation."""
    model = pl.Sequential([pl.Embedding(5, 6), pl.GRU(6, activation="tanh", return_sequences=True), pl.Dense(5)])
    model.compile("sgd", pl.SparseCategoricalCrossentropy(from_logits=True))
    x = np.random.default_rng(0).integers(0, 5, (16, 6))
    run = model.fit(x, np.roll(x, -1, axis=1), epochs=2, batch_size=8, record=False, verbose=0, engine=engine)
    pl.generate(model, [[1, 2]], 3, temperature=0, engine=engine)
    other = run.rewind(0, verbose=0, **{"gru.activation": "sigmoid"}).model
    found = pl.generate(other, [[1, 2]], 3, temperature=0, engine=engine)[0]
    for n, (token, log_p) in enumerate(zip(found.tokens, found.log_probabilities, strict=True)):
        expected = after(other, found.ids[: 2 + n])
        assert token == np.argmax(expected)
        assert log_p == pytest.approx(expected[token], abs=1e-5)
