"""A PostgreSQL server of the tests' own: made in a temporary folder, on a free port, ended with them."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

ADMIN = "keeper"
PASSWORD = "s3cr3t-%40&word"
"""As it is written in an address."""
SHOWN_PASSWORD = "s3cr3t-@&word"
"""As it is."""

_RULES = f"host all {ADMIN} 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


def programs() -> Path | None:
    """The folder of the server's programs; None where no server is installed."""
    known = [shutil.which("postgres"), *glob.glob("/usr/lib/postgresql/*/bin/postgres")]
    found = [Path(path).parent for path in known if path]
    return next((folder for folder in found if (folder / "initdb").exists()), None)


def _as_user(folder: Path) -> list[str]:
    """What makes a command run as a user that the server accepts: it refuses to run as root."""
    if os.getuid() != 0:
        return []
    users = {user.pw_name: user for user in pwd.getpwall()}
    user = users.get("postgres") or users["nobody"]
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@dataclass
class Server:
    """A running server with the users `keeper`, who may do anything, and `reader`, who has a password."""

    folder: Path
    port: int
    prefix: list[str]
    programs: Path
    killed: bool = False

    @classmethod
    def started(cls, folder: Path, programs: Path) -> Server:
        server = cls(folder, _free_port(), _as_user(folder), programs)
        server._run("initdb", "-D", folder / "data", "-U", ADMIN, "-A", "trust", "-E", "UTF8", "--locale=C")
        (folder / "data" / "pg_hba.conf").write_text(_RULES)
        server.start()
        server.execute(f"CREATE ROLE reader LOGIN PASSWORD '{SHOWN_PASSWORD}'")
        return server

    def _run(self, program: str, *arguments: object) -> None:
        # pg_ctl leaves the server its output, so that a pipe would stay open
        command = [*self.prefix, str(self.programs / program), *map(str, arguments)]
        log = self.folder / f"{program}.out"
        with log.open("wb") as out:
            done = subprocess.run(command, cwd=self.folder, stdout=out, stderr=out, check=False)
        assert done.returncode == 0, log.read_text()

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -F -c lock_timeout=20s"
        data = self.folder / "data"
        self._run("pg_ctl", "-D", data, "-l", self.folder / "log", "-w", "-o", options, "start")

    def stop(self) -> None:
        if self.killed:
            return
        self._run("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "stop")

    def kill(self) -> None:
        """End the server as a machine that loses its power does."""
        pid = int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for process in [pid, *map(int, children)]:
            os.kill(process, signal.SIGKILL)
        self.killed = True

    def uri(self, user: str = ADMIN, password: str = "", database: str = "postgres") -> str:
        login = f"{user}:{password}" if password else user
        return f"postgresql://{login}@127.0.0.1:{self.port}/{database}"

    def execute(self, *statements: str) -> None:
        import adbc_driver_postgresql.dbapi as dbapi

        with dbapi.connect(self.uri()) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            connection.commit()

    def put(self, name: str, table: pa.Table) -> None:
        import adbc_driver_postgresql.dbapi as dbapi

        with dbapi.connect(self.uri()) as connection, connection.cursor() as cursor:
            cursor.adbc_ingest(name, table, mode="replace")
            connection.commit()
