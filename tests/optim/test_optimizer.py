"""One table drives every optimizer: its published formula, optax, PyTorch, and its own promises."""

import ast
import inspect
import textwrap
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pellucid import optim
from pellucid.errors import ShapeError, UsageError
from pellucid.registry import from_config, to_config

torch = pytest.importorskip("torch")

RATE = 0.03
STEPS = 50
SHAPES = {"a/kernel": (4, 3), "a/bias": (3,), "b/gain": ()}


def sgd(g, w, _, s, momentum=0.0, nesterov=False):
    s["b"] = momentum * s.get("b", 0) - RATE * g
    return w + (momentum * s["b"] - RATE * g if nesterov else s["b"])


def adam(g, w, t, s, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False, weight_decay=0.0):
    s["m"] = beta_1 * s.get("m", 0) + (1 - beta_1) * g
    s["v"] = beta_2 * s.get("v", 0) + (1 - beta_2) * g * g
    s["top"] = np.maximum(s.get("top", 0), s["v"])
    v_hat = (s["top"] if amsgrad else s["v"]) / (1 - beta_2**t)
    step = s["m"] / (1 - beta_1**t) / (np.sqrt(v_hat) + epsilon)
    return w - RATE * (step + weight_decay * w)


def rmsprop(g, w, _, s, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False):
    s["v"] = rho * s.get("v", 0) + (1 - rho) * g * g
    s["m"] = rho * s.get("m", 0) + (1 - rho) * g
    root = np.sqrt(s["v"] - (s["m"] ** 2 if centered else 0) + epsilon)
    s["b"] = momentum * s.get("b", 0) + RATE * g / root
    return w - s["b"]


def adagrad(g, w, _, s, start=0.1, epsilon=1e-7):
    s["sum"] = s.get("sum", start) + g * g
    return w - RATE * g / np.sqrt(s["sum"] + epsilon)


def adamax(g, w, t, s, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    s["m"] = beta_1 * s.get("m", 0) + (1 - beta_1) * g
    s["u"] = np.maximum(beta_2 * s.get("u", 0), np.abs(g))
    return w - RATE / (1 - beta_1**t) * s["m"] / (s["u"] + epsilon)


def nadam(g, w, t, s, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    mu, after = (beta_1 * (1 - 0.5 * 0.96 ** (t + k)) for k in (0, 1))
    s["product"] = s.get("product", 1) * mu
    s["m"] = beta_1 * s.get("m", 0) + (1 - beta_1) * g
    s["v"] = beta_2 * s.get("v", 0) + (1 - beta_2) * g * g
    m_hat = after * s["m"] / (1 - s["product"] * after) + (1 - mu) * g / (1 - s["product"])
    return w - RATE * m_hat / (np.sqrt(s["v"] / (1 - beta_2**t)) + epsilon)


def adadelta(g, w, _, s, rho=0.95, epsilon=1e-7):
    s["v"] = rho * s.get("v", 0) + (1 - rho) * g * g
    move = np.sqrt((s.get("u", 0) + epsilon) / (s["v"] + epsilon)) * g
    s["u"] = rho * s.get("u", 0) + (1 - rho) * move * move
    return w - RATE * move


def lion(g, w, _, s, beta_1=0.9, beta_2=0.99, weight_decay=0.0):
    step = np.sign(beta_1 * s.get("m", 0) + (1 - beta_1) * g)
    s["m"] = beta_2 * s.get("m", 0) + (1 - beta_2) * g
    return w - RATE * (step + weight_decay * w)


def lamb(g, w, t, s, beta_1=0.9, beta_2=0.999, epsilon=1e-7, weight_decay=0.0):
    s["m"] = beta_1 * s.get("m", 0) + (1 - beta_1) * g
    s["v"] = beta_2 * s.get("v", 0) + (1 - beta_2) * g * g
    step = s["m"] / (1 - beta_1**t) / (np.sqrt(s["v"] / (1 - beta_2**t)) + epsilon) + weight_decay * w
    return w - RATE * np.linalg.norm(w) / np.linalg.norm(step) * step


def muon(g, w, t, s, momentum=0.95, nesterov=True, steps=6):
    if np.ndim(w) < 2:
        return w - 0.1 * (w - adam(g, w, t, s))
    s["m"] = momentum * s.get("m", 0) + g
    x = g + momentum * s["m"] if nesterov else s["m"]
    x = x / (np.linalg.norm(x) + 1e-7)
    for _ in range(steps):  # by its singular values: the odd polynomial of each
        u, sigma, v = np.linalg.svd(x, full_matrices=False)
        x = (u * (3.4445 * sigma - 4.775 * sigma**3 + 2.0315 * sigma**5)) @ v
    return w - RATE * max(1, w.shape[1] / w.shape[0]) ** 0.5 * x


def with_(formula, **settings):
    return lambda g, w, t, s: formula(g, w, t, s, **settings)


def adam_of(kind, **settings):
    return lambda p: kind(p, lr=RATE, eps=1e-7, **settings)


# name: ours, the published formula, the same in optax, the same in PyTorch (None: it has no such form).
TABLE = {
    "sgd": (optim.SGD(RATE), sgd, optax.sgd(RATE), lambda p: torch.optim.SGD(p, RATE)),
    "momentum": (
        optim.SGD(RATE, momentum=0.9),
        with_(sgd, momentum=0.9),
        optax.sgd(RATE, 0.9),
        lambda p: torch.optim.SGD(p, RATE, momentum=0.9),
    ),
    "nesterov": (
        optim.SGD(RATE, momentum=0.9, nesterov=True),
        with_(sgd, momentum=0.9, nesterov=True),
        optax.sgd(RATE, 0.9, nesterov=True),
        lambda p: torch.optim.SGD(p, RATE, momentum=0.9, nesterov=True),
    ),
    "adam": (optim.Adam(RATE), adam, optax.adam(RATE, eps=1e-7), adam_of(torch.optim.Adam)),
    "adam betas": (
        optim.Adam(RATE, beta_1=0.5, beta_2=0.9, epsilon=1e-3),
        with_(adam, beta_1=0.5, beta_2=0.9, epsilon=1e-3),
        optax.adam(RATE, 0.5, 0.9, eps=1e-3),
        lambda p: torch.optim.Adam(p, RATE, (0.5, 0.9), 1e-3),
    ),
    "amsgrad": (
        optim.Adam(RATE, amsgrad=True),
        with_(adam, amsgrad=True),
        None,  # optax takes the largest v_hat, not the largest v
        adam_of(torch.optim.Adam, amsgrad=True),
    ),
    "adamw": (
        optim.AdamW(RATE),
        with_(adam, weight_decay=0.004),
        optax.adamw(RATE, eps=1e-7, weight_decay=0.004),
        adam_of(torch.optim.AdamW, weight_decay=0.004),
    ),
    "rmsprop": (optim.RMSprop(RATE), rmsprop, optax.rmsprop(RATE, 0.9, 1e-7, eps_in_sqrt=True), None),
    "rmsprop momentum": (
        optim.RMSprop(RATE, rho=0.8, momentum=0.7),
        with_(rmsprop, rho=0.8, momentum=0.7),
        optax.rmsprop(RATE, 0.8, 1e-7, momentum=0.7, eps_in_sqrt=True),
        None,
    ),
    "rmsprop centered": (
        optim.RMSprop(RATE, momentum=0.5, centered=True),
        with_(rmsprop, momentum=0.5, centered=True),
        optax.rmsprop(RATE, 0.9, 1e-7, centered=True, momentum=0.5, eps_in_sqrt=True),
        None,
    ),
    "adamax": (optim.Adamax(RATE), adamax, None, None),
    "adamax bare": (
        optim.Adamax(RATE, epsilon=0),
        with_(adamax, epsilon=0),
        optax.adamax(RATE, eps=0.0),
        lambda p: torch.optim.Adamax(p, RATE, eps=0),
    ),
    "nadam": (
        optim.Nadam(RATE),
        nadam,
        None,  # optax has no warming momentum
        lambda p: torch.optim.NAdam(p, RATE, eps=1e-7, momentum_decay=1.0),
    ),
    "adadelta": (
        optim.Adadelta(RATE),
        adadelta,
        optax.adadelta(RATE, 0.95, 1e-7),
        lambda p: torch.optim.Adadelta(p, RATE, rho=0.95, eps=1e-7),
    ),
    "lion": (optim.Lion(RATE), lion, optax.lion(RATE, weight_decay=0.0), None),
    "lion decayed": (
        optim.Lion(RATE, weight_decay=0.1),
        with_(lion, weight_decay=0.1),
        optax.lion(RATE, weight_decay=0.1),
        None,
    ),
    "lamb": (optim.Lamb(RATE), lamb, optax.lamb(RATE, eps=1e-7), None),
    "lamb decayed": (
        optim.Lamb(RATE, weight_decay=0.1),
        with_(lamb, weight_decay=0.1),
        optax.lamb(RATE, eps=1e-7, weight_decay=0.1),
        None,
    ),
    # By svd the published formula is rounded otherwise; optax corrects nesterov's momentum, and PyTorch's steps
    # are in bfloat16: see below.
    "muon": (optim.Muon(RATE, weight_decay=None), muon, None, None),
    "muon plain": (
        optim.Muon(RATE, weight_decay=None, nesterov=False),
        with_(muon, nesterov=False),
        optax.contrib.muon(RATE, ns_steps=6, nesterov=False, adam_learning_rate=RATE / 10, eps=1e-7),
        None,
    ),
    "adagrad": (optim.Adagrad(RATE), adagrad, optax.adagrad(RATE, 0.1, 1e-7), None),
    # An epsilon of zero is the one case in which PyTorch's place for it does not matter.
    "adagrad bare": (
        optim.Adagrad(RATE, initial_accumulator_value=0.5, epsilon=0),
        with_(adagrad, start=0.5, epsilon=0),
        optax.adagrad(RATE, 0.5, 0.0),
        lambda p: torch.optim.Adagrad(p, RATE, initial_accumulator_value=0.5, eps=0),
    ),
    "rmsprop bare": (
        optim.RMSprop(RATE, momentum=0.9, epsilon=0),
        with_(rmsprop, momentum=0.9, epsilon=0),
        None,
        lambda p: torch.optim.RMSprop(p, RATE, alpha=0.9, momentum=0.9, eps=0),
    ),
}
EVERY = pytest.mark.parametrize("name", TABLE)
LOOSER = {"nadam": 1e-7, "muon plain": 1e-5}
"""PyTorch keeps Nadam's product of momenta in float32. optax corrects Muon's momentum by 1 - 0.95^t before it adds
1e-7 to its length, which is then a part 1e-6 of the length at most."""
WHOLE = (optim.Lamb, optim.Muon)
"""Optimizers whose rule takes a whole array: a norm, a matrix."""
ELEMENTWISE = pytest.mark.parametrize("name", [name for name, case in TABLE.items() if not isinstance(case[0], WHOLE)])


def start(dtype=np.float64):
    rng = np.random.default_rng(0)
    return {path: np.asarray(rng.normal(size=shape), dtype=dtype) for path, shape in SHAPES.items()}


def gradients(t, dtype=np.float64):
    """Gradients that vary in size and sign from step to step, the same for every optimizer."""
    rng = np.random.default_rng(1000 + t)
    scale = 1 + np.sin(t)
    return {path: np.asarray(scale * rng.normal(size=shape), dtype=dtype) for path, shape in SHAPES.items()}


def train(optimizer, dtype=np.float64, steps=STEPS, convert=np.asarray, wrap=lambda f: f):
    w = {path: convert(a) for path, a in start(dtype).items()}
    state = optimizer.init(w)
    update = wrap(optimizer.update)
    for t in range(steps):
        g = {path: convert(a) for path, a in gradients(t, dtype).items()}
        changes, state = update(g, state, w)
        w = {path: w[path] + changes[path] for path in w}
    return {path: np.asarray(a) for path, a in w.items()}, state


def assert_close(ours, theirs, rtol, atol=0.0):
    for path in SHAPES:
        np.testing.assert_allclose(ours[path], theirs[path], rtol=rtol, atol=atol, err_msg=path)


@EVERY
def test_against_the_published_formula(name):
    optimizer, formula, _, _ = TABLE[name]
    w, memory = start(), {path: {} for path in SHAPES}
    state = optimizer.init(w)
    ours = dict(w)
    for t in range(STEPS):
        g = gradients(t)
        w = {path: formula(g[path], w[path], t + 1, memory[path]) for path in w}
        changes, state = optimizer.update(g, state, ours)
        ours = {path: ours[path] + changes[path] for path in ours}
        # Six steps of Newton-Schulz may blow a rounding up by 3.4445 each: 1,670 in all.
        assert_close(ours, w, 1e-9 if isinstance(optimizer, optim.Muon) else 1e-12)


@EVERY
def test_against_optax(name):
    optimizer, _, theirs, _ = TABLE[name]
    if theirs is None:
        return
    with jax.enable_x64(True):
        w = {path: jnp.asarray(a) for path, a in start().items()}
        state = theirs.init(w)
        for t in range(STEPS):
            g = {path: jnp.asarray(a) for path, a in gradients(t).items()}
            updates, state = theirs.update(g, state, w)
            w = optax.apply_updates(w, updates)
        ours, _ = train(optimizer, convert=jnp.asarray)
    assert_close(ours, w, LOOSER.get(name, 1e-12))


@EVERY
def test_against_pytorch(name):
    optimizer, _, _, theirs = TABLE[name]
    if theirs is None:
        return
    w = {path: torch.tensor(a, requires_grad=True) for path, a in start().items()}
    theirs = theirs(list(w.values()))
    for t in range(STEPS):
        for path, g in gradients(t).items():
            w[path].grad = torch.tensor(g)
        theirs.step()
    assert_close(train(optimizer)[0], {path: a.detach().numpy() for path, a in w.items()}, LOOSER.get(name, 1e-12))


@EVERY
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_numpy_and_jax_agree_within_rounding(name, wrap):
    optimizer = TABLE[name][0]
    with jax.enable_x64(True):
        w, state = train(optimizer, convert=jnp.asarray, wrap=wrap)
        assert {str(a.dtype) for key, a in state.items() if key != "step"} <= {"float64"}
    here, _ = train(optimizer)
    assert_close(here, w, 1e-12)
    single, state = train(optimizer, np.float32, convert=jnp.asarray, wrap=wrap)
    assert {str(a.dtype) for a in (*single.values(), *state.values())} <= {"float32", "int32"}
    assert_close(train(optimizer, np.float32)[0], single, 2e-4, 1e-4)
    assert_close(here, single, 2e-4, 1e-4)


@EVERY
def test_compiles_once_and_keeps_the_state_a_flat_dict(name):
    optimizer = TABLE[name][0]
    traces = []

    def counted(update):
        def traced(*args):
            traces.append(1)
            return update(*args)

        return jax.jit(traced)

    _, state = train(optimizer, np.float32, steps=5, convert=jnp.asarray, wrap=counted)
    assert len(traces) == 1
    first = optimizer.init(start(np.float32))
    used = {
        f"{slot}/{path}"
        for path, w in start().items()
        for slot in optimizer.of(path, w).slots
        if slot not in optimizer.of(path, w).unused()
    }
    assert set(state) == set(first) == {"step", *used}
    assert all(isinstance(key, str) for key in state)
    assert state["step"].dtype == np.int32
    assert (state["step"].shape, int(state["step"]), int(first["step"])) == ((), 5, 0)


@ELEMENTWISE
@pytest.mark.parametrize("clip", [{}, {"clipvalue": 0.3}, {"global_clipnorm": 0.7}], ids=str)
def test_one_packed_vector_gives_the_same_numbers(name, clip):
    settings = to_config(TABLE[name][0]) | clip | {"weight_decay": 0.01}
    optimizer = from_config(settings)
    separate, _ = train(optimizer)
    w = {"all": pack(start())}
    state = optimizer.init(w)
    for t in range(STEPS):
        changes, state = optimizer.update({"all": pack(gradients(t))}, state, w)
        w = {"all": w["all"] + changes["all"]}
    np.testing.assert_allclose(w["all"], pack(separate), rtol=1e-12 if "global_clipnorm" in clip else 0)


def test_muon_as_torch_within_its_bfloat16():
    """PyTorch keeps out, in: the transpose. A bfloat16 has 8 bits, and five steps square it ten times."""
    rng = np.random.default_rng(2)
    ours = {"w": rng.normal(size=(6, 4))}
    w = torch.tensor(ours["w"].T.copy(), requires_grad=True)
    theirs = torch.optim.Muon([w], RATE, weight_decay=0.1)
    optimizer = optim.Muon(RATE, ns_steps=5)
    state = optimizer.init(ours)
    for _ in range(5):
        g = rng.normal(size=(6, 4))
        w.grad = torch.tensor(g.T.copy())
        theirs.step()
        changes, state = optimizer.update({"w": g}, state, ours)
        ours = {"w": ours["w"] + changes["w"]}
        np.testing.assert_allclose(ours["w"], w.detach().numpy().T, atol=5 * RATE * 0.05)


def test_muon_leaves_some_weights_to_adamw():
    w = {"embedding/table": np.ones((3, 2)), "dense/kernel": np.ones((3, 2)), "head/kernel": np.ones((3, 2))}
    w["dense/bias"] = np.ones(2)
    state = optim.Muon(exclude_layers=["^head/"]).init(w)
    assert {key for key in state if key.startswith("m/")} == {f"m/{path}" for path in w}
    assert {key for key in state if key.startswith("v/")} == {f"v/{path}" for path in w} - {"v/dense/kernel"}
    assert "v/embedding/table" not in optim.Muon(exclude_embeddings=False).init(w)


def test_muon_takes_a_kernel_of_four_axes_as_a_matrix():
    rng = np.random.default_rng(2)
    w, g = rng.normal(size=(2, 3, 2, 4)), rng.normal(size=(2, 3, 2, 4))
    optimizer = optim.Muon(RATE)
    whole, _ = optimizer.update({"w": g}, optimizer.init({"w": w}), {"w": w})
    flat, _ = optimizer.update(
        {"w": g.reshape(12, 4)}, optimizer.init({"w": w.reshape(12, 4)}), {"w": w.reshape(12, 4)}
    )
    np.testing.assert_array_equal(whole["w"].reshape(12, 4), flat["w"])


def test_lamb_where_a_length_is_zero():
    for w, g in ((np.zeros(2), np.ones(2)), (np.ones(2), np.zeros(2))):
        optimizer = optim.Lamb(RATE)
        changes, _ = optimizer.update({"w": g}, optimizer.init({"w": w}), {"w": w})
        np.testing.assert_allclose(changes["w"], -RATE * np.sign(g), rtol=1e-6)


@EVERY
def test_lookahead_is_the_two_nested_loops_of_its_paper(name):
    plain = TABLE[name][0]
    optimizer = from_config(to_config(plain) | {"lookahead_period": 3, "lookahead_step_size": 0.3})
    slow, ours = start(), start()
    state, inner, t = optimizer.init(ours), plain.init(slow), 0
    for _ in range(4):
        fast = dict(slow)
        for _ in range(3):
            changes, inner = plain.update(gradients(t), inner, fast)
            fast = {path: fast[path] + changes[path] for path in fast}
            changes, state = optimizer.update(gradients(t), state, ours)
            ours, t = {path: ours[path] + changes[path] for path in ours}, t + 1
        slow = {path: slow[path] + 0.3 * (fast[path] - slow[path]) for path in slow}
        assert_close(ours, slow, 1e-9)
        assert_close({path: state[f"slow/{path}"] for path in slow}, slow, 1e-9)


@pytest.mark.parametrize("name", ["momentum", "adam", "lion decayed"])
def test_lookahead_against_optax(name):
    settings = {"lookahead_period": 4, "lookahead_step_size": 0.7}
    ours, _ = train(from_config(to_config(TABLE[name][0]) | settings))
    theirs = optax.lookahead(TABLE[name][2], 4, 0.7)
    with jax.enable_x64(True):
        w = optax.LookaheadParams.init_synced({path: jnp.asarray(a) for path, a in start().items()})
        state = theirs.init(w)
        for t in range(STEPS):
            updates, state = theirs.update({path: jnp.asarray(a) for path, a in gradients(t).items()}, state, w)
            w = optax.apply_updates(w, updates)
        assert_close(ours, w.fast, 1e-12)


@EVERY
@pytest.mark.parametrize("every", [None, 3])
def test_averages_of_the_weights(name, every):
    plain = TABLE[name][0]
    more = {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": every}
    optimizer = from_config(to_config(plain) | more)
    w, ours = start(), start()
    expected: dict = {}
    state, inner = optimizer.init(w), plain.init(w)
    for t in range(1, 11):
        g = gradients(t)
        changes, inner = plain.update(g, inner, w)
        w = {path: w[path] + changes[path] for path in w}
        expected = {path: 0.8 * expected[path] + 0.2 * w[path] if expected else w[path] for path in w}
        w = dict(expected) if every and t % every == 0 else w
        changes, state = optimizer.update(g, state, ours)
        ours = {path: ours[path] + changes[path] for path in ours}
        assert_close(ours, w, 1e-9)
        assert_close({path: state[f"average/{path}"] for path in w}, expected, 1e-9)
    assert_close(optimizer.final(ours, state), ours if every else expected, 1e-9)


def pack(arrays):
    return np.concatenate([np.ravel(a) for a in arrays.values()])


@EVERY
def test_nothing_is_mutated(name):
    optimizer = TABLE[name][0]
    w, g = start(), gradients(0)
    state = optimizer.init(w)
    for array in (*w.values(), *g.values(), *state.values()):
        array.setflags(write=False)
    before = {key: a.copy() for key, a in (w | state).items()}
    readonly = MappingProxyType(w), MappingProxyType(g), MappingProxyType(state)
    optimizer.update(dict(readonly[1]), dict(readonly[2]), dict(readonly[0]))
    assert all(np.array_equal(before[key], a) for key, a in (w | state).items())


@ELEMENTWISE
def test_the_rule_on_plain_numbers_is_the_rule_on_arrays(name):
    optimizer = TABLE[name][0]
    arrays = start()
    state = optimizer.init(arrays)
    slots = [float(np.ravel(slot)[0]) for slot in optimizer.slots_of(state, "a/kernel")]
    w = float(arrays["a/kernel"][0, 0])
    for t in range(1, 5):
        g = gradients(t)
        rate, number = optimizer.rate(np, t - 1), float(g["a/kernel"][0, 0])
        change, *slots = optimizer.rule(np, number, w, rate, t, *slots)
        changes, state = optimizer.update(g, state, arrays)
        arrays = {path: arrays[path] + changes[path] for path in arrays}
        np.testing.assert_allclose(change, changes["a/kernel"][0, 0], rtol=1e-14)
        w = w + change


@pytest.mark.parametrize("kind", optim.BY_NAME.values())
def test_the_rule_can_be_read_back_from_its_source(kind):
    """Only `name = expression`, `if self.option:` around them, and one return of a name for each result."""
    source = ast.parse(textwrap.dedent(inspect.getsource(kind.rule))).body[0]
    assert isinstance(source, ast.FunctionDef)
    *body, last = source.body
    assert isinstance(last, ast.Return)
    assert [name.id for name in last.value.elts] == ["change", *kind.slots]
    assert [a.arg for a in source.args.args] == ["self", "xp", "g", "w", "rate", "t", *kind.slots]
    for line in body:
        if isinstance(line, ast.If):
            assert isinstance(line.test, ast.Attribute)
            assert line.test.value.id == "self"
        for assign in (*line.body, *line.orelse) if isinstance(line, ast.If) else (line,):
            assert isinstance(assign, ast.Assign)
            assert len(assign.targets) == 1
            assert isinstance(assign.targets[0], ast.Name)


@pytest.mark.parametrize("kind", optim.BY_NAME.values())
def test_weight_decay_is_apart_from_the_gradient(kind):
    if kind is optim.Lamb:
        return  # its decay is part of the move whose length is measured; compared with optax above
    plain, decayed = kind(RATE, weight_decay=None), kind(RATE, weight_decay=0.1)
    if kind is optim.Muon:
        plain, decayed = (from_config(to_config(o) | {"adam_lr_ratio": 1.0}) for o in (plain, decayed))
    w, g = start(), gradients(0)
    one, _ = plain.update(g, plain.init(w), w)
    two, _ = decayed.update(g, decayed.init(w), w)
    assert_close(two, {path: one[path] - RATE * 0.1 * w[path] for path in w}, 1e-13)


@EVERY
def test_a_schedule_is_followed(name):
    settings = to_config(TABLE[name][0])
    halving = optim.ExponentialDecay(RATE, 10, 0.5)
    optimizer = from_config(settings | {"learning_rate": to_config(halving)})
    fixed = from_config(settings)
    assert optimizer.rate(np, 10) == pytest.approx(RATE / 2)
    w, g = start(), gradients(0)
    one, _ = fixed.update(g, fixed.init(w), w)
    late = optimizer.init(w) | {"step": np.asarray(10, dtype=np.int32)}
    same = fixed.init(w) | {"step": np.asarray(10, dtype=np.int32)}
    one, two = fixed.update(g, same, w)[0], optimizer.update(g, late, w)[0]
    assert_close(two, {path: one[path] / 2 for path in w}, 1e-12)
    changes, _ = jax.jit(optimizer.update)(g, late, w)
    assert_close(changes, two, 1e-5)


def test_centered_stays_finite_where_rounding_makes_the_variance_negative():
    optimizer = optim.RMSprop(centered=True)
    w = {"w": np.zeros(1000, dtype=np.float32)}
    g = {"w": np.linspace(10, 2000, 1000).astype(np.float32)}
    state = optimizer.init(w)
    for _ in range(400):
        changes, state = optimizer.update(g, state, w)
        assert np.isfinite(changes["w"]).all()


def test_gradients_that_do_not_fit():
    optimizer, w = optim.SGD(), {"w": np.ones((3, 1))}
    with pytest.raises(ShapeError, match=r"w: the gradient has shape \(3,\), the parameter \(3, 1\)"):
        optimizer.update({"w": np.ones(3)}, optimizer.init(w), w)
    with pytest.raises(UsageError, match="v, w is in only one"):
        optimizer.update({"v": np.ones(3)}, optimizer.init(w), w)


def test_no_parameters_at_all():
    state = optim.Adam().init({})
    assert optim.Adam(global_clipnorm=1.0).update({}, state, {}) == ({}, {"step": 1})
