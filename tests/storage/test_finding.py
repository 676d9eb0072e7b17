"""A law: patterns and folders find in a store what they find on this machine, whatever is there."""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import fs

from crossent.data.readers import remote
from crossent.data.readers.paths import find
from crossent.errors import CrossentError

NAMES = st.sampled_from(["a", "b", "k=1", "k=%2F", "k=2", ".h", "_t", "a b"])
FILES = st.sampled_from(["a.csv", "b.csv", ".c.csv", "_d.csv", "a.txt", "[x].csv"])
PARTS = st.sampled_from(["*", "**", "[ab]", "k=*", "k=?", "a", "b", ".*", "a*"])


@st.composite
def paths(draw: st.DrawFn) -> str:
    return "/".join([*draw(st.lists(NAMES, max_size=3)), draw(FILES)])


@st.composite
def places(draw: st.DrawFn) -> str:
    last = st.one_of(FILES, PARTS, st.sampled_from(["*.csv", "?.csv", "[!b]*", "*.*"]))
    return "/".join([*draw(st.lists(PARTS, max_size=2)), draw(last)])


def found(place: str, root: str) -> object:
    """Files and partitions below the root, or the slug of the error."""
    try:
        _, files = find([place], "csv")
    except CrossentError as error:
        return error.slug
    return [(str(entry.path).removeprefix(root).lstrip("/"), entry.partitions) for entry in files]


@settings(max_examples=200, deadline=None)
@given(st.lists(paths(), max_size=6), places())
def test_places_find_the_same_in_a_store(tree: list[str], place: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for path in tree:
            file = Path(folder, "data", path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("x\n1\n")
        Path(folder, "data").mkdir(exist_ok=True)
        store = fs.SubTreeFileSystem(folder, fs.LocalFileSystem())
        near = found(f"{folder}/data/{place}", folder)
        uri = f"s3://b/data/{place}".replace("%", "%25").replace("?", "%3F")
        with mock.patch.object(remote, "_filesystem", lambda _: (store, "")):
            assert found(uri, "s3://b") == near


@pytest.mark.parametrize("uri", ["gs://b/x", "gcs://b/x?scheme=http"])
def test_google_is_given_up_on_after_seconds_not_a_quarter_of_an_hour(uri: str) -> None:
    system, head = remote._filesystem(remote.Remote.parse(uri).store)
    _, (facts,) = system.__reduce__()
    assert head == "b/" and facts["retry_time_limit"].total_seconds() == remote.GOOGLE_SECONDS
