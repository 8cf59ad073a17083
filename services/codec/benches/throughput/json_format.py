"""Google's json_format over the samples of the benchmark: checks that it comes to the same, and measures.

    python json_format.py FOLDER SECONDS

Reads descriptors.bin and samples.json of the folder, prints seconds for one pass over each sample, as JSON.
"""

import base64
import json
import sys
import time
from pathlib import Path

import google.protobuf
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

folder, seconds = Path(sys.argv[1]), float(sys.argv[2])


def pool():
    """The schema, in a pool of its own."""
    files = descriptor_pb2.FileDescriptorSet.FromString((folder / "descriptors.bin").read_bytes())
    made = descriptor_pool.DescriptorPool()
    for file in files.file:
        made.Add(file)
    return made


def best(work):
    """The shortest of as many runs as fit."""
    shortest, end = float("inf"), time.perf_counter() + seconds
    while True:
        began = time.perf_counter()
        work()
        now = time.perf_counter()
        shortest = min(shortest, now - began)
        if now >= end:
            return shortest


POOL = pool()
measured = []
for sample in json.loads((folder / "samples.json").read_text()):
    kind = message_factory.GetMessageClass(POOL.FindMessageTypeByName(sample["type"]))
    pairs = [(base64.b64decode(message["data"]), message["json"]) for message in sample["messages"]]

    def to_json():
        return [json_format.MessageToJson(kind.FromString(data), preserving_proto_field_name=True, indent=None) for data, _ in pairs]

    def to_bytes():
        return [json_format.Parse(text, kind()).SerializeToString() for _, text in pairs]

    assert [json.loads(text) for text in to_json()] == [json.loads(text) for _, text in pairs], "another JSON"
    # Maps have no order on the wire: compared as messages.
    same = [kind.FromString(data) for data in to_bytes()] == [kind.FromString(data) for data, _ in pairs]
    assert same, "another message"
    measured.append({"to_json": best(to_json), "to_bytes": best(to_bytes)})
print(json.dumps({"version": google.protobuf.__version__, "samples": measured}))
