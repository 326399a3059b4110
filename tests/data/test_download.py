"""Downloads against a real server that cuts, refuses, changes, ignores and dawdles."""

from __future__ import annotations

import gzip
import random
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.download import Patience, _Job, download
from harness.errors import DataError, SpecError
from tests.data.faulty_server import FaultyServer, Handler, cut, hang, refusal, serving

CONTENT = random.Random(7).randbytes(700_000)
QUICK = Patience(connect_s=5, read_s=10, attempts=4, pause_s=0.01, longest_s=0.05)


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with serving(CONTENT) as running:
        yield running


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "x.part"


def test_a_file_comes_whole_and_leaves_no_note(server: FaultyServer, part: Path):
    seen: list[tuple[int, int | None]] = []
    download(server.url, part, progress=lambda *at: seen.append(at), patience=QUICK)
    assert part.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert list(part.parent.iterdir()) == [part]


def test_a_cut_connection_is_gone_on_with(server: FaultyServer, part: Path):
    server.faults = [cut(300_000), cut(200_000)]
    download(server.url, part, patience=QUICK)
    assert part.read_bytes() == CONTENT
    assert server.asked_ranges() == ["", "bytes=300000-", "bytes=500000-"]
    assert server.requests[1]["if-range"] == '"one"'


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(server: FaultyServer, part: Path):
    server.faults = [cut(100_000), *[refusal(503)] * 3]
    with pytest.raises(DataError, match=r"after 4 attempts: the server answers 503") as error:
        download(server.url, part, patience=QUICK)
    assert "goes on where it stopped" in error.value.remedy
    assert part.stat().st_size == 100_000
    download(server.url, part, patience=QUICK)
    assert part.read_bytes() == CONTENT
    assert server.asked_ranges()[-1] == "bytes=100000-"


def test_a_file_that_changed_meanwhile_isnt_spliced(server: FaultyServer, part: Path):
    other = random.Random(8).randbytes(600_000)

    def change(handler: Handler):
        server.content, server.etag = other, '"two"'
        handler.send_content()

    server.faults = [cut(300_000), change]
    download(server.url, part, patience=QUICK)
    assert part.read_bytes() == other


def test_last_modified_serves_where_there_is_no_tag(server: FaultyServer, part: Path):
    server.etag, server.modified = "", "Mon, 05 Jan 2026 10:00:00 GMT"
    server.faults = [cut(10_000)]
    download(server.url, part, patience=QUICK)
    assert part.read_bytes() == CONTENT
    assert server.requests[1]["if-range"] == server.modified


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_sure_version_it_starts_anew(server: FaultyServer, part: Path, etag: str):
    server.etag = etag
    server.faults = [cut(300_000)]
    download(server.url, part, patience=QUICK)
    assert part.read_bytes() == CONTENT
    assert server.asked_ranges() == ["", ""]


def test_a_server_without_ranges_sends_all_of_it_again(server: FaultyServer, part: Path):
    server.ranges = False
    server.faults = [cut(300_000)]
    download(server.url, part, patience=QUICK)
    assert part.read_bytes() == CONTENT


def test_a_server_that_sends_another_range_is_asked_anew(server: FaultyServer, part: Path):
    def wrong(handler: Handler):
        handler._head(206, {"Content-Range": f"bytes 5-9/{len(CONTENT)}"}, 5)
        handler.wfile.write(CONTENT[5:10])

    server.faults = [cut(300_000), wrong]
    download(server.url, part, patience=QUICK)
    assert part.read_bytes() == CONTENT


def test_a_server_that_ignores_if_range_is_found_out(server: FaultyServer, part: Path):
    """A range of another version: the tag differs from that of the bytes that are here."""
    other = random.Random(8).randbytes(len(CONTENT))

    def splice(handler: Handler):
        server.content, server.etag = other, '"two"'
        body = other[300_000:]
        extra = {"Content-Range": f"bytes 300000-{len(other) - 1}/{len(other)}"}
        handler._head(206, extra, len(body))
        handler.wfile.write(body)

    server.faults = [cut(300_000), splice]
    download(server.url, part, patience=QUICK)
    assert part.read_bytes() == other


def test_a_whole_part_is_recognised(server: FaultyServer, part: Path):
    """Killed between the last byte and the checksum: nothing is fetched again."""
    server.faults = [cut(len(CONTENT) - 1), cut(1)]
    download(server.url, part, patience=Patience(**{**_dict(QUICK), "attempts": 3}))
    _note(server, part)
    download(server.url, part, patience=QUICK)
    assert part.read_bytes() == CONTENT
    assert server.asked_ranges()[-1] == f"bytes={len(CONTENT)}-"


def test_a_part_that_is_too_long_is_thrown_away(server: FaultyServer, part: Path):
    part.write_bytes(CONTENT + b"x")
    _note(server, part)
    download(server.url, part, patience=QUICK)
    assert part.read_bytes() == CONTENT


def test_a_part_of_another_address_isnt_used(server: FaultyServer, part: Path):
    part.write_bytes(b"x" * 1000)
    _note(server, part, url="http://127.0.0.1/other")
    download(server.url, part, patience=QUICK)
    assert part.read_bytes() == CONTENT


def test_two_server_errors_then_fine(server: FaultyServer, part: Path):
    server.faults = [refusal(500), refusal(500)]
    download(server.url, part, patience=QUICK)
    assert part.read_bytes() == CONTENT


def test_too_many_requests_waits_as_long_as_asked_within_bounds(server: FaultyServer, part: Path):
    server.faults = [refusal(429, Retry_After="3600")]
    download(server.url, part, patience=QUICK)
    assert len(server.requests) == 2


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_refusal_isnt_tried_again(server: FaultyServer, part: Path, code: int):
    server.faults = [refusal(code)] * 4
    with pytest.raises(DataError, match=f"the server answers {code}") as error:
        download(server.url, part, patience=QUICK)
    assert len(server.requests) == 1
    assert "data import" in error.value.remedy


def test_a_server_that_falls_silent_counts_as_cut(server: FaultyServer, part: Path):
    server.faults = [hang(6, after=200_000)]
    download(server.url, part, patience=Patience(**{**_dict(QUICK), "read_s": 1.0}))
    assert part.read_bytes() == CONTENT
    assert server.asked_ranges() == ["", "bytes=200000-"]


def test_nobody_there_is_tried_a_bounded_number_of_times(part: Path):
    with serving(b"") as gone:
        url = gone.url
    with pytest.raises(DataError, match="after 4 attempts: ConnectError"):
        download(url, part, patience=QUICK)


def test_another_size_than_the_official_one_is_refused_at_once(server: FaultyServer, part: Path):
    with pytest.raises(DataError, match=r"has 700,000 bytes, but the official file has 5"):
        download(server.url, part, size=5, patience=QUICK)
    assert not part.exists()


def test_a_full_disk_is_noticed_before_it_is_full(
    server: FaultyServer, part: Path, monkeypatch: pytest.MonkeyPatch
):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(DataError, match=r"needs 700,000 bytes, but .* has 1,000"):
        download(server.url, part, patience=QUICK)


@pytest.mark.parametrize(
    "url",
    ["http://example.org/x", "ftp://example.org/x", "file:///etc/passwd", "https:///x", "x", ""],
)
def test_addresses_must_be_encrypted(part: Path, url: str):
    with pytest.raises(SpecError, match="no address of a data file"):
        download(url, part)


def test_a_redirect_is_followed(server: FaultyServer, part: Path):
    server.faults = [refusal(302, Location="/elsewhere")]
    download(server.url, part, patience=QUICK)
    assert part.read_bytes() == CONTENT


def test_a_redirect_that_leads_nowhere_ends(server: FaultyServer, part: Path):
    server.faults = [refusal(302, Location="/round")] * 60
    with pytest.raises(DataError, match="can't be fetched"):
        download(server.url, part, patience=QUICK)
    assert len(server.requests) < 30


def test_a_file_of_unknown_length_is_read_to_its_end(server: FaultyServer, part: Path):
    def chunked(handler: Handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for at in range(0, len(CONTENT), 100_000):
            piece = CONTENT[at : at + 100_000]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        handler.wfile.write(b"0\r\n\r\n")

    seen: list[int | None] = []
    server.faults = [chunked]
    download(server.url, part, progress=lambda _, total: seen.append(total), patience=QUICK)
    assert part.read_bytes() == CONTENT
    assert set(seen) == {None}


def test_a_file_that_is_sent_compressed_all_the_same_is_unpacked(server: FaultyServer, part: Path):
    def compressed(handler: Handler):
        body = gzip.compress(CONTENT)
        handler._head(200, {"Content-Encoding": "gzip"}, len(body))
        handler.wfile.write(body)

    server.faults = [compressed]
    download(server.url, part, size=len(CONTENT), patience=QUICK)
    assert part.read_bytes() == CONTENT
    assert server.requests[0]["accept-encoding"] == "identity"


def test_an_empty_file_is_a_file(server: FaultyServer, part: Path):
    server.content = b""
    download(server.url, part, patience=QUICK)
    assert part.read_bytes() == b""


def test_a_redirect_that_drops_encryption_is_refused(part: Path):
    """No server here speaks TLS: the check is given what a client would say."""
    job = _Job("https://example.org/x", part, None, lambda *_: None)
    response = SimpleNamespace(status_code=200, url=SimpleNamespace(scheme="http"), headers={})
    with pytest.raises(DataError, match=r"https://example\.org/x leads to") as error:
        job._check(response)
    assert "https" in error.value.remedy


def test_requests_say_who_asks(server: FaultyServer, part: Path):
    download(server.url, part, patience=QUICK)
    assert re.fullmatch(r"cheers-bench/\d.*", server.requests[0]["user-agent"])


def test_a_folder_that_cant_be_written_is_named(server: FaultyServer, tmp_path: Path):
    with pytest.raises(DataError, match=r"can't be written: No such file"):
        download(server.url, tmp_path / "none" / "x.part", patience=QUICK)


@pytest.mark.parametrize("note", [b"", b"{", b'{"url": 3}', b"\xff", b"[]"])
def test_a_damaged_note_means_starting_anew(server: FaultyServer, part: Path, note: bytes):
    part.write_bytes(b"x" * 1000)
    part.with_name(f"{part.name}.json").write_bytes(note)
    download(server.url, part, patience=QUICK)
    assert part.read_bytes() == CONTENT


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, 60_000), max_size=5), ranges=st.booleans())
def test_whatever_is_cut_the_bytes_are_the_servers(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], *, ranges: bool
):
    content = CONTENT[:60_000]
    part = tmp_path_factory.mktemp("d") / "x.part"
    patience = Patience(**{**_dict(QUICK), "attempts": 7, "pause_s": 0.0})
    with serving(content) as server:
        server.ranges = ranges
        server.faults = [cut(after) for after in cuts]
        download(server.url, part, patience=patience)
    assert part.read_bytes() == content


def _dict(patience: Patience) -> dict[str, float]:
    return {name: getattr(patience, name) for name in patience.__struct_fields__}


def _note(server: FaultyServer, part: Path, url: str = "") -> None:
    import msgspec

    note = {"url": url or server.url, "etag": server.etag, "modified": ""}
    part.with_name(f"{part.name}.json").write_bytes(msgspec.json.encode(note))
