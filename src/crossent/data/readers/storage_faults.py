"""What can go wrong with a storage service: which failures pass if one waits, and what is said of them."""

from __future__ import annotations

import re
from enum import Enum

import pyarrow as pa

from crossent.errors import DataError


class Fault(Enum):
    """What a failure of a filesystem means."""

    ABSENT = "absent"
    NO_BUCKET = "no bucket"
    FORBIDDEN = "forbidden"
    BAD_URI = "bad URI"
    NO_LIBRARY = "no library"
    UNREACHABLE = "unreachable"
    FAILING = "failing"
    REFUSED = "refused"


# What the SDKs of the services say, by way of pyarrow: there are no codes to go by.
# The first that fits counts.
_SAYINGS: tuple[tuple[Fault, str], ...] = (
    (Fault.NO_LIBRARY, r"unable to load lib|compiled without|built without"),
    (Fault.NO_BUCKET, r"NO_SUCH_BUCKET|ContainerNotFound|bucket does not exist"),
    (Fault.ABSENT, r"NO_SUCH_KEY|RESOURCE_NOT_FOUND|BlobNotFound|PathNotFound|status 404|does not exist"),
    (
        Fault.FORBIDDEN,
        r"ACCESS_DENIED|INVALID_ACCESS_KEY|SIGNATURE|CLIENT_TOKEN|EXPIRED_TOKEN|INVALID_CLIENT_TOKEN|ExpiredToken"
        r"|PERMISSION_DENIED|UNAUTHENTICATED|AuthenticationFailed|AuthorizationFailure|credential"
        r"|status 40[13]",
    ),
    # 6, 7: no such host, nobody listens; 35, 60: TLS where there is none, or with another certificate
    (Fault.UNREACHABLE, r"curlCode: (6|7|35|60)\b|could ?n.t (resolve|connect)|connection refused"),
    (
        Fault.FAILING,
        r"NETWORK_CONNECTION|INTERNAL_FAILURE|INTERNAL_ERROR|SERVICE_UNAVAILABLE|SLOW_DOWN|THROTTL|TIMEOUT"
        r"|UNAVAILABLE|DEADLINE_EXCEEDED|RESOURCE_EXHAUSTED|ServerBusy|status (5\d\d|408|429)|curlCode"
        r"|timed out|reset by peer|broken pipe|end of (file|stream)",
    ),
)


def fault_of(error: Exception) -> Fault:
    """What an exception of a filesystem, or of making one from a URI, means."""
    if isinstance(error, FileNotFoundError):
        return Fault.ABSENT
    if isinstance(error, PermissionError):
        return Fault.FORBIDDEN
    if isinstance(error, ConnectionError | TimeoutError | EOFError):
        return Fault.FAILING
    if isinstance(error, ImportError | pa.ArrowNotImplementedError):
        return Fault.NO_LIBRARY
    if isinstance(error, pa.ArrowInvalid):
        return Fault.BAD_URI
    said = str(error)
    return next((f for f, saying in _SAYINGS if re.search(saying, said, re.IGNORECASE)), Fault.REFUSED)


def as_error(fault: Fault, said: str, file: str, attempts: int) -> DataError:
    """The fault as an error of ours; `said` is what the filesystem said, without secrets."""
    match fault:
        case Fault.ABSENT:
            return DataError("source-not-found", "there is no such file", file=file, cure="check the path")
        case Fault.NO_BUCKET:
            return DataError(
                "bucket-not-found",
                "the storage has no bucket or container of this name",
                file=file,
                cure="check its name, and endpoint_override and region if the URI has them",
            )
        case Fault.FORBIDDEN:
            return DataError(
                "storage-forbidden",
                f"the storage does not let this process read it: {said}",
                file=file,
                cure="give credentials that may, on every machine that reads: for s3 AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, a profile, or the role of the machine",
            )
        case Fault.BAD_URI:
            return DataError(
                "storage-uri",
                f"pyarrow does not understand the URI: {said}",
                file=file,
                cure="write s3://bucket/path?endpoint_override=host:port&scheme=http, "
                "and what is special in names or keys as %XX",
            )
        case Fault.NO_LIBRARY:
            return DataError(
                "storage-unavailable",
                f"this installation of pyarrow cannot read from there: {said}",
                file=file,
                cure="install what it lacks (for hdfs Java and Hadoop's libraries), or copy the files",
            )
        case Fault.UNREACHABLE:
            return DataError(
                "storage-unreachable",
                f"the storage cannot be reached{_times(attempts)}: {said}",
                file=file,
                cure="check the network, and endpoint_override, scheme and region of the URI",
            )
        case Fault.FAILING:
            return DataError(
                "storage-failing",
                f"the storage failed{_times(attempts)}: {said}",
                file=file,
                cure="run again when it works; with --checkpoint and --resume nothing is done twice",
            )
        case Fault.REFUSED:
            return DataError(
                "storage-refused",
                f"the storage does not take the request: {said}",
                file=file,
                cure="check endpoint_override, scheme and region of the URI",
            )


def _times(attempts: int) -> str:
    return f", tried {attempts} times" if attempts > 1 else ""
