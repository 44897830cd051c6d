# Writes generation-settings.json: what transformers makes of each setting of generation.
#   pip install torch==2.13.0 transformers==5.17.0 && python test/golden/makeGenerationSettings.py
# `searches`: sequences (and scores of beams) of t5-odd with one setting each. `processed`: scores of two rows after all processors of
# random settings together, which shows their order. `keys`: all that a GenerationConfig knows. `erf`: logits of t5-odd with
# dense_act_fn "gelu".

import json
import math
import os
import random
import tempfile

import torch
import transformers
from transformers import GenerationConfig, T5ForConditionalGeneration
from transformers.generation.logits_process import EncoderRepetitionPenaltyLogitsProcessor

transformers.logging.set_verbosity_error()
here = os.path.dirname(os.path.abspath(__file__))
odd = os.path.join(here, "t5-odd")
INPUTS = {"input_ids": [[28, 46, 38, 1], [7, 1, 0, 0]], "attention_mask": [[1, 1, 1, 1], [1, 1, 0, 0]]}
TOKENS = {"decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0}
NEW_TOKENS = 8


def model_with(files):
    """t5-odd with other keys in its files; None takes a key out."""
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(os.path.join(odd, "model.safetensors"), os.path.join(folder, "model.safetensors"))
        for name in ["config.json", "generation_config.json"]:
            with open(os.path.join(odd, name)) as file:
                keys = {**json.load(file), **files.get(name, {})}
            if files.get(name, {}) is not None:
                with open(os.path.join(folder, name), "w") as file:
                    json.dump({key: value for key, value in keys.items() if value is not None}, file)
        return T5ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()


def search(settings, beams):
    model = model_with({"generation_config.json": settings})
    ids = torch.tensor(INPUTS["input_ids"])
    more = {}
    if beams > 1 and "encoder_repetition_penalty" in settings:
        # transformers 5.17 penalises the first rows of the flattened beams with the inputs of other items; here each beam
        # gets its own item's, as encoder_no_repeat_ngram_size does.
        penalty = settings["encoder_repetition_penalty"]
        more["logits_processor"] = [EncoderRepetitionPenaltyLogitsProcessor(penalty, ids.repeat_interleave(beams, 0))]
    out = model.generate(
        input_ids=ids,
        attention_mask=torch.tensor(INPUTS["attention_mask"]),
        max_new_tokens=NEW_TOKENS,
        num_beams=beams,
        return_dict_in_generate=True,
        output_scores=True,
        **more,
    )
    result = {"sequences": out.sequences.tolist()}
    if beams > 1:
        result["scores"] = out.sequences_scores.tolist()
    return result


SEARCHES = [
    {},
    {"forced_bos_token_id": 42},
    {"forced_eos_token_id": 1},
    {"forced_eos_token_id": [5, 9]},
    {"suppress_tokens": [53, 64]},
    {"begin_suppress_tokens": [53, 64]},
    {"forced_bos_token_id": 42, "begin_suppress_tokens": [51, 53, 64, 71]},
    {"bad_words_ids": [[53], [64, 51], [71, 7], [1]]},
    {"bad_words_ids": [[0, 53], [0, 64]]},
    {"encoder_no_repeat_ngram_size": 1},
    {"encoder_no_repeat_ngram_size": 2, "encoder_repetition_penalty": 5.0},
    {"encoder_repetition_penalty": 50.0},
    {"encoder_repetition_penalty": 0.2},
    {"exponential_decay_length_penalty": [2, 1.5]},
    {"exponential_decay_length_penalty": [0, 3.0], "min_new_tokens": 3},
    {"sequence_bias": [[[53], -100.0], [[51, 83], -5.0], [[64, 51], 3.5], [[53], -1.0]]},
    {"min_length": 30},
    {"min_new_tokens": 30},
    {"renormalize_logits": True, "suppress_tokens": [53, 83]},
    {"remove_invalid_values": True, "no_repeat_ngram_size": 2},
    {"no_repeat_ngram_size": 1, "repetition_penalty": 1.3},
    {"eos_token_id": [1, 64, 84]},
    {"decoder_start_token_id": None, "bos_token_id": 3},
    {"max_time": 1e-9},
]


def processed(draw):
    """Scores of two rows after random settings; null is -inf."""
    vocab, length = 24, draw.randint(1, 5)
    some = lambda count: [draw.randrange(2, vocab) for _ in range(count)]
    choices = {
        "sequence_bias": lambda: [[some(draw.randint(1, 2)), draw.uniform(-5, 5)] for _ in range(4)],
        "encoder_repetition_penalty": lambda: draw.uniform(0.5, 4),
        "repetition_penalty": lambda: draw.uniform(0.5, 4),
        "no_repeat_ngram_size": lambda: draw.randint(1, 2),
        "encoder_no_repeat_ngram_size": lambda: draw.randint(1, 2),
        "bad_words_ids": lambda: [some(1), some(2), [1]],
        "min_length": lambda: draw.randint(1, 7),
        "forced_bos_token_id": lambda: draw.randrange(2, vocab),
        "forced_eos_token_id": lambda: some(3),
        "remove_invalid_values": lambda: True,
        "exponential_decay_length_penalty": lambda: [draw.randint(0, 2), draw.uniform(0.8, 1.6)],
        "suppress_tokens": lambda: some(3),
        "begin_suppress_tokens": lambda: some(3),
        "temperature": lambda: draw.uniform(0.5, 2),
        "top_h": lambda: draw.uniform(0.5, 1),
        "top_k": lambda: draw.randint(2, 15),
        "top_p": lambda: draw.uniform(0.5, 1),
        "min_p": lambda: draw.uniform(0, 0.3),
        "typical_p": lambda: draw.uniform(0.5, 1),
        "epsilon_cutoff": lambda: draw.uniform(0.001, 0.1),
        "eta_cutoff": lambda: draw.uniform(0.001, 0.3),
        "renormalize_logits": lambda: True,
    }
    names = draw.sample(sorted(choices), draw.randint(1, 6))
    settings = {name: choices[name]() for name in sorted(names)}
    # What -inf + inf and a row of -inf become is no question of order.
    if "exponential_decay_length_penalty" in settings:
        settings.pop("min_length", None)
    settings["max_length"] = draw.choice([length + 1, 20])
    settings["do_sample"] = draw.random() < 0.7
    ids = [[0] + some(length - 1) for _ in range(2)]
    encoder = [some(4) + [1] for _ in range(2)]
    logits = [[round(draw.gauss(0, 2.5), 3) for _ in range(vocab)] for _ in range(2)]
    prefix = draw.random() < 0.2

    allowed = lambda item, row: [token for token in range(vocab) if (token + item + len(row)) % 3]
    model = model_with({})
    config, _ = model._prepare_generation_config(GenerationConfig(**settings, **TOKENS))
    model._prepare_special_tokens(config)
    processors = model._get_logits_processor(
        config,
        input_ids_seq_length=1,
        encoder_input_ids=torch.tensor(encoder),
        prefix_allowed_tokens_fn=allowed if prefix else None,
    )
    scores = processors(torch.tensor(ids), torch.tensor(logits))
    finite = lambda x: float(f"{x:.8g}") if math.isfinite(x) else None
    if torch.isnan(scores).any() or torch.isinf(scores).all(-1).any():
        return None
    settings = {name: value for name, value in settings.items()}
    result = [[finite(x) for x in row] for row in scores.tolist()]
    return {"settings": settings, "prefix": prefix, "ids": ids, "encoder": encoder, "logits": logits, "scores": result}


draw = random.Random(14)
cases = []
while len(cases) < 80:
    case = processed(draw)
    if case is not None:
        cases.append(case)

erf = model_with({"config.json": {"dense_act_fn": "gelu", "is_gated_act": True}})
with torch.no_grad():
    logits = erf(input_ids=torch.tensor([[28, 46, 38, 1]]), decoder_input_ids=torch.tensor([[0, 22, 15]])).logits
result = {
    "transformers": transformers.__version__,
    "inputs": INPUTS,
    "new_tokens": NEW_TOKENS,
    "searches": [
        {"settings": settings, "greedy": search(settings, 1), "beams": search(settings, 3)} for settings in SEARCHES
    ],
    "processed": cases,
    "keys": sorted(key for key in GenerationConfig().__dict__ if not key.startswith("_")),
    "erf": [float(f"{x:.8g}") for x in logits[0, -1].tolist()],
}
with open(os.path.join(here, "generation-settings.json"), "w") as file:
    json.dump(result, file, separators=(",", ":"))
    file.write("\n")
