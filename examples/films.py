"""Films: who will like what. Matrix factorisation, then a network beside it, on the 100,000 ratings of MovieLens.

    python examples/films.py [--quick]

Each user and each film gets a vector that is learned. Matrix factorisation tells a rating as

    mean of all + bias of the user + bias of the film + (vector of the user) · (vector of the film)

and the network adds what a hidden layer makes of both vectors. A fifth of the ratings, drawn at random, is held out.
At the end one recommendation is explained: which part of it comes from the user, from the film and from the two
together, and which of the films that this user rated are nearest.
"""

import argparse
import time
from collections.abc import Sequence
from typing import Any

import fetch
import numpy as np

import pellucid as pl

TO_BEAT = 0.941
KNOWN = 20
"""A film is recommended if the network has seen so many ratings of it."""


class Recommender(pl.Model):
    """Matrix factorisation, and beside it a hidden layer of so many units, or none."""

    def __init__(self, users: int, films: int, mean: float, size: int = 32, hidden: int = 0):
        super().__init__()
        self.mean = mean
        near_zero = pl.RandomNormal(stddev=0.1)
        self.user_bias = pl.Embedding(users, 1, "zeros", name="user_bias")
        self.film_bias = pl.Embedding(films, 1, "zeros", name="film_bias")
        self.user = pl.Embedding(users, size, near_zero, name="user")
        self.film = pl.Embedding(films, size, near_zero, name="film")
        self.drop = pl.Dropout(0.5)
        self.together = pl.Concatenate()
        self.inner = pl.Dense(hidden, "relu") if hidden else None
        self.outer = pl.Dense(1)

    def __call__(self, x):
        user, film = self.user(x["user"]), self.film(x["film"])
        product = pl.sum(self.drop(user) * film, axis=-1, keepdims=True)
        rating = self.mean + self.user_bias(x["user"]) + self.film_bias(x["film"]) + product
        if self.inner:
            hidden = self.inner(self.drop(self.together([user, film])))
            rating = rating + self.outer(self.drop(hidden))
        return rating

    def parts(self, user: int, film: int) -> dict[str, float]:
        """What the rating of this film by this user is the sum of."""
        weights = self.parameters()
        parts = {
            "mean of all ratings": self.mean,
            "this user, of any film": float(weights["user_bias/embeddings"][user, 0]),
            "this film, by any user": float(weights["film_bias/embeddings"][film, 0]),
            "the two vectors' product": float(weights["user/embeddings"][user] @ weights["film/embeddings"][film]),
        }
        whole = float(self.predict(pairs([user], [film]))[0, 0])
        return parts | {"the network": whole - sum(parts.values())} if self.inner else parts


def pairs(users: Any, films: Any) -> dict[str, Any]:
    """The two inputs of the network."""
    return {"user": np.asarray(users, "int32"), "film": np.asarray(films, "int32")}


def trained(data: fetch.MovieLens, rows: Any, hidden: int, epochs: int = 16, batch_size: int = 256) -> Recommender:
    """The network after its training on these rows of the data."""
    ratings = data.ratings[rows]
    model = Recommender(int(data.users.max()) + 1, len(data.titles), float(ratings.mean()), hidden=hidden)
    rate = pl.CosineDecay(4e-3, epochs * -(-len(rows) // batch_size))
    model.compile(pl.AdamW(rate, weight_decay=0.1), "mean_squared_error", [pl.RootMeanSquaredError()])
    x = pairs(data.users[rows], data.films[rows])
    model.fit(x, ratings[:, None], batch_size=batch_size, epochs=epochs, record=False)
    return model


def explained(model: Recommender, data: fetch.MovieLens, rows: Any, user: int) -> pl.Attribution:
    """The film that this user is told to like best of those not rated yet: what its score is made of."""
    seen = rows[data.users[rows] == user]
    often = np.bincount(data.films[rows], minlength=len(data.titles)) >= KNOWN
    scores = model.predict(pairs(np.full(len(often), user), np.arange(len(often))))[:, 0]
    film = int(np.where(often & ~np.isin(np.arange(len(often)), data.films[seen]), scores, -np.inf).argmax())
    print(f"\nUser {user}, who rated {len(seen)} films, is told to see {data.titles[film]}: {scores[film]:.2f} of 5")
    for name, part in model.parts(user, film).items():
        print(f"  {part:+.3f}  {name}")
    vectors = model.parameters()["film/embeddings"]
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    likeness = vectors[data.films[seen]] @ vectors[film]
    print("The films that this user rated whose vectors point most nearly the same way:")
    for i in likeness.argsort()[: -4 - 1 : -1]:
        print(f"  cosine {likeness[i]:.2f}  rated {data.ratings[seen[i]]:.0f}  {data.titles[data.films[seen[i]]]}")
    found = pl.attribution(model, pairs([user], [film]))
    print("What each of the two, bias and vector together, adds by gradient × input:")
    found.show()
    return found


def main(arguments: Sequence[str] | None = None) -> pl.Attribution:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--quick", action="store_true", help="2 epochs on a tenth of the ratings, for a look in seconds")
    quick = ask.parse_args(arguments).quick
    started = time.perf_counter()
    data = fetch.movielens()
    order = np.random.default_rng(0).permutation(len(data.ratings))
    test, rows = order[: len(order) // 5], order[len(order) // 5 :]
    if quick:
        rows = rows[::10]
    for name, hidden in (("matrix factorisation", 0), ("with the network", 64)):
        model = trained(data, rows, hidden, epochs=2 if quick else 16)
        told = model.predict(pairs(data.users[test], data.films[test]))[:, 0]
        reached = float(np.sqrt(((told - data.ratings[test]) ** 2).mean()))
        took = time.perf_counter() - started
        print(f"{name}: RMSE {reached:.4f} on {len(test):,} held-out ratings, to beat {TO_BEAT}; {took:.0f} s so far")
    return explained(model, data, rows, user=int(data.users[test[0]]))


if __name__ == "__main__":
    main()
