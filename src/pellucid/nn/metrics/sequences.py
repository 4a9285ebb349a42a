"""Sequences of words or characters beside those that they should be: plain functions of what a model has written.

They compare finished sequences, not predictions step by step, so they stand beside the streaming metrics.
"""

from collections import Counter
from collections.abc import Sequence
from math import exp, log
from typing import Any

from pellucid.arguments import whole
from pellucid.errors import UsageError


def edit_distance(a: Sequence[Any], b: Sequence[Any]) -> int:
    """The fewest entries that have to be inserted, deleted or replaced to make `a` into `b`.

    `d[i][j] = min(d[i-1][j] + 1, d[i][j-1] + 1, d[i-1][j-1] + [a_i ≠ b_j])`. a, b: strings, or lists of words.

    >>> edit_distance("kitten", "sitting"), edit_distance("a b c".split(), "a c".split())
    (3, 1)

    Source: Levenshtein (1966), Soviet Physics Doklady 10, 707; Wagner and Fischer (1974), doi:10.1145/321796.321811.
    """
    before = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        now = [i]
        for j, y in enumerate(b, start=1):
            now.append(min(before[j] + 1, now[j - 1] + 1, before[j - 1] + (x != y)))
        before = now
    return before[-1]


def character_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """The edits from what was written to what is right, as a share of the right characters: Σ distance / Σ length.

    NaN without right characters. Raises UsageError unless there are as many of both.

    >>> character_error_rate(["kitten"], ["sitting"])
    0.5
    """
    _as_many(references, hypotheses)
    return _error_rate(references, hypotheses)


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """The edits from what was written to what is right, in words between spaces, as a share of the right words.

    NaN without right words. Raises UsageError unless there are as many of both.

    >>> word_error_rate(["the cat sat on the mat"], ["the cat sat mat"])
    0.3333333333333333
    """
    _as_many(references, hypotheses)
    return _error_rate([text.split() for text in references], [text.split() for text in hypotheses])


def _error_rate(references: Sequence[Sequence[Any]], hypotheses: Sequence[Sequence[Any]]) -> float:
    length = sum(map(len, references))
    edits = sum(edit_distance(right, written) for right, written in zip(references, hypotheses, strict=True))
    return edits / length if length else float("nan")


def bleu(
    references: Sequence[Sequence[str] | Sequence[Sequence[str]]], hypotheses: Sequence[str | Sequence[str]], n: int = 4
) -> float:
    """How much of what was written stands in the references, in runs of 1 to n words: from 0 to 1, over all texts.

    `BP · exp(1/n Σ log p_k)`: p_k is the share of the runs of k words that are also in a reference, each counted as
    often as the reference with most of it has it; `BP = min(1, exp(1 - r / c))` for c words written and, for each text,
    the length r of the reference nearest in length (of two, the shorter). 0 if some p_k is 0: short texts have no runs.

    references: for each text one string, or a list of them; a text may also be a list of words. Strings are cut at
    spaces. Raises UsageError for n below 1, or unless there are as many of both.

    >>> round(bleu(["the cat is on the mat"], ["the cat is on a mat"]), 6)
    0.537285

    Source: Papineni, Roukos, Ward, Zhu (2002), doi:10.3115/1073083.1073135.
    """
    _as_many(references, hypotheses)
    whole("n", n, of="bleu")
    hits, runs, written, wanted = [0] * n, [0] * n, 0, 0
    for given, text in zip(references, hypotheses, strict=True):
        words = _words(text)
        alternatives = [_words(r) for r in ([given] if isinstance(given, str) else given)]
        written += len(words)
        wanted += min((abs(len(r) - len(words)), len(r)) for r in alternatives)[1]
        for k in range(n):
            have, most = _counts(words, k + 1), Counter[tuple[str, ...]]()
            for reference in alternatives:
                most |= _counts(reference, k + 1)
            hits[k] += (have & most).total()
            runs[k] += have.total()
    if not all(hits):
        return 0.0
    precision = exp(sum(log(h / r) for h, r in zip(hits, runs, strict=True)) / n)
    return min(1.0, exp(1 - wanted / written)) * precision


def _words(text: str | Sequence[str]) -> list[str]:
    return text.split() if isinstance(text, str) else list(text)


def _counts(words: list[str], k: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + k]) for i in range(len(words) - k + 1))


def _as_many(references: Sequence[Any], hypotheses: Sequence[Any]) -> None:
    if isinstance(references, str) or isinstance(hypotheses, str) or len(references) != len(hypotheses):
        kind = "a string" if isinstance(references, str) or isinstance(hypotheses, str) else ""
        found = kind or f"{len(references)} references and {len(hypotheses)} hypotheses"
        raise UsageError(f"expected a list of references and one of as many hypotheses, found {found}")
