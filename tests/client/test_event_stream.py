"""Server-sent events as bytes: wherever they are cut, and whatever stands in them."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from safelight.event_stream import Decoder, Message

STREAM = (
    ": still here\n\n"
    "event: queued\ndata: {}\nid: 0-1\n\n"
    'event: progress\r\ndata:{"a":\r\ndata: "\u2028\x85\x0b\x1c…"}\r\nid: 1-0\r\n\r\n'
    "retry: 2000\n\n"
    "data: nameless\r\r"
    "event: without data\n\n"
    "data: without end"
).encode()
MESSAGES = [
    Message("0-1", "queued", "{}"),
    Message("1-0", "progress", '{"a":\n"\u2028\x85\x0b\x1c…"}'),
    Message("1-0", "message", "nameless"),
]


@given(st.lists(st.integers(0, len(STREAM))))
def test_a_stream_may_come_in_any_pieces(cuts: list[int]) -> None:
    decoder = Decoder()
    ends = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in pairwise(ends)]
    assert [message for piece in pieces for message in decoder.feed(piece)] == MESSAGES
    assert decoder.retry_seconds == 2
