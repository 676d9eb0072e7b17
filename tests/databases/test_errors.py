"""What goes wrong with databases is said in a sentence, and a password never."""

from __future__ import annotations

import importlib.util
import json
import pickle
import traceback
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import crossent
from crossent import CrossentError, DataError, MissingExtra, UsageError, sql
from crossent.data.readers import open_source
from crossent.data.readers.databases import database

from .conftest import Fill, into_file
from .server import PASSWORD, SHOWN_PASSWORD, Server

ROWS = pa.table({"row_id": [0, 1], "label": ["a", "b"], "p_a": [0.9, 0.2], "p_b": [0.1, 0.8]})


@pytest.fixture(autouse=True)
def secret_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """No library may find a password that nobody gave it."""
    monkeypatch.setenv("PGPASSFILE", "nowhere")


def refused(query: str, uri: str) -> CrossentError:
    """The error that a query ends in, which holds no secret in any form that people see."""
    with pytest.raises(CrossentError) as caught:
        crossent.evaluate(sql(query, uri))
    seen = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(vars(caught.value))
    assert PASSWORD not in seen and SHOWN_PASSWORD not in seen
    assert str(caught.value).count("\n") == 0
    return caught.value


def test_what_is_saved_and_shown_has_no_password(server: Server, tmp_path: Path) -> None:
    server.put("kept", ROWS)
    server.execute("GRANT SELECT ON kept TO reader")
    uri = server.uri("reader", PASSWORD) + "?application_name=tests"
    query = sql("SELECT * FROM kept", uri)
    report = crossent.evaluate(query)
    report.evaluation.save(tmp_path / "state.json")
    shown = [
        (tmp_path / "state.json").read_text(),
        json.dumps(report.to_dict()),
        report.to_markdown(),
        repr(query),
        repr(open_source(query)),
        repr(report),
    ]
    for text in shown:
        assert not any(word in text for word in (PASSWORD, SHOWN_PASSWORD, "s3cr3t", "application_name"))
        assert f"postgresql://reader@127.0.0.1:{server.port}/postgres" in text
    # which is not the password's doing
    (other,) = crossent.evaluate(
        sql("SELECT * FROM kept", server.uri("reader", PASSWORD))
    ).results.data.sources
    assert other.files == report.results.data.sources[0].files


@pytest.mark.parametrize(
    ("change", "slug", "says"),
    [
        ({"password": f"not-{PASSWORD}"}, "cannot-connect", "password authentication failed"),
        ({"user": "reader"}, "cannot-connect", "no password supplied"),
        ({"user": "nobody-such", "password": PASSWORD}, "cannot-connect", "password authentication failed"),
        ({"database": "nowhere", "password": PASSWORD}, "cannot-connect", '"nowhere" does not exist'),
        ({"query": "SELECT * FROM secrets"}, "database-permission", "permission denied"),
        ({"query": "SELECT * FROM nothing"}, "bad-query", 'relation "nothing" does not exist'),
        ({"query": "SELEC 1"}, "bad-query", "syntax error"),
        ({"query": "SELECT 1; SELECT 2"}, "bad-query", "multiple commands"),
        ({"query": "SET a.b = '1'"}, "bad-query", "no columns"),
        ({"query": "DELETE FROM kept RETURNING *"}, "bad-query", "read-only"),
        ({"query": "SELECT 'a' AS label, 0.5 AS p_a, 1 / 0 AS p_b"}, "bad-query", "division by zero"),
        ({"query": "SELECT 1 AS a, 2 AS a"}, "duplicate-column", "column a"),
    ],
)  # fmt: skip
def test_a_server_that_refuses(server: Server, change: dict[str, str], slug: str, says: str) -> None:
    server.put("secrets", ROWS)
    server.put("kept", ROWS)
    server.execute("GRANT SELECT, DELETE ON kept TO reader")
    query = change.pop("query", "SELECT * FROM kept")
    login = {"user": "reader", "password": "" if "user" in change else PASSWORD} | change
    error = refused(query, server.uri(**login))
    assert error.slug == slug and says in str(error)


def test_a_server_that_is_not_there(server: Server) -> None:
    error = refused("SELECT 1", f"postgresql://reader:{PASSWORD}@127.0.0.1:1/postgres")
    assert isinstance(error, DataError) and error.slug == "cannot-connect"
    assert "Connection refused" in str(error) and "postgresql://reader@127.0.0.1:1/postgres" in str(error)


@pytest.mark.parametrize(
    "text", ["postgresql://reader:%zz-{}@127.0.0.1:1/db", "postgresql://h/db?password={}&x=1"]
)
def test_what_the_driver_repeats_is_scrubbed(text: str) -> None:
    assert refused("SELECT 1", text.format(PASSWORD)).slug == "cannot-connect"


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://reader:s3cr3t@word@host/db",
        "postgresql://reader:s3cr3t/word@host/db",
        "postgresql://reader:s3cr3t?word@host/db",
        "postgresql://reader:s3cr3t#word@host/db",
        "postgresql://reader:12/s3cr3t@host/db",
        "postgresql://reader:s3cr3t word@host/db",
        "postgresql://host/db?password=s3cr3t@word",
        "host=somewhere password=s3cr3t",
        "reader:s3cr3t@host/db",
        "s3cr3t",
        "",
        "sqlite://",
        "sqlite:///",
        "duckdb://s3cr3t/a",
    ],
)
def test_addresses_that_cannot_be_understood_are_not_repeated(uri: str) -> None:
    with pytest.raises(UsageError) as caught:
        sql("SELECT 1", uri)
    assert caught.value.slug == "bad-uri"
    assert "s3cr3t" not in str(caught.value) and "word@" not in str(caught.value)


NOT_MARKED = st.text(st.characters(exclude_characters="\u2603"))


@given(NOT_MARKED, NOT_MARKED)
def test_no_password_is_shown_however_it_is_written(password: str, after: str) -> None:
    marked = f"\u2603{password}\u2603"
    try:
        found = database(f"postgresql://ann:{marked}@host/db{after}")
    except UsageError as error:
        assert "\u2603" not in str(error)
    else:
        assert "\u2603" not in found.shown + found.identity + repr(found)
        assert found.shown.startswith("postgresql://ann@host/db")


def test_an_address_in_full() -> None:
    found = database("postgres://ann:a%2Fb@[::1]:5433,db.example.org/logs?sslmode=require&sslpassword=abc")
    assert found.shown == "postgresql://ann@[::1]:5433,db.example.org/logs"
    assert set(found.secrets) == {"a%2Fb", "a/b", "abc"}
    assert found.address.endswith("&connect_timeout=30")


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_files_of_databases(kind: str, tmp_path: Path) -> None:
    missing = f"{kind}:///{tmp_path}/none.db"
    assert refused("SELECT 1", missing).slug == "source-not-found"
    assert not (tmp_path / "none.db").exists()
    into_file(kind, tmp_path / "logs.db", "t", ROWS)
    uri = f"{kind}:///{tmp_path}/logs.db"
    assert refused("SELECT nope FROM t", uri).slug == "bad-query"
    assert refused("SELECT row_id, row_id FROM t", uri).slug == "duplicate-column"
    (tmp_path / "text.db").write_text("no database" * 999)
    assert refused("SELECT 1 FROM t", f"{kind}:///{tmp_path}/text.db").slug in ("bad-query", "cannot-connect")


def test_sqlite_is_only_read(tmp_path: Path) -> None:
    uri = into_file("sqlite", tmp_path / "logs.db", "t", ROWS)
    assert "readonly" in str(refused("DELETE FROM t RETURNING *", uri))
    assert crossent.evaluate(sql("SELECT * FROM t", uri)).results.data.rows == 2


def test_rows_that_are_wrong_are_named(fill: Fill) -> None:
    wrong = ROWS.set_column(2, "p_a", pa.array([0.9, None]))
    error = refused("SELECT * FROM wrong ORDER BY row_id", fill("wrong", wrong))
    assert isinstance(error, DataError) and (error.slug, error.row, error.column) == (
        "null-prediction",
        1,
        "p_a",
    )
    assert "SELECT * FROM wrong" in str(error)


def test_a_table_that_changes_between_passes(fill: Fill) -> None:
    uri = fill("moving", ROWS)
    source = open_source(sql("SELECT * FROM moving", uri))
    again = pickle.loads(pickle.dumps(source))
    source.count.seen = again.count.seen = 3  # type: ignore[attr-defined]
    for each in (source, again):
        with pytest.raises(DataError, match=r"3 rows before and 2 now.*query-changed"):
            list(each.batches(["label"], 10))


def test_columns_that_change_between_passes(server: Server) -> None:
    server.put("moving", ROWS)
    source = open_source(sql("SELECT * FROM moving", server.uri()))
    server.put("moving", ROWS.drop_columns(["p_b"]))
    with pytest.raises(DataError, match="query-changed"):
        list(source.batches(["p_b"], 10))


@pytest.mark.parametrize("absent", ["adbc_driver_manager", "adbc_driver_postgresql"])
def test_drivers_that_are_not_installed(absent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec

    def find(name: str, *rest: Any) -> Any:
        return None if name == absent else there(name, *rest)

    monkeypatch.setattr("crossent.data.readers.databases.find_spec", find)
    with pytest.raises(MissingExtra, match=r"pip install 'crossent\[sql\]'"):
        open_source(sql("SELECT 1", "postgresql://host/db"))


def test_drivers_that_no_extra_has() -> None:
    with pytest.raises(UsageError, match=r"no ADBC driver for nosuchdb://.*no-driver"):
        open_source(sql("SELECT 1", "nosuchdb://host/db"))
    with pytest.raises(UsageError, match="no-driver"):
        open_source(sql("SELECT 1", "no.such-db+tls://host/db"))


def test_an_empty_query() -> None:
    with pytest.raises(UsageError, match="bad-query"):
        sql(" ; ", "sqlite:///a.db")
