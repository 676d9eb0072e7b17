"""How scikit-learn, PyTorch, XGBoost, LightGBM and Keras spell a loss for training and a score.

Spellings are code: expressions for scikit-learn, PyTorch and Keras, parameters for the two boosting
libraries. An empty one means that the library has none, and `note` says what to do then.
"""

from __future__ import annotations

from dataclasses import dataclass

LIBRARIES = ("scikit-learn", "PyTorch", "XGBoost", "LightGBM", "Keras")


@dataclass(frozen=True)
class Spelling:
    """One library's code for training and for the score, and a remark."""

    package: str
    train: str
    score: str = ""
    note: str = ""


Entry = tuple[str, str] | tuple[str, str, str]


def _entries(
    sklearn: Entry, torch: Entry, xgboost: Entry, lightgbm: Entry, keras: Entry
) -> tuple[Spelling, ...]:
    given = (sklearn, torch, xgboost, lightgbm, keras)
    return tuple(Spelling(library, *entry) for library, entry in zip(LIBRARIES, given, strict=True))


_ROW_A_CLASS = "none for soft labels: write a row once for each class, with the fraction as sample_weight"

SPELLINGS: dict[str, tuple[Spelling, ...]] = {
    "binary": _entries(
        ('HistGradientBoostingClassifier(loss="log_loss")', 'scoring="neg_log_loss"'),
        ("torch.nn.BCEWithLogitsLoss()", ""),
        ('objective="binary:logistic"', 'eval_metric="logloss"'),
        ('objective="binary"', 'metric="binary_logloss"'),
        (
            "keras.losses.BinaryCrossentropy(from_logits=True)",
            "keras.metrics.BinaryCrossentropy(from_logits=True)",
        ),
    ),
    "classes": _entries(
        ('HistGradientBoostingClassifier(loss="log_loss")', 'scoring="neg_log_loss"'),
        ("torch.nn.CrossEntropyLoss()", ""),
        ('objective="multi:softprob", num_class={classes}', 'eval_metric="mlogloss"'),
        ('objective="multiclass", num_class={classes}', 'metric="multi_logloss"'),
        (
            "keras.losses.SparseCategoricalCrossentropy(from_logits=True)",
            "keras.metrics.SparseCategoricalCrossentropy(from_logits=True)",
        ),
    ),
    "many classes": _entries(
        ("", 'scoring="neg_log_loss"', "no estimator is made for so many classes"),
        ("torch.nn.functional.linear_cross_entropy", "", "from PyTorch 2.13"),
        ("", "", "a tree a class and round: too many classes"),
        ("", "", "a tree a class and round: too many classes"),
        (
            "keras.losses.SparseCategoricalCrossentropy(from_logits=True)",
            "keras.metrics.SparseCategoricalCrossentropy(from_logits=True)",
        ),
    ),
    "ordered": _entries(
        (
            'HistGradientBoostingClassifier(loss="log_loss")',
            'scoring="neg_log_loss"',
            "does not know the order; statsmodels has OrderedModel",
        ),
        (
            "torch.nn.BCEWithLogitsLoss()",
            "",
            "on the K − 1 indicators y > k: ordered, and proper for each threshold",
        ),
        (
            'objective="multi:softprob", num_class={classes}',
            'eval_metric="mlogloss"',
            "does not know the order",
        ),
        ('objective="multiclass", num_class={classes}', 'metric="multi_logloss"', "does not know the order"),
        (
            "keras.losses.BinaryCrossentropy(from_logits=True)",
            "",
            "on the K − 1 indicators y > k",
        ),
    ),
    "multilabel": _entries(
        (
            'OneVsRestClassifier(HistGradientBoostingClassifier(loss="log_loss"))',
            "",
            "sklearn.metrics.log_loss takes rows of indicators for one-hot classes: call it a label at a "
            "time",
        ),
        (
            "torch.nn.BCEWithLogitsLoss()",
            "",
            "averages over labels; reduction='none' and .sum(1) give the joint loss",
        ),
        ('objective="binary:logistic"', 'eval_metric="logloss"', "takes labels of shape (rows, labels)"),
        ('objective="binary"', 'metric="binary_logloss"', "one model a label"),
        (
            "keras.losses.BinaryCrossentropy(from_logits=True)",
            "keras.metrics.BinaryCrossentropy(from_logits=True)",
        ),
    ),
    "distribution": _entries(
        ("", "", _ROW_A_CLASS),
        ("torch.nn.CrossEntropyLoss()", "", "takes rows of probabilities as target"),
        ("", "", _ROW_A_CLASS),
        ("", "", _ROW_A_CLASS),
        (
            "keras.losses.CategoricalCrossentropy(from_logits=True)",
            "keras.metrics.CategoricalCrossentropy(from_logits=True)",
        ),
    ),
    "fraction": _entries(
        ("", "", "none: LogisticRegression on every row twice, as 1 and as 0, weighted by y and 1 − y"),
        ("torch.nn.BCEWithLogitsLoss()", ""),
        ('objective="reg:logistic"', 'eval_metric="logloss"'),
        ('objective="cross_entropy"', 'metric="cross_entropy"'),
        (
            "keras.losses.BinaryCrossentropy(from_logits=True)",
            "keras.metrics.BinaryCrossentropy(from_logits=True)",
        ),
    ),
    "counts": _entries(
        ('HistGradientBoostingRegressor(loss="poisson")', 'scoring="neg_mean_poisson_deviance"'),
        ("torch.nn.PoissonNLLLoss(log_input=True, full=True)", ""),
        ('objective="count:poisson"', 'eval_metric="poisson-nloglik"'),
        ('objective="poisson"', 'metric="poisson"'),
        ("keras.losses.Poisson()", "keras.metrics.Poisson()"),
    ),
    "scattered counts": _entries(
        (
            'HistGradientBoostingRegressor(loss="poisson")',
            'scoring="neg_mean_poisson_deviance"',
            "for the mean, then fit one dispersion; statsmodels has NegativeBinomial",
        ),
        (
            "lambda r, z, y: -torch.distributions.NegativeBinomial(r, logits=z).log_prob(y).mean()",
            "",
        ),
        (
            'objective="count:poisson"',
            'eval_metric="poisson-nloglik"',
            "for the mean, then fit one dispersion",
        ),
        ('objective="poisson"', 'metric="poisson"', "for the mean, then fit one dispersion"),
        ("keras.losses.Poisson()", "keras.metrics.Poisson()", "for the mean, then fit one dispersion"),
    ),
    "amounts with zeros": _entries(
        (
            "TweedieRegressor(power=1.5)",
            "scoring=make_scorer(d2_tweedie_score, power=1.5)",
            "for the mean, in one model",
        ),
        (
            "lambda z, y: torch.nn.functional.binary_cross_entropy_with_logits(z, (y > 0).double())",
            "",
            "and GaussianNLLLoss on the logarithms of the amounts above 0",
        ),
        ('objective="reg:tweedie"', 'eval_metric="tweedie-nloglik@1.5"', "for the mean, in one model"),
        ('objective="tweedie"', 'metric="tweedie"', "for the mean, in one model"),
        (
            "keras.losses.BinaryCrossentropy(from_logits=True)",
            "",
            "for zero or not, and MeanSquaredError on the logarithms of the amounts above 0",
        ),
    ),
    "positive": _entries(
        ('HistGradientBoostingRegressor(loss="gamma")', 'scoring="neg_mean_gamma_deviance"', "for the mean"),
        ("torch.nn.GaussianNLLLoss(full=True)", "", "on the logarithms of the labels"),
        ('objective="reg:gamma"', 'eval_metric="gamma-nloglik"', "for the mean"),
        ('objective="gamma"', 'metric="gamma"', "for the mean"),
        (
            "keras.losses.MeanSquaredError()",
            "keras.metrics.RootMeanSquaredError()",
            "on the logarithms of the labels",
        ),
    ),
    "heavy tails": _entries(
        ('HistGradientBoostingRegressor(loss="absolute_error")', 'scoring="neg_mean_absolute_error"'),
        ("lambda df, m, s, y: -torch.distributions.StudentT(df, m, s).log_prob(y).mean()", ""),
        ('objective="reg:absoluteerror"', 'eval_metric="mae"'),
        ('objective="regression_l1"', 'metric="l1"'),
        ("keras.losses.MeanAbsoluteError()", "keras.metrics.MeanAbsoluteError()"),
    ),
    "quantiles": _entries(
        (
            'HistGradientBoostingRegressor(loss="quantile", quantile=0.9)',
            "scoring=make_scorer(mean_pinball_loss, alpha=0.9, greater_is_better=False)",
            "one model a level",
        ),
        ("lambda q, y: torch.maximum(0.9 * (y - q), 0.1 * (q - y)).mean()", "", "a level an output"),
        ('objective="reg:quantileerror", quantile_alpha=0.9', 'eval_metric="quantile"'),
        ('objective="quantile", alpha=0.9', 'metric="quantile"', "one model a level"),
        ("lambda y, q: keras.ops.mean(keras.ops.maximum(0.9 * (y - q), 0.1 * (q - y)))", ""),
    ),
    "quantity": _entries(
        (
            'HistGradientBoostingRegressor(loss="squared_error")',
            'scoring="neg_root_mean_squared_error"',
            "the mean",
        ),
        ("torch.nn.GaussianNLLLoss(full=True)", "", "mean and variance"),
        ('objective="reg:squarederror"', 'eval_metric="rmse"', "the mean"),
        ('objective="regression"', 'metric="rmse"', "the mean"),
        ("keras.losses.MeanSquaredError()", "keras.metrics.RootMeanSquaredError()", "the mean"),
    ),
}
"""How a choice is said: `Choice.spelled` → a spelling for each of `LIBRARIES`."""


def spell(key: str, classes: int | None) -> tuple[Spelling, ...]:
    """The spellings of a choice, with the number of classes filled in."""
    shown = str(classes) if classes is not None else "K"
    return tuple(
        Spelling(s.package, s.train.replace("{classes}", shown), s.score, s.note) for s in SPELLINGS[key]
    )
