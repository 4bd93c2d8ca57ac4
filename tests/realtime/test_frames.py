"""Ready-made WebSocket frames (RFC 6455, 5.2)."""

from __future__ import annotations

import json
import struct

import pytest

from realtime.frames import Frame, encode, header_size

FINAL_TEXT = 0x81


@pytest.mark.parametrize(
    ("length", "header"),
    [
        (0, bytes((FINAL_TEXT, 0))),
        (125, bytes((FINAL_TEXT, 125))),
        (126, struct.pack("!BBH", FINAL_TEXT, 126, 126)),
        (65535, struct.pack("!BBH", FINAL_TEXT, 126, 65535)),
        (65536, struct.pack("!BBQ", FINAL_TEXT, 127, 65536)),
    ],
)
def test_header_has_the_size_that_the_length_asks_for(length: int, header: bytes) -> None:
    text = b"x" * length
    frame = Frame(text)
    assert frame.wire == header + text
    assert frame.size == len(header) + length
    assert header_size(frame.wire) == len(header)
    assert frame.text == text


def test_frame_of_an_answer_has_no_number_and_cannot_be_lost() -> None:
    frame = encode({"type": "pong"})
    assert (frame.seq, frame.key, frame.tail_feed) == (0, None, None)
    assert json.loads(frame.text) == {"type": "pong"}


def test_frame_keeps_the_event_that_it_is_of() -> None:
    frame = Frame(b"{}", seq=7, key=("price", "BTC"), tail_feed="notice")
    assert (frame.seq, frame.key, frame.tail_feed) == (7, ("price", "BTC"), "notice")


def test_text_beyond_ascii_counts_in_bytes() -> None:
    frame = encode({"message": "é" * 60})
    assert header_size(frame.wire) == 4
    assert json.loads(frame.text) == {"message": "é" * 60}
