"""Downloads against a real server that cuts, refuses, changes, ignores and dawdles."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.data.download import Patience, download
from harness.errors import DataError, SpecError
from tests.data.faulty_server import FaultyServer, Handler, cut, hang, refusal, serving

CONTENT = random.Random(7).randbytes(700_000)
QUICK = Patience(connect_s=2, read_s=0.4, attempts=4, pause_s=0.01, longest_s=0.05)


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
    server.faults = [hang(1.0, after=200_000)]
    download(server.url, part, patience=QUICK)
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


def _dict(patience: Patience) -> dict[str, float]:
    return {name: getattr(patience, name) for name in patience.__struct_fields__}


def _note(server: FaultyServer, part: Path, url: str = "") -> None:
    import msgspec

    note = {"url": url or server.url, "etag": server.etag, "modified": ""}
    part.with_name(f"{part.name}.json").write_bytes(msgspec.json.encode(note))
