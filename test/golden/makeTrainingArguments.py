"""The fields of transformers' Seq2SeqTrainingArguments, with their defaults.

    python test/golden/makeTrainingArguments.py

Made with transformers 5.17.0.
"""

import dataclasses
import json
import pathlib

import transformers


def default_of(field):
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return getattr(field.default, "value", field.default)


fields = {field.name: default_of(field) for field in dataclasses.fields(transformers.Seq2SeqTrainingArguments)}
path = pathlib.Path(__file__).parent / "training-arguments.json"
path.write_text(json.dumps({"made_with": {"transformers": transformers.__version__}, "defaults": fields}, indent=1) + "\n")
print(path, len(fields))
