"""Damaged files: bytes, headers and descriptions changed at random, the last with a right digest.

A file in safetensors is eight bytes of length, a JSON header, and the tensors; ours has a
description in the header that ends in a SHA-256 digest, see ``ternloom.files.container``.
"""

import copy
import hashlib
import json
import struct

import msgspec
import numpy as np


__all__ = ["corrupt_bytes", "corrupt_safetensors", "corrupt_toml"]


#: What stands in the place of a JSON value.
HOSTILE = [0, -1, 1, 2, 7, 255, 1 << 20, (1 << 31) - 1, 1 << 31, 1 << 63, -(1 << 63), 1 << 70, 0.5,
           1e308, -0.0, None, True, False, [], {}, [[]], [0], {"type": "fixed"}, "", "lstm", "\0",
           "fixed", "planes", "x" * 5000, "\u202e\x1b[2J", [1] * 100, {"": None}]
#: What stands in the place of a TOML value.
TOML = ["0", "-1", "1e400", "nan", "-inf", "0x7fffffffffffffff", "9" * 5000, "true", '""', "[]",
        "{}", "[[]]", "{a = 1}", "'lstm'", "'ternary:0.5'", "'planes:99'", "1979-05-27", "07:32:00",
        '"\\u0000"', '"\\u001b[2J"', "'''\n\n'''", "[" * 3000 + "]" * 3000, "{a = " * 900 + "1"
        + "}" * 900, "0.1", "-0.0", "64", "1_000"]


def corrupt_bytes(rng, data, other):
    """Bits flipped, bytes cut off, taken out, doubled or overwritten, or parts of another file.

    Parameters
    ----------
    rng : random.Random
    data, other : bytes

    Returns
    -------
    bytes
    """
    data = bytearray(data)
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    # As often as not where a header is.
    if rng.random() < 0.5:
        start, end = (min(place, place * 300 // max(len(data), 1)) for place in (start, end))
    match rng.randrange(7):
        case 0:
            for _ in range(rng.randint(1, 8)):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        case 1:
            del data[start:]
        case 2:
            del data[start:end]
        case 3:
            data[start:start] = data[start:end] * rng.choice([1, 3])
        case 4:
            data[start:start + 16] = rng.randbytes(rng.randint(0, 16))
        case 5:
            data[start:end] = other[start:end]
        case 6:
            data += rng.randbytes(rng.randint(1, 64))
    return bytes(data)


def parts(data):
    """Header and tensors' bytes of a safetensors file."""
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8:8 + length]), data[8 + length:]


def joined(header, body):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def places(document, path=()):
    """Places in plain data, the deepest ones left out: the path of keys and indices to each."""
    if len(path) == 50:
        return
    items = document.items() if isinstance(document, dict) else \
        enumerate(document) if isinstance(document, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def nested(depth, kind):
    value = 0
    for _ in range(depth):
        value = [value] if kind else {"a": value}
    return value


def hostile(rng):
    # A copy, since what is put into a description may be edited there.
    return copy.deepcopy(rng.choice(HOSTILE))


def edit(rng, document):
    """Change a place of plain data, in place."""
    path = rng.choice(list(places(document)) or [()])
    if not path:
        return
    holder = document
    for key in path[:-1]:
        holder = holder[key]
    match rng.randrange(7):
        case 0 | 1 | 2:
            holder[path[-1]] = hostile(rng)
        case 3:
            holder[path[-1]] = nested(rng.choice([3, 90, 400]), rng.random() < 0.5)
        case 4:
            del holder[path[-1]]
        case 5:
            if isinstance(holder, list):
                holder += copy.deepcopy(holder[-1:] * rng.choice([1, 70]))
            else:
                holder[rng.choice(["extra", "type", "", path[-1] + "s"])] = copy.deepcopy(
                    holder[path[-1]])
        case 6:
            value = holder[path[-1]]
            if isinstance(value, int):
                holder[path[-1]] = value + rng.choice([-1, 1, 2, -2, 8])
            else:
                holder[path[-1]] = hostile(rng)


def sign(document, header, body):
    """The digest that a description must have, as ``ternloom.files.container`` defines it."""
    digest = hashlib.sha256(msgspec.json.encode(document | {"digest": ""}))
    kinds = {"U8": np.uint8, "I8": np.int8, "I16": np.int16, "I32": np.int32, "F32": np.float32,
             "F64": np.float64}
    for name in sorted(set(header) - {"__metadata__"}):
        about = header[name]
        start, end = about["data_offsets"]
        dtype, shape = np.dtype(kinds[about["dtype"]]), tuple(about["shape"])
        digest.update(f"{name} {dtype} {shape}".encode())
        digest.update(body[start:end])
    return digest.hexdigest()


def resigned(rng, data):
    """A file with another description or other tensors, whose digest is right."""
    header, body = parts(data)
    document = json.loads(header["__metadata__"]["ternloom"])
    if rng.random() < 0.8:
        for _ in range(rng.choice([1, 1, 1, 2, 4])):
            edit(rng, document)
    else:
        body = bytearray(body)
        start = rng.randrange(len(body))
        length = rng.choice([1, 1, 4, 40])
        body[start:start + length] = rng.choice([bytes(length), b"\xff" * length, b"\x80" * length,
                                                 rng.randbytes(length)])[:len(body) - start]
        body = bytes(body)
    document["digest"] = sign(document, header, body)
    text = json.dumps(document)
    if rng.random() < 0.1 and document:
        # A key twice: the reader's JSON takes the later one, which is what was signed.
        key = rng.choice(list(document))
        text = f"{{{json.dumps(key)}: {json.dumps(rng.choice(HOSTILE))}, " + text[1:]
    header["__metadata__"]["ternloom"] = text
    return joined(header, body)


def reframed(rng, data):
    """A file whose length, header or unsigned description was edited."""
    header, body = parts(data)
    match rng.randrange(6):
        case 0:
            length = rng.choice([0, 1, len(data), len(data) - 8, 1 << 24, (1 << 24) + 1, 1 << 31,
                                 (1 << 63) - 1, (1 << 64) - 1])
            return struct.pack("<Q", length) + data[8:]
        case 1:
            text = json.dumps(header)
            name = rng.choice(list(header))
            return joined(f"{{{json.dumps(name)}: {json.dumps(header[name])}, {text[1:]}".encode(),
                          body)
        case 2 if "ternloom" in header.get("__metadata__", {}):
            document = json.loads(header["__metadata__"]["ternloom"])
            edit(rng, document)
            header["__metadata__"]["ternloom"] = json.dumps(document)
        case 3:
            depth = rng.choice([90, 1000, 50_000])
            return joined(b'{"__metadata__": ' + b"[" * depth + b"]" * depth + b"}", body)
        case 4:
            name = rng.choice([name for name in header if name != "__metadata__"])
            about = header[name]
            key = rng.choice(list(about))
            about[key] = rng.choice([[1 << 40, 1 << 40], [0], [], [-1, 5], "F64", "BF16", "U8",
                                     "BOOL", [0, 1 << 62], [len(body), 0], [1 << 63]])
        case _:
            edit(rng, header)
    return joined(header, body)


def corrupt_safetensors(rng, data, other):
    """A damaged file, and whether its digest was made right again.

    Returns
    -------
    (bytes, bool)
    """
    signed = b'"ternloom":' in data
    match rng.randrange(4):
        case 0:
            return corrupt_bytes(rng, data, other), False
        case 1:
            return reframed(rng, data), False
        case _ if signed:
            return resigned(rng, data), True
        case _:
            return rng.choice([reframed, lambda *args: corrupt_bytes(*args, other)])(rng, data), \
                False


def corrupt_toml(rng, data, other):
    """A damaged TOML file."""
    if rng.random() < 0.4:
        return corrupt_bytes(rng, data, other)
    lines = data.decode().splitlines()
    assigned = [place for place, line in enumerate(lines) if "=" in line]
    place = rng.choice(assigned)
    key, _, _ = lines[place].partition("=")
    match rng.randrange(7):
        case 0 | 1 | 2:
            lines[place] = f"{key}= {rng.choice(TOML)}"
        case 3:
            lines.insert(rng.randrange(len(lines)), lines[place])
        case 4:
            depth = rng.choice([2, 100, 3000])
            lines.insert(rng.randrange(len(lines)), rng.choice([
                f"{key}=" + "[" * depth, ".".join(["a"] * depth) + " = 1",
                f"[{'.'.join(['a'] * depth)}]", f"{key.strip()}.x = 1", "[quantization]",
                "[[augment]]", "[name]"]))
        case 5:
            del lines[place]
        case 6:
            lines.insert(0, f"task = {rng.choice(TOML)}")
    return "\n".join(lines).encode()
