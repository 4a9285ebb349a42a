"""The examples on text, sequences and ratings, on small made-up data without a network: each trains, and its
explanation's check holds."""

import doctest

import numpy as np
import pytest

import pellucid as pl


def held(found):
    """No gradient that was measured is wrong, and most agree outright."""
    assert found.ok
    assert found.report.counts()["agree"] > 0
    assert found.report.worst < 1e-6


def learned(run):
    """The loss fell from the first steps to the last."""
    losses = run.step_history["loss"]
    few = max(1, len(losses) // 4)
    assert losses[-few:].mean() < losses[:few].mean()


@pytest.mark.parametrize("name", ["reviews", "translate"])
def test_docstrings(example, name):
    done = doctest.testmod(example(name))
    assert done.attempted > 0
    assert done.failed == 0


def opinions(count):
    """Sentences of good or bad words among others, and their scores."""
    draw = np.random.default_rng(0)
    words = {1: ["charming", "moving", "superb"], -1: ["tepid", "dull", "clumsy"]}
    sentences, scores = [], []
    for _ in range(count):
        sign = int(draw.choice([-1, 1]))
        said = [*draw.choice(["film", "story", "cast", "music"], 3), *draw.choice(words[sign], 2)]
        sentences.append(" ".join(draw.permutation(said)) + "!")
        scores.append(sign * draw.uniform(0.5, 3.0))
    return sentences, np.array(scores)


def test_reviews(example, monkeypatch, runs, capsys):
    reviews = example("reviews")
    monkeypatch.setattr(reviews.fetch, "reviews", lambda: opinions(3000))
    bag, order = reviews.main(["--quick"])
    learned(runs[0])
    said = capsys.readouterr().out
    assert "accuracy on 600 sentences, each held out once" in said and "to beat 0.787" in said
    held(bag)
    held(order)
    # The bag's answer is a sum over its terms, so what each adds is all there is to say, but for rounding.
    assert abs(bag.gap) < 1e-12 * abs(bag.contributions["terms"]).sum()
    assert not bag.contributions["words"].any()
    assert not order.contributions["terms"].any()


def test_a_vocabulary_holds_what_two_rows_have(example):
    vocabulary = example("reviews").Vocabulary([["a", "b", "b"], ["a", "c"], ["a", "c"]])
    assert vocabulary.names == ["", "a", "c"]
    assert vocabulary.encode([["c", "b", "a"], ["b"]]).tolist() == [[2, 1], [0, 0]]


def tastes(fetch, users=300, films=60, count=15000):
    """Ratings that come of what each user likes and each film has."""
    draw = np.random.default_rng(0)
    like, has = draw.normal(size=(users, 2)), draw.normal(size=(films, 2))
    pairs = draw.permutation(users * films)[:count]
    user, film = pairs // films, pairs % films
    ratings = np.clip(np.rint(3 + (like[user] * has[film]).sum(axis=1)), 1, 5).astype(np.float32)
    return fetch.MovieLens(user, film, ratings, user * 0, [f"film {i}" for i in range(films)], [[]] * films)


def test_films(example, monkeypatch, runs, capsys):
    films = example("films")
    data = tastes(films.fetch)
    monkeypatch.setattr(films.fetch, "movielens", lambda: data)
    monkeypatch.setattr(films, "KNOWN", 1)
    found = films.main(["--quick"])
    for run in runs:
        learned(run)
    said = capsys.readouterr().out
    assert "matrix factorisation: RMSE" in said and "to beat 0.941" in said
    held(found)
    assert set(found.contributions) == {"user", "film"}


def test_the_parts_of_a_rating_add_up(example, runs):
    films = example("films")
    data = tastes(films.fetch)
    for hidden in (0, 8):
        model = films.trained(data, np.arange(500), hidden, epochs=1)
        parts = model.parts(3, 5)
        told = model.predict(films.pairs([3], [5]))[0, 0]
        np.testing.assert_allclose(sum(parts.values()), told, rtol=1e-5)
        if not hidden:
            user, film = (model.parameters()[f"{side}/embeddings"] for side in ("user", "film"))
            assert parts["the two vectors' product"] == pytest.approx(float(user[3] @ film[5]))


def load(days=84):
    """Half hours of a day's and a week's rhythm, on a level that wanders from day to day."""
    draw = np.random.default_rng(0)
    t = np.arange(days * 48)
    level = np.repeat(np.cumsum(draw.normal(size=days)) * 300, 48)
    rhythm = 5000 * np.sin(2 * np.pi * t / 48) + 2000 * (t // 48 % 7 < 5)
    return 29000 + rhythm + level + draw.normal(size=len(t)) * 50


def test_demand(example, monkeypatch, runs, capsys):
    demand = example("demand")
    monkeypatch.setattr(demand.fetch, "demand", load)
    found = demand.main(["--quick"])
    learned(runs[0])
    assert "mean error over the last 14 days" in capsys.readouterr().out
    held(found)
    assert found.contributions.shape == (7, 96)


def test_demand_is_told_from_the_past_alone(example):
    demand = example("demand")
    known = np.arange(4032.0)
    begin = 1000
    x, day, week_before = demand.samples(known, [begin])
    np.testing.assert_array_equal(day[0], np.arange(begin, begin + 48))
    np.testing.assert_array_equal(week_before[0], day[0] - 7 * 48)
    np.testing.assert_allclose(x[0, :, :48].ravel() * 5 + 30, np.arange(begin - 7 * 48, begin), rtol=1e-6)
    np.testing.assert_array_equal(x[0, :, 48:], 7 * 48)
    changed = known.copy()
    changed[begin:] = 0
    np.testing.assert_array_equal(demand.samples(changed, [begin])[0], x)
    assert demand.moment(5 * 48 + 23) == "Sat (day 6) 11:30"


def test_shakespeare(example, monkeypatch, runs, capsys):
    shakespeare = example("shakespeare")
    play = "To be, or not to be: that is the question.\n"
    works = dict.fromkeys(("hamlet", *shakespeare.HELD_OUT), play * 40) | {"lear": play * 300}
    monkeypatch.setattr(shakespeare.fetch, "shakespeare", lambda: works)
    found = shakespeare.main(["--quick"])
    learned(runs[0])
    assert "bits per character of macbeth and twelfth_night, to beat 2.2" in capsys.readouterr().out
    held(found)
    assert found.contributions.shape == (shakespeare.LENGTH,)


def test_bits_of_a_network_that_guesses(example):
    shakespeare = example("shakespeare")
    model = shakespeare.network(8, units=4)
    ids = np.random.default_rng(0).integers(0, 8, 1000)
    model.build(pl.windows(ids, shakespeare.LENGTH)[0])
    model.load_parameters({path: 0 * array for path, array in model.parameters().items()})
    assert shakespeare.bits(model, ids) == pytest.approx(3, abs=1e-6)  # log2(8)


def test_phonemes(example, monkeypatch, runs, capsys):
    phonemes = example("phonemes")
    draw = np.random.default_rng(0)
    words = {"".join(draw.choice(list("abcdefg"), draw.integers(2, 9))) for _ in range(500)}
    entries = [(word, [f"{letter.upper()}1" for letter in word]) for word in sorted(words)]
    monkeypatch.setattr(phonemes.fetch, "cmudict", lambda: entries)
    monkeypatch.setattr(phonemes, "TEST", 100)
    found = phonemes.main(["--quick"])
    learned(runs[0])
    said = capsys.readouterr().out
    assert f"{len(entries):,} words of the dictionary" in said and "of 100 unseen words" in said
    held(found)
    assert set(found.contributions) == {"source", "target_in"}


def test_a_word_has_all_its_pronunciations_and_odd_ones_are_left_out(example):
    phonemes = example("phonemes")
    odd = [("a.m.", ["A"]), ("abcdefgabcdefg", ["A"]), ("ab", ["A"] * 12)]
    found = phonemes.dictionary(
        [("read", ["R", "EH1", "D"]), ("read(2)", ["R", "IY1", "D"]), *odd, ("o'er", ["AO2", "R"])]
    )
    assert found.words == ["read", "o'er"]
    assert found.spoken == [["R EH D", "R IY D"], ["AO R"]]
    assert found.phonemes.decode(found.y[0]) == "R EH D"
    assert phonemes.nearest("R IY T", found.spoken[0]) == "R IY D"


def test_a_dictionary_is_learned_from_verses(example):
    """The three verses of the textbook: only sharing out over all of them tells which word is which.

    Koehn (2010), Statistical Machine Translation, figure 4.4.
    """
    verses = [("das haus", "the house"), ("das buch", "the book"), ("ein buch", "a book")]
    found = example("translate").dictionary(verses)
    assert found == {"das": "the", "haus": "house", "buch": "book", "ein": "a"}


def test_no_held_out_verse_is_learned(example):
    translate = example("translate")
    verses = [(f"Verse {i % 40}, it says.", f"Verso {i}") for i in range(60)] + [("So " * 20, "Así")]
    learned, test = translate.split(verses, test=20)
    assert len(learned) == 41
    assert {"so " * 19 + "so"} <= {english for english, _ in learned}
    assert test and not {english for english, _ in learned} & {english for english, _ in test}


def test_translate(example, monkeypatch, runs, capsys):
    translate = example("translate")
    draw = np.random.default_rng(0)
    words = [("sun", "sol"), ("sea", "mar"), ("is", "es"), ("and", "y"), ("bread", "pan"), ("light", "luz")]
    rows = [[words[i] for i in draw.integers(0, 6, draw.integers(3, 8))] for _ in range(1200)]
    verses = [(" ".join(e for e, _ in row), " ".join(s for _, s in row)) for row in rows]
    monkeypatch.setattr(translate.fetch, "verses", lambda: verses)
    found = translate.main(["--quick"])
    learned(runs[0])
    said = capsys.readouterr().out
    assert "BLEU on 20 unseen verses" in said and "loss by step" in said
    held(found)
    assert set(found.contributions) == {"source", "target_in"}
