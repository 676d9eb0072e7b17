"""What a server did not show of a distribution: declared by the schema, averaged exactly, said in a note."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossent import evaluate, merge, select
from crossent.data.layout import UNSEEN_MASS

DECLARED = {"meaning": UNSEEN_MASS}


def responses(path: Path, shown: list[list[tuple[float, float]]]) -> Path:
    """A response for each list of (log-probability of the token, of another token)."""
    lines = []
    for number, tokens in enumerate(shown):
        content = [
            {"token": "a", "logprob": own, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": other}]}
            for own, other in tokens
        ]
        choice = {"index": 0, "logprobs": {"content": content}}
        lines.append(json.dumps({"choices": [choice], "custom_id": f"{path.stem} {number}"}))
    path.write_text("\n".join(lines) + "\n")
    return path


def tokens(unseen: list[float], metadata: dict[str, str] | None, name: str = "hidden") -> pa.Table:
    columns = {"row_id": np.arange(len(unseen)), "logprob": np.full(len(unseen), -1.0)}
    return pa.table(columns).append_column(pa.field(name, pa.float64(), metadata=metadata), [unseen])


def test_a_log_of_a_server_says_what_it_does_not_show(tmp_path: Path) -> None:
    shown = [[(-0.5, -1.25), (-3.0, -0.125)], [(-2.0, -4.0)]]
    unseen = [1 - math.exp(a) - math.exp(b) for response in shown for a, b in response]
    report = evaluate(responses(tmp_path / "m.logprobs.jsonl", shown))
    model = report.results.models[0]
    assert model.quality.unseen_mean == pytest.approx(sum(unseen) / 3, rel=1e-14)
    assert model.quality.unseen_max == pytest.approx(max(unseen), rel=1e-14)
    assert model.companions == ()
    (note,) = [n for n in report.results.notes if n.slug == "unseen-mass"]
    assert f"{100 * sum(unseen) / 3:.1f} % on average and {100 * max(unseen):.1f} % at most" in note.text
    assert "unseen_mass" not in report.results.data.sources[0].ignored_columns


def test_rows_that_are_left_out_do_not_count(tmp_path: Path) -> None:
    path = responses(tmp_path / "m.logprobs.jsonl", [[(-0.5, -1.25)], [(-2.0, -4.0)]])
    quality = evaluate(path, where="document!=m.logprobs 1").results.models[0].quality
    assert quality.unseen_mean == quality.unseen_max == pytest.approx(1 - math.exp(-0.5) - math.exp(-1.25))


@pytest.mark.parametrize("options", [{}, {"weight": "w"}, {"cluster": "d"}, {"unit": "d", "bytes": "w"}])
def test_the_mean_is_weighted_as_the_loss_is(options: dict[str, str]) -> None:
    rng = np.random.default_rng(3)
    unseen, w = rng.random(50), rng.integers(0, 4, 50).astype(float)
    table = tokens(unseen.tolist(), DECLARED).append_column("w", [w]).append_column("d", [np.arange(50) % 7])
    quality = evaluate(table, **options).results.models[0].quality
    weight = w if "weight" in options else np.ones(50)
    assert quality.unseen_mean == pytest.approx(float(unseen @ weight / weight.sum()), rel=1e-13)
    assert quality.unseen_max == unseen.max()


def test_a_column_counts_when_its_metadata_say_so_and_never_by_its_name(tmp_path: Path) -> None:
    said = {"yes": tokens([0.25, 0.5], DECLARED), "no": tokens([0.25, 0.5], None, "unseen_mass")}
    for name, table in said.items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
    results = select([tmp_path / "yes.parquet", tmp_path / "no.parquet"]).results
    assert results.model("yes").quality.unseen_mean == 0.375
    assert results.model("no").quality.unseen_mean is None
    assert [n.text.count("yes does not show") for n in results.notes if n.slug == "unseen-mass"] == [1]
    ignored = {source.model: source.ignored_columns for source in results.data.sources}
    assert ignored == {"yes": (), "no": ("unseen_mass",)}


def test_parts_add_up_and_survive_a_save(tmp_path: Path) -> None:
    one, two, both = [[(-0.5, -1.25)]], [[(-2.0, -4.0), (-1.0, -1.5)]], [[(-0.5, -1.25)]]
    parts = []
    for number, shown in enumerate((one, two)):
        path = responses(tmp_path / f"{number}.logprobs.jsonl", shown)
        evaluate(path, name="m").evaluation.save(tmp_path / f"{number}.json")
        parts.append(tmp_path / f"{number}.json")
    total = merge(*parts).results.models[0].quality
    whole = evaluate(responses(tmp_path / "whole.logprobs.jsonl", both + two)).results.models[0].quality
    assert (total.unseen_mean, total.unseen_max) == (whole.unseen_mean, whole.unseen_max)
    assert json.loads(parts[0].read_text())["version"] == 2
