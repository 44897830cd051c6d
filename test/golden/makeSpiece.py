# Writes spiece.json for the tests of src/model/sentencepiece: small SentencePiece models, the files beside them, and what
# transformers makes of them: the tokenizer.json of T5Converter with the added tokens of T5Tokenizer, ids and texts.
#   pip install transformers==5.17.0 sentencepiece protobuf && python test/golden/makeSpiece.py
# Given the folder of flan-t5-base and DialogSum's, also prints SHA-256 of the ids that its spiece.model alone gives (the
# figures of test/model/spiece.test.ts):
#   python test/golden/makeSpiece.py ../shared

import base64
import csv
import hashlib
import json
import os
import sys
import tempfile

import sentencepiece
import transformers.convert_slow_tokenizer as convert
from transformers import T5Tokenizer

here = os.path.dirname(os.path.abspath(__file__))
words = "the a quick brown fox jumps over lazy dog one two three hello world number letters".split()
corpus = [" ".join(words[(i * 7 + j * j) % len(words)] for j in range(3 + i % 7)) + "." for i in range(400)]

# T5Tokenizer 5.17 cannot be made of a model without a charsmap: it is empty bytes there, and None is wanted.
extract = convert.SentencePieceExtractor.extract


def extract_or_none(self, *args, **kwargs):
    result = extract(self, *args, **kwargs)
    result["_spm_precompiled_charsmap"] = result.get("_spm_precompiled_charsmap") or None
    return result


convert.SentencePieceExtractor.extract = extract_or_none


def train(folder, **options):
    given = dict(model_type="unigram", vocab_size=60, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2, hard_vocab_limit=False)
    given.update(options)
    with open(os.path.join(folder, "corpus"), "w") as file:
        file.write("\n".join(corpus))
    prefix = os.path.join(folder, "spiece")
    rules = given.pop("rules", None)
    if rules is not None:
        path = os.path.join(folder, "rules.tsv")
        with open(path, "w") as file:
            for source, target in rules:
                hexes = [" ".join(f"{ord(c):X}" for c in text) for text in (source, target)]
                file.write("\t".join(hexes) + "\n")
        given["normalization_rule_tsv"] = path
    sentencepiece.SentencePieceTrainer.train(input=os.path.join(folder, "corpus"), model_prefix=prefix, **given)


def tokenizers_of(folder):
    """The tokenizer of transformers 5.17, and T5Converter's with the same added tokens."""
    tokenizer = T5Tokenizer.from_pretrained(folder)
    path = os.path.join(folder, "tokenizer_config.json")
    config = json.load(open(path)) if os.path.exists(path) else {}

    class T5Tokenizer_:
        vocab_file = os.path.join(folder, "spiece.model")
        _extra_ids = tokenizer._extra_ids
        convert_tokens_to_ids = staticmethod(tokenizer.convert_tokens_to_ids)

    slow = T5Tokenizer_()
    for key in ["legacy", "add_prefix_space"]:
        if config.get(key) is not None:
            setattr(slow, key, config[key])
    fast = convert.T5Converter(slow).converted()
    for _, token in sorted(tokenizer.added_tokens_decoder.items()):
        fast.add_tokens([token])
    return tokenizer, fast


def case(name, files={}, **options):
    with tempfile.TemporaryDirectory() as folder:
        train(folder, **options)
        for file, value in files.items():
            json.dump(value, open(os.path.join(folder, file), "w"))
        tokenizer, fast = tokenizers_of(folder)
        rows = [fast.encode(text).ids for text in texts]
        model = open(os.path.join(folder, "spiece.model"), "rb").read()
        return dict(
            name=name,
            model=base64.b64encode(model).decode(),
            files=files,
            tokenizer=json.loads(fast.to_str()),
            special=[tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id],
            ids=rows,
            decoded=[fast.decode(row, skip_special_tokens=True) for row in rows],
        )


texts = [
    "",
    " ",
    "   ",
    "\n",
    "The quick brown fox",
    "  a  b\nc <extra_id_0>  d ",
    "hello\u00a0 \u0085 world\n\n one\ufeff ",
    "</s>x <pad> <unk>",
    "a  <sep> #Person1#: the\u2581the <s> <ctrl>",
    "\u2581<extra_id_0> <extra_id_0>x<extra_id_5> ",
    "<0x41>\u2603  \u2581\u2581 the",
    "HELLO \ufb01ve \ufb01\u0301ve",
    "[EOS] [PAD] [UNK] [SEP]",
    "\u65e5\u672c\u8a9e one\ttwo",
]
upper = [(chr(c), chr(c + 32)) for c in range(ord("A"), ord("Z") + 1)] + [("\ufb01", "fi")]
sentinels = [f"\u2581<extra_id_{i}>" for i in range(9, -1, -1)]
cases = [
    case("without further files", normalization_rule_name="identity"),
    case("a charsmap of 27 rules", rules=upper),
    case("control and user-defined pieces", normalization_rule_name="identity", vocab_size=80,
         user_defined_symbols=["#Person1#:", "<sep>", "\u2581the"], control_symbols=["<ctrl>", "<s>"]),
    case("bytes", normalization_rule_name="identity", vocab_size=320, byte_fallback=True),
    case("sentinels of its own, as mT5", {"tokenizer_config.json": {"extra_ids": 0}},
         normalization_rule_name="identity", vocab_size=80, user_defined_symbols=sentinels),
    case("five sentinels", {"tokenizer_config.json": {"extra_ids": 5}}, normalization_rule_name="identity"),
    case("legacy false", {"tokenizer_config.json": {"legacy": False}}, normalization_rule_name="identity"),
    case("no prefix", {"tokenizer_config.json": {"add_prefix_space": False}}, normalization_rule_name="identity"),
    case("blanks of its own", normalization_rule_name="identity", add_dummy_prefix=False, remove_extra_whitespaces=False),
    case("special_tokens_map.json",
         {"tokenizer_config.json": {}, "special_tokens_map.json": {"eos_token": "</s>", "sep_token": "[SEP]", "pad_token": "<pad>", "unk_token": "<unk>"}},
         normalization_rule_name="identity"),
    case("a user-defined piece with a name",
         {"tokenizer_config.json": {}, "special_tokens_map.json": {"sep_token": "[SEP]"}},
         normalization_rule_name="identity", user_defined_symbols=["[SEP]"]),
    case("a described token with a name",
         {"tokenizer_config.json": {"sep_token": "[SEP]", "extra_ids": 1, "added_tokens_decoder": {
             "100": {"content": "[SEP]", "lstrip": True, "rstrip": True, "normalized": False, "single_word": False, "special": True},
             "101": {"content": "<extra_id_0>", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False, "special": True}}}},
         normalization_rule_name="identity"),
]
with open(os.path.join(here, "spiece.json"), "w") as out:
    out.write(json.dumps(dict(texts=texts, cases=cases), ensure_ascii=False, separators=(",", ":")) + "\n")


def digest(rows):
    return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()


if len(sys.argv) > 1:
    shared = sys.argv[1]
    csv.field_size_limit(10**9)
    dialogues = []
    for split in ["train", "validation", "test"]:
        with open(os.path.join(shared, "data", "dialogsum", f"{split}.csv"), newline="") as file:
            dialogues += [row["dialogue"] for row in csv.DictReader(file)]
    golden = json.load(open(os.path.join(shared, "golden", "tokenizer.json")))
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(shared, "models", "flan-t5-base", "spiece.model")
        open(os.path.join(folder, "spiece.model"), "wb").write(open(source, "rb").read())
        _, fast = tokenizers_of(folder)
    for name, list_ in [("dialogues", dialogues), *((k, golden[k]) for k in ["texts", "fixed", "unicode"])]:
        print(name, len(list_), digest([row.ids for row in fast.encode_batch(list_)]))
