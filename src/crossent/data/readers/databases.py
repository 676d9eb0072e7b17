"""Databases that ADBC reaches: what of an address is shown, connecting, and what drivers say of errors."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pyarrow as pa

from crossent.errors import CrossentError, DataError, MissingExtra, UsageError

_SERVER = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://"
    r"(?:(?P<user>[^:@/?#\s]*)(?::(?P<password>[^@/?#\s]*))?@)?"
    r"(?P<hosts>[^@/?#\s]*)(?P<path>(?:/[^@?#\s]*)?)(?:\?(?P<parameters>[^@#\s]*))?"
)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]*\]|[^:\[\]]*)(:[0-9]*)?")
_FILE = re.compile(r"(?P<scheme>sqlite|duckdb):///(?P<path>[^\s].*)")
_ALIASES = {"postgres": "postgresql"}
_OURS = ("postgresql", "sqlite")
"""Schemes whose drivers the extra installs."""

# a transaction of PostgreSQL's: one state of the tables, no writing, and scans that begin at the beginning
_BEGIN_POSTGRESQL = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "SET synchronize_seqscans TO off",
)
_CONNECT_SECONDS = 30
_BATCH_BYTES = 4 << 20
_BATCH_ROWS = 1 << 14
_OPTIONS = {
    "postgresql": {"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)},
    # the types of columns are those of the first batch
    "sqlite": {"adbc.sqlite.query.batch_rows": str(_BATCH_ROWS)},
}
_BROKEN = ("08", "53", "57", "58", "XX")
"""Classes of SQLSTATE in which the server or the way to it is at fault."""


@dataclass(frozen=True)
class Database:
    """Where queries are sent. Nothing but `shown` and `identity` may be printed, saved or hashed."""

    scheme: str
    shown: str
    """The address without password and parameters."""
    identity: str
    """The same, where a path is complete."""
    address: str = field(repr=False)
    """What the driver is given."""
    secrets: tuple[str, ...] = field(repr=False)
    """What must not stand in any message."""

    def require_driver(self) -> None:
        """MissingExtra, or UsageError where no extra has the driver."""
        self._connect()

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        """A cursor of `adbc_driver_manager.dbapi` in a connection of its own, which only reads."""
        connect = self._connect()
        if self.scheme in ("sqlite", "duckdb") and not Path(self.identity.partition(":///")[2]).is_file():
            raise DataError(
                "source-not-found", "there is no such database", file=self.shown, cure="check the path"
            )
        try:
            connection = connect(self.address)
        except _errors() as error:
            raise self._unreachable(error) from None
        with connection, connection.cursor() as cursor:
            if self.scheme == "postgresql":
                for statement in _BEGIN_POSTGRESQL:
                    cursor.execute(statement)
            cursor.adbc_statement.set_options(**_OPTIONS.get(self.scheme, {}))
            yield cursor

    def _connect(self) -> Callable[[str], Any]:
        """What makes a connection of an address."""
        package = "adbc_driver_" + re.sub("[^a-z0-9]", "_", self.scheme)
        if find_spec("adbc_driver_manager") is None or (self.scheme in _OURS and find_spec(package) is None):
            raise MissingExtra("sql", f"reading from {self.scheme}://")
        if find_spec(package) is not None:
            connect: Callable[[str], Any] = importlib.import_module(f"{package}.dbapi").connect
            return connect
        manager = importlib.import_module("adbc_driver_manager.dbapi")
        # a driver that is installed without Python, found by its name
        return lambda address: manager.connect(driver=self.scheme, uri=address)

    def _unreachable(self, error: BaseException) -> CrossentError:
        if getattr(error, "status_code", None) is not None and error.status_code.name == "NOT_FOUND":  # type: ignore[attr-defined]
            return UsageError(
                "no-driver",
                f"no ADBC driver for {self.scheme}:// is installed",
                cure=f"install the driver's package, adbc-driver-{self.scheme} if it has the usual name",
            )
        return DataError(
            "cannot-connect",
            f"the database cannot be reached: {self.said(error)}",
            file=self.shown,
            cure="check host, port, database and user; leave the password to ~/.pgpass or PGPASSWORD",
        )

    @contextmanager
    def executing(self, name: str) -> Iterator[None]:
        """Raise what the driver says of a query that is not accepted; `name` is how messages call it."""
        try:
            yield
        except _errors() as error:
            state = getattr(error, "sqlstate", None) or ""
            if state == "42501":
                raise DataError(
                    "database-permission",
                    f"the user may not read this: {self.said(error)}",
                    file=name,
                    cure="grant SELECT on the table to the user, or connect as another one",
                ) from None
            if state[:2] in _BROKEN or (not state and type(error).__name__ == "OperationalError"):
                raise self._failed(name, error) from None
            raise UsageError(
                "bad-query",
                f"{name}: the database does not accept the query: {self.said(error)}",
                cure="give one SELECT that runs in the database's own client",
            ) from None

    @contextmanager
    def fetching(self, name: str) -> Iterator[None]:
        """Raise what the driver says when rows stop coming."""
        try:
            yield
        except _errors() as error:
            raise self._failed(name, error) from None

    def _failed(self, name: str, error: BaseException) -> DataError:
        cure = "see that the database runs, and start again"
        if "Type mismatch" in str(error):
            cure = "give the column one type in the query, such as CAST(p AS REAL)"
        return DataError(
            "query-failed", f"reading the rows has failed: {self.said(error)}", file=name, cure=cure
        )

    def said(self, error: BaseException) -> str:
        """The first line of a driver's message, without its signature and without secrets."""
        text = str(error)
        for secret in self.secrets:
            text = text.replace(secret, "…")
        lines = text.strip().splitlines() or [type(error).__name__]
        said = re.sub(r"^(?:[A-Z_]+: )?(?:\[[^\]]*\] )?", "", lines[0])
        return " ".join(said.split()).rstrip(".")


def database(uri: str) -> Database:
    """The database of an address. UsageError, which never repeats the address, where it is none.

    >>> database("postgresql://ann:secret@db.example.org/logs?sslmode=require").shown
    'postgresql://ann@db.example.org/logs'
    """
    found = _FILE.fullmatch(uri)
    if found is not None:
        return _file_database(found["scheme"], found["path"])
    found = _SERVER.fullmatch(uri)
    if found is None or not all(_HOST.fullmatch(host) for host in found["hosts"].split(",")):
        raise UsageError(
            "bad-uri",
            "the address of the database cannot be understood (it may hold a password and is not shown)",
            cure="write postgresql://user@host:5432/database or sqlite:///path.db; in a name or password "
            "the characters @ : / ? # % and spaces are written as %40 %3A %2F %3F %23 %25 %20",
        )
    if found["scheme"] in ("sqlite", "duckdb"):
        raise UsageError(
            "bad-uri",
            f"{found['scheme']}:// names no file",
            cure=f"write {found['scheme']}:///path.db, with a fourth slash for an absolute path",
        )
    scheme = _ALIASES.get(found["scheme"], found["scheme"])
    user = f"{found['user']}@" if found["user"] else ""
    shown = f"{scheme}://{user}{found['hosts']}{found['path']}"
    address = uri
    if scheme == "postgresql" and "connect_timeout" not in (found["parameters"] or ""):
        address += f"{'&' if found['parameters'] else '?'}connect_timeout={_CONNECT_SECONDS}"
        address = address.replace("?&", "?")
    return Database(scheme, shown, shown, address, _secrets(found["password"], found["parameters"]))


def _file_database(scheme: str, path: str) -> Database:
    complete = os.path.abspath(path)
    address = f"file:{quote(complete)}?mode=ro" if scheme == "sqlite" else complete
    return Database(scheme, f"{scheme}:///{path}", f"{scheme}:///{complete}", address, ())


def _secrets(password: str | None, parameters: str | None) -> tuple[str, ...]:
    """The password, and parameters that are like one, as written and as meant; longer ones first."""
    found = {password or ""}
    for parameter in (parameters or "").split("&"):
        key, _, value = parameter.partition("=")
        if re.search("pass|secret|token|key|cred|auth", key, re.IGNORECASE):
            found.add(value)
    found |= {unquote(secret) for secret in found}
    return tuple(sorted(found - {""}, key=len, reverse=True))


def _errors() -> tuple[type[BaseException], ...]:
    """What drivers raise: errors of their own, and those of the stream of rows."""
    manager = importlib.import_module("adbc_driver_manager")
    return (manager.Error, OSError, pa.ArrowException)
