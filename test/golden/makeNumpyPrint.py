"""Writes numpy-print.json: arrays and the text that NumPy prints them as (NumPy 2.4.6).

python test/golden/makeNumpyPrint.py
"""

import json
from pathlib import Path

import numpy as np

rng = np.random.default_rng(7)
DTYPES = {"f32": np.float32, "f64": np.float64, "f16": np.float16, "i32": np.int32, "u32": np.uint32, "bool": np.bool_}
cases = []


def add(values, dtype="f32", shape=None):
    x = np.asarray(values, dtype=DTYPES[dtype])
    if shape is not None:
        x = x.reshape(shape)
    numbers = [str(v) if x.dtype.kind == "f" and not np.isfinite(v) else v for v in x.ravel().tolist()]
    cases.append({"dtype": dtype, "shape": list(x.shape), "values": numbers, "text": str(x)})


for value in [0, -0.0, 1, -2.5, 0.1, 1e-5, 123456789, 1e16, 1e20, 3.14159265, np.inf, -np.inf, np.nan]:
    add(value)
    add(value, "f64")
add([1, 2.5])
add([[1, 2], [3, 4]])
add([0.1, 0.2, 0.3], "f64")
add([0.1, 0.25, 0.3], "f16")
add([1e-5, 1])
add([1e10, 1.5])
add([1e8, 1e8 - 8], "f64")
add([99999999, 1], "f64")
add([0.001, 1000], "f64")
add([0.001, 1], "f64")
add([1, np.nan])
add([np.inf, -np.inf])
add([[np.nan, -np.inf], [0, 1e-7]])
add([-np.inf, 1234.5])
add([1e-300, 1], "f64")
add([1e300, -1e-300, 0], "f64")
add([2.0**-9, 3 * 2.0**-9, 0.5], "f64")
add([1 + 2.0**-9, 0.99999999999], "f64")
add([0.999999999, 0.000123456789], "f64")
add([1.23456789012345e-7, 9.99999999999e-7], "f64")
add([[], []], shape=(2, 0))
add([1, -20, 300], "i32")
add([[1, 4000000000], [7, 0]], "u32")
add([[True, False], [True, True]], "bool")
add(True, "bool")
add(5, "i32")
add(rng.normal(size=(3, 4)))
add(rng.normal(size=(40,)))
add(rng.normal(size=(2, 30)))
add(rng.normal(size=(2, 3, 4)))
add(rng.normal(size=(2, 1, 2, 3)))
add(rng.normal(size=(4, 5)) * 1e-6)
add(rng.normal(size=(3, 3)) * 1e6, "f64")
add(rng.normal(size=(13,)), "f16")
add(np.arange(1000), "i32")
add(np.arange(1001), "i32")
add(np.arange(2000), "i32", (40, 50))
add(rng.normal(size=(2, 700)))
add(rng.normal(size=(12, 10, 9)).round(2))
for _ in range(30):
    shape = rng.integers(1, 6, size=rng.integers(1, 4))
    scale = 10.0 ** rng.integers(-9, 10)
    add(rng.normal(size=shape) * scale, str(rng.choice(["f32", "f64"])))
    add((rng.normal(size=shape) * scale).round(2), str(rng.choice(["f32", "f64"])))

path = Path(__file__).parent / "numpy-print.json"
path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
