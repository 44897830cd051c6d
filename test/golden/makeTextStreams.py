"""Writes text-streams.json: what transformers' TextStreamer (5.17.0) prints of tokens, piece by piece.

python test/golden/makeTextStreams.py
"""

import json
import random
from pathlib import Path

import torch
from transformers import TextStreamer

random.seed(5)
SPECIAL = ["<pad>", "</s>"]
PIECES = [" the", " cat", "s", "ly", " ", ".", "\n", "\n\n", " 漢", "字", "、", "ひ", "𠀀", " end\n", "a b c", "😀", "-"]


class Pieces:
    """Decodes by joining pieces; a blank at the beginning is dropped, as T5 does."""

    def decode(self, ids, skip_special_tokens=False):
        kept = [i for i in ids if not (skip_special_tokens and i < len(SPECIAL))]
        return "".join((SPECIAL + PIECES)[i] for i in kept).removeprefix(" ")


class Recorder(TextStreamer):
    def on_finalized_text(self, text, stream_end=False):
        self.texts.append([text, stream_end])


cases = []
for _ in range(60):
    ids = [0] + [random.randrange(2, len(SPECIAL + PIECES)) for _ in range(random.randrange(0, 14))] + [1]
    options = {"skip_prompt": random.random() < 0.5, "skip_special_tokens": random.random() < 0.5}
    streamer = Recorder(Pieces(), skip_prompt=options["skip_prompt"], skip_special_tokens=options["skip_special_tokens"])
    streamer.texts = []
    streamer.put(torch.tensor([[ids[0]]]))
    for i in ids[1:]:
        streamer.put(torch.tensor([i]))
    streamer.end()
    texts = [[text, end] for text, end in streamer.texts if text != "" or end]
    cases.append({"ids": ids, **options, "texts": texts})

path = Path(__file__).parent / "text-streams.json"
lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
path.write_text(f'{{ "special": {json.dumps(SPECIAL)}, "pieces": {json.dumps(PIECES, ensure_ascii=False)}, "cases": [\n{lines}\n] }}\n')
