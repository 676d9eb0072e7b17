"""A storage that fails for a while, or for good; credentials that stay unsaid; objects that change."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

import crossent
from crossent.cli.log import logged
from crossent.data.readers import open_source, remote
from crossent.data.readers.places import place_of, stamp
from crossent.data.readers.remote import Remote, RemoteFile
from crossent.data.readers.storage_faults import Fault, fault_of
from crossent.distributed import tasks
from crossent.errors import DataError

from .conftest import table
from .server import BUCKET, Bucket, Gate, free_port


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is tried again: neither by us nor by pyarrow, which would for 6 seconds."""
    patient = remote._filesystem

    @cache
    def impatient(store: remote.Store) -> tuple[fs.FileSystem, str]:
        system, head = patient(store)
        _, (facts,) = system.__reduce__()
        once = fs.AwsStandardS3RetryStrategy(max_attempts=1)
        return fs.S3FileSystem(**{**facts, "retry_strategy": once}), head

    monkeypatch.setattr(remote, "_filesystem", impatient)
    monkeypatch.setattr(remote, "WAITS", ())


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited, without waiting."""
    found: list[float] = []
    monkeypatch.setattr("time.sleep", found.append)
    return found


def refused(action: Callable[[], object]) -> DataError:
    with pytest.raises(DataError) as caught:
        action()
    return caught.value


# --- a service that fails some requests --------------------------------------------------------------------


@pytest.mark.parametrize("how", ["503", "500", "429", "shut", "cut"])
def test_requests_that_fail_are_made_again(bucket: Bucket, models: Path, gate: Gate, how: str) -> None:
    gate.plan = lambda number, of_bytes: how if of_bytes and number in (1, 6) else "pass"
    far = open_source(Bucket(gate.port).uri("models/old/day=1"))
    near = open_source(models / "old" / "day=1")
    read = [pa.Table.from_batches([c.table for c in s.batches(["row_id", "p_c0"], 64)]) for s in (far, near)]
    assert read[0].equals(read[1])
    assert [f.digest for f in far.files] == [f.digest for f in near.files]
    assert gate.requests > 6


class Flaky:
    """A filesystem of this machine that fails when its list of errors says so."""

    def __init__(self, folder: Path, errors: list[Exception | None]) -> None:
        self.inner = fs.SubTreeFileSystem(str(folder), fs.LocalFileSystem())
        self.errors = errors

    def _fail(self) -> None:
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error

    def get_file_info(self, what: object) -> object:
        self._fail()
        return self.inner.get_file_info(what)

    def open_input_file(self, path: str) -> FlakyFile:
        self._fail()
        return FlakyFile(self, self.inner.open_input_file(path))


class FlakyFile:
    def __init__(self, system: Flaky, file: pa.NativeFile) -> None:
        self.system, self.file = system, file
        self.size, self.close, self.metadata = file.size, file.close, file.metadata

    def __enter__(self) -> FlakyFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read_at(self, count: int, offset: int) -> bytes:
        self.system._fail()
        return self.file.read_at(count, offset)


@pytest.fixture
def flaky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flaky:
    system = Flaky(tmp_path, [])
    monkeypatch.setattr(remote, "_filesystem", lambda store: (system, ""))
    monkeypatch.setattr(remote, "_given_up", {})
    (tmp_path / "a.bin").write_bytes(bytes(range(200)))
    return system


BUSY = OSError("AWS Error SLOW_DOWN during GetObject operation")
CUT = ConnectionResetError("Connection reset by peer")
SLOW = TimeoutError("timed out")


@pytest.mark.parametrize("errors", [[BUSY], [CUT, SLOW], [None, BUSY, CUT], [None, None, SLOW]])
def test_a_file_is_opened_anew_and_read_on(flaky: Flaky, naps: list[float], errors: list[Exception]) -> None:
    failures = sum(error is not None for error in errors)
    flaky.errors = list(errors)
    with RemoteFile(Remote.parse("s3://b/a.bin")) as file:
        assert file.read(50) + file.read() == bytes(range(200))
        assert file.seek(-10, 2) == 190 and file.read() == bytes(range(190, 200))
    assert naps == list(remote.WAITS[:failures])


def test_people_and_the_log_hear_of_it(flaky: Flaky, naps: list[float], tmp_path: Path) -> None:
    said: list[str] = []
    flaky.errors = [CUT]
    with logged(str(tmp_path / "run.jsonl"), said.append):
        RemoteFile(Remote.parse("s3://me:hidden@b/a.bin")).close()
    (event,) = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    assert (event["event"], event["file"], event["attempt"]) == ("storage-retry", "s3://b/a.bin", 1)
    assert said == [event["message"]] and "hidden" not in said[0]


def test_after_the_last_wait_the_error_says_what_and_how_often(flaky: Flaky, naps: list[float]) -> None:
    flaky.errors = [OSError("key=t0psecret: AWS Error INTERNAL_FAILURE\nmore")] * 9
    error = refused(lambda: RemoteFile(Remote.parse("s3://id:t0psecret@b/a.bin?region=eu")))
    assert error.slug == "storage-failing" and error.file == "s3://b/a.bin?region=eu"
    assert naps == list(remote.WAITS)
    assert "tried 3 times" in str(error) and "--resume" in str(error) and "more" not in str(error)
    assert "t0psecret" not in str(error) and error.__cause__ is None


def test_a_store_that_was_given_up_on_is_not_waited_for_file_by_file(flaky: Flaky, naps: list[float]) -> None:
    flaky.errors = [CUT] * 4
    for _ in range(2):
        assert refused(lambda: RemoteFile(Remote.parse("s3://b/a.bin"))).slug == "storage-failing"
    assert naps == list(remote.WAITS)
    assert RemoteFile(Remote.parse("s3://b/a.bin")).read(3) == b"\0\1\2"


def test_a_file_that_changes_between_attempts_is_no_file(
    flaky: Flaky, naps: list[float], tmp_path: Path
) -> None:
    with RemoteFile(Remote.parse("s3://b/a.bin")) as file:
        (tmp_path / "a.bin").write_bytes(b"short")
        flaky.errors = [CUT]
        assert refused(lambda: file.read(20)).slug == "file-changed"


# --- what waiting does not mend ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "slug"),
    [
        ("s3://logs/none.parquet", "source-not-found"),
        ("s3://logs/none/*.csv", "source-not-found"),
        ("s3://logs/models/*/none.npz", "source-not-found"),
        ("s3://other/a.parquet", "bucket-not-found"),
        ("s3://other/*.csv", "bucket-not-found"),
        ("s3://logs/texts", "no-data-files"),
        ("s3://me:hidden@logs/a.csv?secret=hidden", "storage-uri"),
        ("https://me:hidden@host/a.csv", "storage-uri"),
    ],
)
def test_faults_that_last_are_said_at_once(
    bucket: Bucket, models: Path, naps: list[float], uri: str, slug: str
) -> None:
    bucket.put(models / "old" / "day=1" / "part 0.parquet", "texts/readme.txt")
    error = refused(lambda: open_source(uri if "?" in uri else uri + bucket.query))
    assert error.slug == slug and uri.partition("@")[0].partition("//")[0] in str(error)
    assert "hidden" not in str(error) and not naps


@pytest.mark.parametrize(
    ("status", "slug"),
    [("403", "storage-forbidden"), ("401", "storage-forbidden"), ("400", "storage-refused")],
)
def test_a_refusal_is_not_asked_again(gate: Gate, naps: list[float], status: str, slug: str) -> None:
    asked = []
    gate.plan = lambda number, of_bytes: asked.append(number) or status
    error = refused(lambda: open_source(Bucket(gate.port).uri("models/old")))
    assert error.slug == slug and len(asked) == 1 and not naps
    assert "test-secret-key" not in str(error) and str(gate.port) in str(error)


def test_a_wrong_endpoint_is_named(port: int, impatient: None, naps: list[float]) -> None:
    nobody = Bucket(free_port())
    error = refused(lambda: open_source(nobody.uri("a.parquet")))
    assert error.slug == "storage-unreachable" and not naps
    assert error.file == nobody.uri("a.parquet") and "endpoint_override" in error.cure


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (OSError("AWS Error NETWORK_CONNECTION: curlCode: 28, Timeout was reached"), Fault.FAILING),
        (OSError("AWS Error NETWORK_CONNECTION: curlCode: 6, Could not resolve hostname"), Fault.UNREACHABLE),
        (OSError("google::cloud::Status(UNAVAILABLE: try later)"), Fault.FAILING),
        (OSError("google::cloud::Status(PERMISSION_DENIED: no)"), Fault.FORBIDDEN),
        (OSError("Azure Error: [ContainerNotFound] 404"), Fault.NO_BUCKET),
        (OSError("Azure Error: [ServerBusy] 503"), Fault.FAILING),
        (OSError("Unable to load libjvm\ndlopen failed"), Fault.NO_LIBRARY),
        (PermissionError("hdfs"), Fault.FORBIDDEN),
        (FileNotFoundError("hdfs"), Fault.ABSENT),
        (pa.ArrowInvalid("Unexpected query parameter"), Fault.BAD_URI),
        (OSError("nobody has ever said this"), Fault.REFUSED),
    ],
)
def test_what_services_say(error: Exception, fault: Fault) -> None:
    assert fault_of(error) is fault


# --- across fragments --------------------------------------------------------------------------------------


def test_a_run_ends_when_the_service_does_and_is_resumed(
    bucket: Bucket, models: Path, gate: Gate, impatient: None, tmp_path: Path
) -> None:
    there = [Bucket(gate.port).uri(f"models/{name}/day=1") for name in ("old", "new")]
    how = {"checkpoint": tmp_path / "kept", "fragment_rows": 70, "threads": 1}
    crossent.select(there, **{**how, "checkpoint": None})
    full, gate.requests = gate.requests, 0
    gate.plan = lambda number, of_bytes: "shut" if number > full // 2 else "pass"
    error = refused(lambda: crossent.select(there, **how))
    assert error.slug == "storage-failing" and "--resume" in error.cure
    gate.requests, gate.plan = 0, lambda number, of_bytes: "pass"
    done = crossent.select(there, **how, resume=True)
    here = crossent.select([str(models / name / "day=1") for name in ("old", "new")])
    assert gate.requests < full
    assert done.results.models == here.results.models


def test_an_object_that_was_replaced_is_found_out(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = tmp_path / "a.parquet"
    pq.write_table(table(100, 0), local)
    place = place_of(bucket.put(local, "changing/a.parquet"))
    source, before = open_source(str(bucket.uri("changing"))), stamp(place)
    assert before == stamp(pickle.loads(pickle.dumps(place)))
    monkeypatch.setattr(tasks, "_known", {})
    model = type("Model", (), {"source": source})
    tasks.with_same_files([model])
    tasks.with_same_files([model])
    local.write_bytes(np.random.default_rng(0).bytes(local.stat().st_size))
    bucket.put(local, "changing/a.parquet")
    assert stamp(place) != before
    assert refused(lambda: tasks.with_same_files([model])).slug == "file-changed"
    bucket.system().delete_file(f"{BUCKET}/changing/a.parquet")
    assert stamp(place) is None
    assert "not there" in str(refused(lambda: tasks.with_same_files([model])))
