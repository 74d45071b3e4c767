#!/usr/bin/env python3
"""Writes poly1305_corners.json: texts and one-time keys at the edges of Poly1305's arithmetic, with
the tags that plain big integers give (RFC 8439 §2.5). A text is padded and followed by a block with
its length, as the AEAD does (§2.8, without associated data).

Usage: poly1305_corners.py > poly1305_corners.json
"""
import json
import random

P = 2**130 - 5
CLAMP = 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
ONES = 2**128 - 1


def blocks_of(text):
    padded = text + bytes(-len(text) % 16)
    whole = padded + bytes(8) + len(text).to_bytes(8, "little")
    return [int.from_bytes(whole[i:i + 16], "little") + 2**128 for i in range(0, len(whole), 16)]


def accumulate(r, text):
    h = 0
    for block in blocks_of(text):
        h = (h + block) * r % P
    return h


def tag(r, s, text):
    return (accumulate(r & CLAMP, text) + s) % 2**128


def case(name, r, s, text):
    return {"name": name, "r": r.to_bytes(16, "little").hex(), "s": s.to_bytes(16, "little").hex(),
            "text": text.hex(), "tag": tag(r, s, text).to_bytes(16, "little").hex()}


def with_sum(wanted, rng, num_blocks):
    """A key and a text of whole blocks after which h is `wanted`, before s is added."""
    while True:
        r = rng.getrandbits(128) & CLAMP
        head = rng.randbytes(16 * (num_blocks - 1))
        inverse = pow(r, -1, P)
        length = 2**128 + (16 * num_blocks << 64)
        h = 0
        for i in range(0, len(head), 16):
            h = (h + int.from_bytes(head[i:i + 16], "little") + 2**128) * r % P
        last = ((wanted * inverse - length) * inverse - h - 2**128) % P
        if last < 2**128:
            text = head + last.to_bytes(16, "little")
            assert accumulate(r, text) == wanted
            return r, text


def main():
    rng = random.Random(8439)
    cases = []
    # Sums at the edges: around 0 and p, around 2^128, and ones up to each limb's edge.
    sums = [*range(6), *(P - 1 - i for i in range(6)), 2**128 - 1, 2**128, 2**128 + 1, 2**129,
            2**129 - 1, 2**128 + 4, 2**128 + 5]
    for bits in (26, 44, 52, 64, 78, 88, 104):
        sums += [2**bits - 1, 2**bits, P - 2**bits, 2**130 - 2**bits]
    for wanted in sums:
        wanted %= P
        for num_blocks in (1, 4, 9):
            r, text = with_sum(wanted, rng, num_blocks)
            for s in (ONES, 2**64 - 1):
                cases.append(case(f"sum {wanted:#x}, {num_blocks} blocks", r, s, text))
    # Keys at the edges: none, the smallest, every bit that clamping leaves, bits that it clears,
    # single limbs full, powers of two.
    keys = [0, 1, 2, 4, 5, CLAMP, ONES, ONES ^ CLAMP, 2**127, 2**124 - 4 & CLAMP]
    keys += [((2**width - 1) << shift) & CLAMP for width, shift in
             ((26, 0), (26, 26), (26, 52), (26, 78), (20, 104), (44, 0), (44, 44), (40, 88))]
    texts = [b"", b"\0" * 16, b"\xff" * 16, b"\xff" * 15, b"\xff" * 17, b"\xff" * 48, b"\xff" * 64,
             b"\xff" * 112, b"\xff" * 240, b"\x80" + b"\0" * 63, b"\0" * 15 + b"\x80",
             b"\xfb" + b"\xff" * 15, (b"\xff" * 16 + b"\0" * 16) * 5, b"\xff" * 400]
    for r in keys:
        for text in texts:
            for s in (0, ONES):
                cases.append(case(f"r {r:#x}, text of {len(text)}", r, s, text))
    # Carries: neighbours of what just fills the limbs of h, by a key of 1 (h is the sum of blocks).
    for bits in (26, 44, 52, 78, 88, 104):
        for low in (2**bits - 1, 2**bits, (ONES >> bits) << bits):
            for num in (1, 3, 5, 8):
                text = low.to_bytes(16, "little") * num
                cases.append(case(f"r 1, {low:#x} {num} times", 1, ONES, text))
    print(json.dumps(cases, indent=0))


if __name__ == "__main__":
    main()
