"""The generator's frames: whatever way the bytes come in, the same messages come out."""

from __future__ import annotations

import base64
import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.websocket import (
    ACCEPT_SALT,
    PONG,
    Handshake,
    ProtocolViolation,
    masked_frame,
    split_frames,
)
from realtime.frames import Frame

SIZES = (0, 1, 125, 126, 127, 65535, 65536)


def accepted(request: bytes, status: bytes = b"101 Switching Protocols") -> bytes:
    key = request.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
    accept = base64.b64encode(hashlib.sha1(key + ACCEPT_SALT).digest())
    return b"HTTP/1.1 " + status + b"\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"


@pytest.mark.parametrize("size", SIZES)
def test_frames_of_the_server_are_read_whatever_their_length(size: int) -> None:
    payload = b"x" * size
    assert split_frames(Frame(payload).wire) == ([(0x81, payload)], b"")


@given(
    payloads=st.lists(st.binary(max_size=300), max_size=6),
    cuts=st.lists(st.integers(min_value=0, max_value=2000), max_size=8),
)
def test_bytes_cut_anywhere_give_the_same_frames(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(Frame(payload).wire for payload in payloads)
    edges = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    found, rest = [], b""
    for start, end in pairwise(edges):
        frames, rest = split_frames(rest + stream[start:end])
        found += frames
    assert [payload for _, payload in found] == payloads
    assert rest == b""


def test_a_masked_frame_from_a_server_is_refused() -> None:
    with pytest.raises(ProtocolViolation, match="masked"):
        split_frames(masked_frame(PONG, b"hello"))


def test_a_frame_of_ours_is_masked_and_unmasks_to_what_was_meant() -> None:
    frame = masked_frame(PONG, b"hello")
    mask, body = frame[2:6], frame[6:]
    assert frame[1] == 0x80 | 5
    assert bytes(byte ^ mask[index % 4] for index, byte in enumerate(body)) == b"hello"


def test_handshake_hands_on_what_follows_it_and_waits_for_the_rest() -> None:
    handshake = Handshake(host="127.0.0.1:1", path="/ws", token="t")
    answer = accepted(handshake.request)
    assert handshake.finish(answer[:-1]) is None
    assert handshake.finish(answer + b"\x81\x01x") == b"\x81\x01x"


def test_handshake_refuses_another_status_and_another_key() -> None:
    handshake = Handshake(host="127.0.0.1:1", path="/ws", token="t")
    other = Handshake(host="127.0.0.1:1", path="/ws", token="t")
    with pytest.raises(ProtocolViolation, match="403"):
        handshake.finish(accepted(handshake.request, b"403 Forbidden"))
    with pytest.raises(ProtocolViolation):
        handshake.finish(accepted(other.request))
