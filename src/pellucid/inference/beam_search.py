"""Beam search: several continuations of a prompt are written side by side, and the best of them are kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy

from pellucid.arguments import whole
from pellucid.data.dataset import Numbers
from pellucid.errors import UsageError
from pellucid.inference.generation import Alternative, Continuation, continuation, likeliest
from pellucid.inference.prefixes import Prefixes, Prompts
from pellucid.models.model import Model

Note = tuple[int, float, list[Alternative]]


def beam_search(
    model: Model,
    prompts: Prompts,
    max_new_tokens: int,
    *,
    num_beams: int = 4,
    length_penalty: float = 0.6,
    end_token: int | None = None,
    window: int | None = None,
    alternatives: int = 5,
    name: str = "target_in",
    batch_size: int = 16,
    engine: str = "xla",
) -> list[list[Continuation]]:
    """The continuations of each prompt that beam search finds most likely, num_beams of them, best first.

    At each step every beam is written on by every token; of what has not ended, the num_beams of highest log p stay.
    What has ended, or is max_new_tokens long, is ranked by log p · (6 / (5 + tokens))^length_penalty; a prompt is done
    when nothing that is still written can be ranked among its best num_beams. One beam is greedy search; as many as
    there are prefixes find the best of all. Each row is searched by itself.

    num_beams: 1 or more. length_penalty: 0 or more; 0 ranks by log p alone, which favours short texts. batch_size: how
    many prompts are computed at once. The other arguments, and errors, as for `generate`.

    >>> import numpy as np, pellucid as pl
    >>> model = pl.Sequential([pl.Embedding(3, 3)])        # log p of the next token, by the token before it
    >>> after = [[0.0, 0.6, 0.4], [1.0, 0.5, 0.5], [1.0, 0.05, 0.95]]
    >>> model.load_parameters({"embedding/embeddings": np.log(np.array(after) + 1e-30)})
    >>> best, other = pl.beam_search(model, [[0]], 2, num_beams=2, length_penalty=0.0)[0]
    >>> best.tokens, round(float(np.exp(best.log_probability)), 3), other.tokens    # greedily: 1 first
    ([1, 0], 0.3, [2, 0])

    Source: Graves (2012), arXiv:1211.3711; Wu et al. (2016), arXiv:1609.08144, section 7.
    """
    whole("num_beams", num_beams)
    if isinstance(length_penalty, bool) or not 0 <= length_penalty < float("inf"):
        raise UsageError(f"length_penalty={length_penalty!r}: a number, 0 or more")
    whole("alternatives", alternatives, 0)
    prefixes = Prefixes(model, prompts, name, max_new_tokens, end_token, window, batch_size, engine)
    prefixes.repeated(num_beams)
    searches = [
        _Search(prompt, num_beams, length_penalty, max_new_tokens, end_token, alternatives)
        for prompt in prefixes.prompts
    ]
    for _ in range(max_new_tokens):
        going = [i for i, search in enumerate(searches) if not search.done]
        if not going:
            break
        rows = numpy.asarray([i * num_beams + k for i in going for k in range(len(searches[i].beams))])
        log_p = prefixes.after(rows)
        start = 0
        for i in going:
            count = len(searches[i].beams)
            parents, tokens = searches[i].step(log_p[start : start + count])
            start += count
            here = i * num_beams + numpy.arange(len(parents))
            prefixes.ids[here], prefixes.lengths[here] = (
                a[i * num_beams + parents] for a in (prefixes.ids, prefixes.lengths)
            )
            prefixes.append(here, tokens)
    return [search.best() for search in searches]


class _Search:
    """The beams of one prompt: what is still written, and what has ended."""

    def __init__(
        self, prompt: list[int], width: int, penalty: float, longest: int, end_token: int | None, alternatives: int
    ) -> None:
        self.prompt, self.width, self.penalty, self.longest = prompt, width, penalty, longest
        self.end_token, self.alternatives = end_token, alternatives
        self.beams: list[list[Note]] = [[]]
        self.totals = numpy.zeros(1)
        """log p of each beam."""
        self.ended: list[Continuation] = []

    def step(self, log_p: Numbers) -> tuple[Numbers, Numbers]:
        """Writes every beam on by log p (beams, tokens): of those that stay, which beam they go on from and by what."""
        totals = self.totals[:, None] + log_p
        says = [likeliest(row, self.alternatives) for row in log_p]
        if self.end_token is not None:
            for k in numpy.flatnonzero(numpy.isfinite(totals[:, self.end_token])).tolist():
                self._end([*self.beams[k], (self.end_token, float(log_p[k, self.end_token]), says[k])])
            totals[:, self.end_token] = -numpy.inf
        flat = totals.reshape(-1)
        best = numpy.argsort(-flat, kind="stable")[: self.width]
        best = best[numpy.isfinite(flat[best])]
        parents, tokens = numpy.divmod(best, log_p.shape[1])
        self.beams = [
            [*self.beams[k], (token, float(log_p[k, token]), says[k])]
            for k, token in zip(parents.tolist(), tokens.tolist(), strict=True)
        ]
        self.totals = flat[best]
        return parents, tokens

    @property
    def done(self) -> bool:
        """Whether no beam can come among the best: its log p only falls, and is divided by the longest's at most."""
        if not self.beams or len(self.beams[0]) == self.longest:
            return True
        if len(self.ended) < self.width:
            return False
        bound = float(self.totals[0]) * (6 / (5 + self.longest)) ** self.penalty
        return self.ended[-1].score(self.penalty) >= bound

    def best(self) -> list[Continuation]:
        """What has ended, and what is as long as it may be: the best of them, best first."""
        if self.beams and len(self.beams[0]) == self.longest:
            for beam in self.beams:
                self._end(beam)
        return self.ended

    def _end(self, notes: Sequence[Note]) -> None:
        self.ended.append(continuation(self.prompt, notes))
        self.ended.sort(key=lambda found: -found.score(self.penalty))
        del self.ended[self.width :]
