"""Files of the model taken apart and put together again, for tests that change them."""

import hashlib
import json

import msgspec
import safetensors.numpy


__all__ = ["forge", "parts"]


def parts(path):
    """Description and tensors of a file."""
    data = path.read_bytes()
    header = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])
    return json.loads(header["__metadata__"]["ternloom"]), safetensors.numpy.load(data)


def forge(path, document, tensors, signed=True):
    """Write a file of any description, as JSON text or plain data, and tensors.

    ``signed`` gives plain data the digest that goes with the content.
    """
    if isinstance(document, dict) and signed:
        digest = hashlib.sha256(msgspec.json.encode(document | {"digest": ""}))
        for name, tensor in sorted(tensors.items()):
            digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode() + tensor.tobytes())
        document = document | {"digest": digest.hexdigest()}
    text = document if isinstance(document, str) else json.dumps(document)
    path.write_bytes(safetensors.numpy.save(tensors, metadata={"ternloom": text}))
