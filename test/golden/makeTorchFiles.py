# Writes files of torch.save for the tests of src/model/torchFile.
#   pip install torch==2.13.0 transformers==5.17.0 safetensors && python test/golden/makeTorchFiles.py
# t5-odd-bin/pytorch_model.bin holds the weights of t5-odd as transformers wrote them before safetensors: the state_dict of the
# model, tied names included, with _metadata. torch-files/ holds small dictionaries in every form that torch.save gives tensors,
# each beside the same tensors as safetensors. Given a folder, also writes files there that are too large for the repository.

import os
import shutil
import sys
from collections import OrderedDict

import torch
from safetensors.torch import save_file
from transformers import T5ForConditionalGeneration

here = os.path.dirname(os.path.abspath(__file__))
odd = os.path.join(here, "t5-odd")
forms = os.path.join(here, "torch-files")


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def odd_bin():
    folder = fresh(os.path.join(here, "t5-odd-bin"))
    for name in ["config.json", "generation_config.json"]:
        shutil.copyfile(os.path.join(odd, name), os.path.join(folder, name))
    model = T5ForConditionalGeneration.from_pretrained(odd)
    torch.save(model.state_dict(), os.path.join(folder, "pytorch_model.bin"))


def tensors():
    torch.manual_seed(1)
    base = torch.randn(6, 7)
    return OrderedDict(
        f32=torch.randn(3, 5),
        f16=torch.randn(2, 3).half(),
        bf16=torch.randn(4).bfloat16(),
        f64=torch.randn(2, 2, dtype=torch.float64),
        i64=torch.tensor([-(2**62), -1, 2**53 + 1]),
        i32=torch.tensor([[-(2**31)], [7]], dtype=torch.int32),
        i16=torch.tensor([-300, 300], dtype=torch.int16),
        i8=torch.tensor([-128, 127], dtype=torch.int8),
        u8=torch.tensor([255], dtype=torch.uint8),
        bool=torch.tensor([True, False]),
        scalar=torch.tensor(2.5),
        empty=torch.zeros(0, 3),
        transposed=base.t(),
        rows=base[2:4],
        block=base[1:5:2, 3:6],
        swapped=torch.arange(24, dtype=torch.int16).view(2, 3, 4).permute(2, 0, 1),
        transposed_f64=torch.randn(3, 4, dtype=torch.float64).t(),
        transposed_i8=torch.arange(6, dtype=torch.int8).view(2, 3).t(),
        tied=base,
        parameter=torch.nn.Parameter(torch.randn(2, 2)),
        frozen=torch.nn.Parameter(torch.randn(2), requires_grad=False),
        **{"größe.日本": torch.ones(1), "__proto__": torch.zeros(1)},
    )


def write_forms():
    folder = fresh(forms)
    values = tensors()
    plain = {name: x.detach().clone().contiguous() for name, x in values.items()}
    save_file(plain, os.path.join(folder, "expected.safetensors"))
    torch.save(values, os.path.join(folder, "zip.bin"))
    torch.save(values, os.path.join(folder, "legacy.bin"), _use_new_zipfile_serialization=False)
    torch.save(dict(state_dict=dict(w=values["f32"])), os.path.join(folder, "nested.bin"))
    torch.save(dict(w=torch.ones(1).expand(1000)), os.path.join(folder, "expanded.bin"))
    torch.save(torch.nn.Linear(2, 2), os.path.join(folder, "module.bin"))
    torch.save(dict(w=values["f32"]), os.path.join(folder, "protocol4.bin"), pickle_protocol=4)
    torch.save(dict(w=torch.eye(2).to_sparse()), os.path.join(folder, "sparse.bin"))
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), os.path.join(folder, "torchscript.bin"))


def write_large(folder):
    """A tensor of 2.2 GB behind one of 2.2 GB: a zip64 archive."""
    os.makedirs(folder, exist_ok=True)
    first = torch.arange(1_100_000_000, dtype=torch.int16)
    torch.save(dict(first=first, second=first.flip(0)), os.path.join(folder, "large.bin"))


odd_bin()
write_forms()
if len(sys.argv) > 1:
    write_large(sys.argv[1])
