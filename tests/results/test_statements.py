"""Every sentence of the verdict, word by word, for every situation that it can meet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crossent.results import Gate, Results
from crossent.statements import gate_sentence, statements
from crossent.wording import listed

from .records import INF, NAN, difference, model, results

BASE = "base rate of these rows"

# --- one model ----------------------------------------------------------------------------------------------

ONE: dict[str, tuple[Results, tuple[str, ...]]] = {
    "with an error": (
        results(model("a", 0.50284, 0.0138)),
        ("a has a log loss of 0.503 ± 0.014 nats on 1,200 rows.",),
    ),
    "without an error": (
        results(model("a", 0.50284), data={"rows": 1}),
        ("a has a log loss of 0.5028 nats on 1 row.",),
    ),
    "clustered, in another unit": (
        results(model("a", 1.25, 0.05), unit="bits per byte", data={"cluster_column": "doc"}),
        ("a has a log loss of 1.250 ± 0.050 bits per byte on 1,200 rows, clustered by doc.",),
    ),
    "a loss without a unit": (
        results(model("a", 0.25, 0.05), loss_title="Brier score", unit="1"),
        ("a has a Brier score of 0.250 ± 0.050 on 1,200 rows.",),
    ),
    "infinite by one label": (
        results(model("a", INF, zeros=1)),
        ("a gave 1 label probability 0, so its log loss is infinite.",),
    ),
    "infinite by many": (
        results(model("a", INF, zeros=12345)),
        ("a gave 12,345 labels probability 0, so its log loss is infinite.",),
    ),
    "skill against two references": (
        results(model("a", 0.5, skill=[(BASE, 0.69315, 0.27865), ("given prior", 0.8, -0.0512)])),
        (
            "a has a log loss of 0.5000 nats on 1,200 rows.",
            "It removes 27.9 % of the loss of the base rate of these rows, 0.6932.",
            "Its loss is 5.1 % above that of the given prior, 0.8000.",
        ),
    ),
    "skill that is undefined": (
        results(model("a", INF, zeros=2, skill=[(BASE, 0.0, NAN), ("given prior", 0.7, -INF)])),
        ("a gave 2 labels probability 0, so its log loss is infinite.",),
    ),
    "calibrated": (
        results(model("a", 0.5, calibration=[("top label", 0.02, 0.0101), ("yes", 0.5, 0.01)])),
        (
            "a has a log loss of 0.5000 nats on 1,200 rows.",
            "Its calibration error (top label) is 0.02000, about the 0.01010 that a perfectly "
            "calibrated model of as many rows would show anyway.",
        ),
    ),
    "not calibrated": (
        results(model("a", 0.5, calibration=[("top label", 0.021, 0.0101)])),
        (
            "a has a log loss of 0.5000 nats on 1,200 rows.",
            "Its calibration error (top label) is 0.02100, more than the 0.01010 that a perfectly calibrated "
            "model of as many rows would show.",
        ),
    ),
}


@pytest.mark.parametrize(("given", "said"), ONE.values(), ids=ONE.keys())
def test_one_model(given: Results, said: tuple[str, ...]) -> None:
    assert statements(given) == said


# --- several ------------------------------------------------------------------------------------------------

A, B, C = model("a", 0.5, 0.0138), model("b", 0.51, 0.02), model("c", 0.9, 0.05)
D, E = model("d", INF, zeros=34), model("e", INF, zeros=830)
B_CLOSE = difference("b", "a", 0.01, 0.0074, "not told apart", detectable=0.0211)
C_WORSE = difference("c", "a", 0.4, 0.031)
D_INFINITE = difference("d", "a", INF, None, "infinite", None)


def crowd(n: int, verdict: str) -> Results:
    models = [model(f"m{i}", 0.5 + i / 10, 0.01) for i in range(n + 1)]
    table = [difference(m.name, "m0", m.loss.value - 0.5, 0.05, verdict, detectable=0.1) for m in models[1:]]
    return results(*models, differences=table)


SEVERAL: dict[str, tuple[Results, tuple[str, ...]]] = {
    "one close, one worse": (
        results(A, B, C, differences=[B_CLOSE, C_WORSE]),
        (
            "a has the lowest log loss, 0.5000 ± 0.0138; b (+0.0100 ± 0.0074) cannot be told apart from it "
            "(a difference of 0.02110 would show).",
            "c (+0.4000 ± 0.0310) is worse at 95 % (paired, Holm-adjusted).",
        ),
    ),
    "all worse, another level": (
        results(A, B, C, differences=[replace(B_CLOSE, verdict="worse"), C_WORSE], level=0.9),
        (
            "a has the lowest log loss, 0.5000 ± 0.0138, and can be told apart from every other model.",
            "b (+0.0100 ± 0.0074) and c (+0.4000 ± 0.0310) are worse at 90 % (paired, Holm-adjusted).",
        ),
    ),
    "a level with decimals": (
        results(A, C, differences=[C_WORSE], level=0.995),
        (
            "a has the lowest log loss, 0.500 ± 0.014, and can be told apart from every other model.",
            "c (+0.400 ± 0.031) is worse at 99.5 % (paired, Holm-adjusted).",
        ),
    ),
    "identical": (
        results(A, replace(A, name="b"), differences=[difference("b", "a", 0.0, 0.0, "identical", 1.0)]),
        ("a has the lowest log loss, 0.500 ± 0.014; b (0.000 ± 0.000) cannot be told apart from it.",),
    ),
    "two close": (
        results(A, B, C, differences=[B_CLOSE, replace(C_WORSE, verdict="not told apart", detectable=0.5)]),
        (
            "a has the lowest log loss, 0.5000 ± 0.0138; b (+0.0100 ± 0.0074) and c (+0.4000 ± 0.0310) "
            "cannot be told apart from it.",
        ),
    ),
    "four close are named": (
        crowd(4, "not told apart"),
        (
            "m0 has the lowest log loss, 0.500 ± 0.010; m1 (+0.100 ± 0.050), m2 (+0.200 ± 0.050), "
            "m3 (+0.300 ± 0.050) and m4 (+0.400 ± 0.050) cannot be told apart from it.",
        ),
    ),
    "of six worse four are named": (
        crowd(6, "worse"),
        (
            "m0 has the lowest log loss, 0.500 ± 0.010, and can be told apart from every other model.",
            "m1 (+0.100 ± 0.050), m2 (+0.200 ± 0.050), m3 (+0.300 ± 0.050), m4 (+0.400 ± 0.050) and 2 more "
            "are worse at 95 % (paired, Holm-adjusted).",
        ),
    ),
    "clustered, bits per byte": (
        results(A, C, differences=[C_WORSE], unit="bits per byte", data={"cluster_column": "doc"}),
        (
            "a has the lowest log loss in bits per byte, 0.500 ± 0.014, clustered by doc, and can be told "
            "apart from every other model.",
            "c (+0.400 ± 0.031) is worse at 95 % (paired, Holm-adjusted).",
        ),
    ),
    "a loss without a unit": (
        results(A, C, differences=[C_WORSE], loss_title="Brier score", unit="1"),
        (
            "a has the lowest Brier score, 0.500 ± 0.014, and can be told apart from every other model.",
            "c (+0.400 ± 0.031) is worse at 95 % (paired, Holm-adjusted).",
        ),
    ),
    "nothing scatters": (
        results(
            replace(A, loss=replace(A.loss, se=None)),
            B,
            differences=[difference("b", "a", 0.01, None, "not told apart", None)],
        ),
        ("a has the lowest log loss, 0.5000; b (+0.0100) cannot be told apart from it.",),
    ),
    "one infinite": (
        results(A, D, differences=[D_INFINITE]),
        (
            "a has the lowest log loss, 0.500 ± 0.014; it is the only model whose loss is finite.",
            "d gave 34 labels probability 0, so its log loss is infinite.",
        ),
    ),
    "two infinite beside two": (
        results(A, C, D, E, differences=[C_WORSE, D_INFINITE, replace(D_INFINITE, model="e")]),
        (
            "a has the lowest log loss, 0.500 ± 0.014, and can be told apart from every other model.",
            "c (+0.400 ± 0.031) is worse at 95 % (paired, Holm-adjusted).",
            "e and d gave 830 and 34 labels probability 0, so their log loss is infinite.",
        ),
    ),
    "none finite": (
        results(D, E, differences=[difference("e", "d", NAN, None, "infinite", None)], chosen=None),
        (
            "No model has a finite log loss: nothing can be ranked by it.",
            "e and d gave 830 and 34 labels probability 0, so their log loss is infinite.",
        ),
    ),
}


@pytest.mark.parametrize(("given", "said"), SEVERAL.values(), ids=SEVERAL.keys())
def test_several_models(given: Results, said: tuple[str, ...]) -> None:
    assert statements(given) == said


CHOICES: dict[str, tuple[dict[str, Any], str | None]] = {
    "best says no more": ({"rule": "best"}, None),
    "one-se": (
        {"rule": "one-se", "chosen": "b"},
        "By the paired one-standard-error rule the choice is b, the simplest model within one standard error "
        "of the best.",
    ),
    "mcs": (
        {"rule": "mcs", "chosen": "b", "members": ["a", "b"]},
        "The model confidence set holds a and b; the choice is b.",
    ),
    "mcs of one": (
        {"rule": "mcs", "chosen": "a", "members": ["a"]},
        "The model confidence set holds a; the choice is a.",
    ),
    "mcs without a set": (
        {"rule": "mcs", "chosen": "a"},
        "A model confidence set cannot be formed; the choice is a.",
    ),
    "nothing chosen": ({"rule": "mcs", "chosen": None}, None),
}


@pytest.mark.parametrize(("changes", "said"), CHOICES.values(), ids=CHOICES.keys())
def test_the_choice_comes_after_the_comparison(changes: dict[str, Any], said: str | None) -> None:
    plain = statements(results(A, B, C, differences=[B_CLOSE, C_WORSE]))
    given = results(A, B, C, differences=[B_CLOSE, C_WORSE], **changes)
    assert statements(given) == (plain if said is None else (*plain, said))


def test_the_gate_comes_last() -> None:
    gate = Gate("b", "a", B_CLOSE, False, "the sentence of the gate")
    given = results(A, B, D, differences=[B_CLOSE, D_INFINITE], rule="mcs", members=["a", "b"], gate=gate)
    *_, zeros, choice, last = statements(given)
    assert zeros.startswith("d gave") and choice.startswith("The model confidence set")
    assert last == "the sentence of the gate"


# --- digits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("errors", "amounts"),
    [
        ((0.0074, 0.0031), ("0.5000 ± 0.0138", "+0.0100 ± 0.0074", "+0.4000 ± 0.0031")),
        ((0.5, 0.0), ("0.50 ± 0.01", "+0.01 ± 0.50", "+0.40 ± 0.00")),
        ((1e-12, 0.2), ("0.50000000 ± 0.01380000", "+0.01000000 ± 0.00000000", "+0.40000000 ± 0.20000000")),
        ((30.0, 20.0), ("0 ± 0", "+0 ± 30", "+0 ± 20")),
        ((None, None), ("0.500 ± 0.014", "+0.010", "+0.400")),
    ],
)
def test_all_amounts_have_the_decimals_of_the_finest_difference(
    errors: tuple[float | None, ...], amounts: tuple[str, ...]
) -> None:
    table = [difference("b", "a", 0.01, errors[0], "worse"), difference("c", "a", 0.4, errors[1], "worse")]
    text = " ".join(statements(results(A, B, C, differences=table)))
    said = f"a has the lowest log loss, {amounts[0]}, and can be told apart from every other model."
    assert text == f"{said} b ({amounts[1]}) and c ({amounts[2]}) are worse at 95 % (paired, Holm-adjusted)."


# --- the gate -----------------------------------------------------------------------------------------------

GATES: dict[str, tuple[tuple[Any, ...], bool, str]] = {
    "worse": ((0.4, 0.031, "worse", 0.0123), True, "worse by +0.400 ± 0.031 (p = 0.012); the gate fails."),
    "far worse": ((0.4, 0.031, "worse", 1e-9), True, "worse by +0.400 ± 0.031 (p < 0.001); the gate fails."),
    "better": ((-0.4, 0.031, "better", 0.001), False, "better, −0.400 ± 0.031 (p = 0.001)."),
    "far better": ((-0.4, 0.031, "better", 0.0), False, "better, −0.400 ± 0.031 (p < 0.001)."),
    "not shown": (
        (0.01, 0.0074, "not told apart", 0.2, 0.0211),
        False,
        "not shown to be worse at 95 %, +0.0100 ± 0.0074; a difference of 0.02110 would have shown.",
    ),
    "nothing scatters": (
        (0.01, None, "not told apart", None),
        False,
        "not shown to be worse at 95 %, +0.01000.",
    ),
    "identical": ((0.0, 0.0, "identical", 1.0), False, "not shown to be worse at 95 %, 0.0 ± 0."),
    "candidate infinite": ((INF, None, "infinite", None), True, "an infinite loss, so it cannot pass."),
    "both infinite": ((NAN, None, "infinite", None), True, "an infinite loss, so it cannot pass."),
    "baseline infinite": ((-INF, None, "infinite", None), False, "the baseline's loss is infinite."),
}


@pytest.mark.parametrize(("figures", "failed", "said"), GATES.values(), ids=GATES.keys())
def test_gate(figures: tuple[Any, ...], failed: bool, said: str) -> None:
    sentence = gate_sentence(difference("new", "old", *figures), failed, 0.95)
    assert sentence == f"new against the baseline old: {said}"


def test_gate_at_another_level() -> None:
    given = difference("new", "old", 0.01, 0.02, "not told apart")
    assert "at 99.9 %," in gate_sentence(given, False, 0.999)


@pytest.mark.parametrize(
    ("names", "said"),
    [(["a"], "a"), (["a", "b"], "a and b"), (iter("abcd"), "a, b, c and d"), (["x, y", "z"], "x, y and z")],
)
def test_listed(names: Any, said: str) -> None:
    assert listed(names) == said
