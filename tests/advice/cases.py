"""Labels with a known answer: what they are, and which losses follow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

RNG = np.random.default_rng(20261122)
N = 2000


@dataclass(frozen=True)
class Case:
    """Labels, the options given, and what is expected."""

    name: str
    y: Any
    task: str
    training: tuple[str, ...]
    evaluation: str
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def _sets(size: int) -> list[list[str]]:
    return [[f"tag {k}" for k in range(20) if RNG.random() < 0.08] for _ in range(size)]


def _smooth_scale() -> Any:
    return RNG.binomial(7, 0.5, N) + 1


_MULTI = (RNG.random((N, 5)) < [0.1, 0.3, 0.5, 0.2, 0.05]).astype(int)
_NAMES = np.array(["low", "medium", "high"])[RNG.integers(0, 3, N)]
_HALF = np.exp(RNG.normal(size=N)) * (RNG.random(N) < 0.6)

CASES = [
    Case("booleans", RNG.random(N) < 0.4, "binary", ("log_loss",), "log_loss"),
    Case("0 and 1", RNG.integers(0, 2, N), "binary", ("log_loss",), "log_loss"),
    Case("−1 and 1 as floats", RNG.choice([-1.0, 1.0], N), "binary", ("log_loss",), "log_loss"),
    Case("two names", ["spam", "ham", "ham"] * 50, "binary", ("log_loss",), "log_loss"),
    Case("five names", [*"abcde"] * 40, "classes", ("log_loss",), "log_loss"),
    Case("codes of ten classes", RNG.integers(0, 10, N), "classes", ("log_loss",), "log_loss"),
    Case("codes of 100 classes", RNG.integers(0, 100, 20 * N), "classes", ("log_loss",), "log_loss"),
    Case("codes as text", [str(c) for c in RNG.integers(0, 10, N)], "classes", ("log_loss",), "log_loss"),
    Case("one-hot rows", np.eye(4)[RNG.integers(0, 4, N)], "classes", ("log_loss",), "log_loss"),
    Case("three codes with gaps", RNG.choice([10, 200, 3000], N), "classes", ("log_loss",), "log_loss"),
    Case("a vocabulary", np.arange(60_000) % 20_000, "classes", ("log_loss",), "log_loss"),
    Case(
        "tokens, said so",
        RNG.zipf(1.3, 50_000) % 10**6,
        "classes",
        ("log_loss",),
        "log_loss",
        {"task": "classes"},
    ),
    Case(
        "ordered by option",
        _NAMES,
        "ordered",
        ("cumulative_link",),
        "ranked_probability_score",
        {"ordered": ["low", "medium", "high"]},
    ),
    Case(
        "ordered by its type",
        pd.Series(pd.Categorical(_NAMES, ["low", "medium", "high"], ordered=True)),
        "ordered",
        ("cumulative_link",),
        "ranked_probability_score",
    ),
    Case("a scale from 1 to 8", _smooth_scale(), "ordered", ("cumulative_link",), "ranked_probability_score"),
    Case(
        "ratings, asked",
        RNG.integers(1, 6, N),
        "ordered",
        ("cumulative_link",),
        "ranked_probability_score",
        {"task": "ordered"},
    ),
    Case("indicators", _MULTI, "multilabel", ("sigmoid_log_loss",), "sigmoid_log_loss"),
    Case("sets of names", _sets(N), "multilabel", ("sigmoid_log_loss",), "sigmoid_log_loss"),
    Case("soft indicators", RNG.random((N, 3)), "multilabel", ("sigmoid_log_loss",), "sigmoid_log_loss"),
    Case(
        "annotators",
        RNG.dirichlet([1, 2, 3], N),
        "distribution",
        ("soft_cross_entropy",),
        "soft_cross_entropy",
    ),
    Case("Poisson counts", RNG.poisson(6.0, N), "count", ("poisson_nll",), "poisson_nll"),
    Case(
        "scattered counts",
        RNG.negative_binomial(1, 0.1, N),
        "count",
        ("negative_binomial_nll",),
        "negative_binomial_nll",
    ),
    Case(
        "few counts, asked", RNG.poisson(0.4, N), "count", ("poisson_nll",), "poisson_nll", {"task": "count"}
    ),
    Case("fractions", RNG.beta(2, 3, N), "fraction", ("sigmoid_log_loss",), "sigmoid_log_loss"),
    Case(
        "fractions, but real", RNG.beta(2, 3, N), "real", ("gaussian_nll",), "gaussian_nll", {"task": "real"}
    ),
    Case("normal", RNG.normal(10, 2, N), "real", ("gaussian_nll",), "gaussian_nll"),
    Case("log-normal", np.exp(RNG.normal(size=N)), "real", ("log_normal_nll",), "log_normal_nll"),
    Case("amounts with zeros", _HALF, "real", ("log_loss", "log_normal_nll"), "crps"),
    Case("Student, 2 degrees", RNG.standard_t(2, N), "real", ("student_nll",), "crps"),
    Case("skewed below 0, too", RNG.exponential(size=N // 8) - 0.5, "real", ("pinball",), "crps"),
    Case(
        "salaries in whole units",
        (1000 * np.exp(RNG.normal(3, 0.5, N))).astype(int),
        "real",
        ("log_normal_nll",),
        "log_normal_nll",
    ),
    Case(
        "Arrow dictionary", pa.array([*"xyz"] * 30).dictionary_encode(), "classes", ("log_loss",), "log_loss"
    ),
]
