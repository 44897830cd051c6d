"""Writes pandas-csv.json: awkward CSV files and what pandas.read_csv(dtype=str) makes of them.

    python test/golden/makePandasCsv.py > test/golden/pandas-csv.json

Left out are files on which pandas 3.0.6 itself goes astray: where a line ends in a lone CR, its tokenizer reads a line
that begins with a blank from the beginning of the file again ("Buffer overflow caught", or the header as a row), and
loses the first comma behind a line of blanks.
"""

import io
import json
import random
import re
import warnings

import pandas as pd

warnings.simplefilter("ignore")
random.seed(14)

WRITTEN = [
    'id,dialogue,summary\n1,He said "hi" to me,A greeting\n',
    'id,dialogue\n1,A 5" pipe\n',
    'id,dialogue,summary\n2,"a"b,c\n3,"a" "b",""x\n4,"a""b"c"d"",""""e\n',
    'id,dialogue\n1,"b" \n2, "q"\n',
    "dialogue,summary\n  \na,b\n   \n",
    "id,dialogue\n1,a\n\t\n2,b\n",
    "a,b\r1,2\r3,4\r",
    "a,b\r\n1,2\n3,4\r5,6",
    '\ufeff"id",dialogue\n1,a\n',
    ",,dialogue\n0,0,a\n",
    "topic,topic,topic.1,\n1,2,3,4\n",
    "Unnamed: 0,\n1,2\n",
    "id, dialogue,\u00a0summary\n1, a,b \n",
    '"a\nb",c\n"1\r\n2","x,\ry"\n',
    'a\n""\n"  "\n  \nx\n',
    "a,b\n,\n1\n",
    "a,b\n1,2,\n",
    "a,b\n1,2\n3,4,5\n",
    'a,b\n1,"2\n',
    "a,b\n1,#N/A\nNULL,<NA>\n",
]
ATOMS = ["a", "b", "é", '"', '""', " ", "  ", "\t", "NA", "null", '5"', "x y", "'", "\\", "#", "\u00a0", "\u2028", "😀", "\v"]
NAMES = ["dialogue", "summary", "", " dialogue", "topic", "topic", '"id"', "topic.1", "Unnamed: 0", 'x"y', "NA"]
ENDS = ["\n", "\r\n", "\r"]
ASTRAY = [r"(^|[\r\n])\ufeff?[ \t][\s\S]*\r(?!\n)", r"\r(?!\n)[\s\S]*\n?[ \t]", r"(^|[\r\n])\ufeff?[ \t]*\r\n?,"]


def text(more=()):
    return "".join(random.choice(ATOMS + list(more)) for _ in range(random.randint(0, 4)))


def quoted(body):
    return '"' + body.replace('"', '""') + '"'


def cell():
    kind = random.random()
    if kind < 0.15:
        return ""
    if kind < 0.55:
        return text()
    if kind < 0.75:
        return quoted(text(["\n", "\r\n", "\r", ","]))
    if kind < 0.85:
        return quoted(text()) + random.choice([" ", "b", 'b"c"', '"" ', "\t"])
    return random.choice([' "a"', "NA", "None", "<NA>", " NA", "n/a", "-nan", "inf", '""'])


def file():
    end = random.choice(ENDS)
    is_mixed = random.random() < 0.3
    columns = random.randint(1, 4)
    lines = [random.choice(["", " ", "\t"])] if random.random() < 0.15 else []
    lines.append(",".join(random.choice(NAMES) for _ in range(columns)))
    for _ in range(random.randint(1, 4)):
        if random.random() < 0.12:
            lines.append(random.choice(["", " ", "\t", " \t "]))
            continue
        count = columns if random.random() < 0.8 else random.randint(1, columns + random.randint(0, 1))
        lines.append(",".join(cell() for _ in range(count)))
    joined = "".join(line + (random.choice(ENDS) if is_mixed else end) for line in lines)
    if random.random() < 0.3:
        joined = joined.rstrip("\r\n")
    if random.random() < 0.03:
        joined += '"open'
    return ("\ufeff" if random.random() < 0.15 else "") + joined


def answer(content):
    try:
        frame = pd.read_csv(io.BytesIO(content.encode()), dtype=str)
    except ValueError as error:  # ParserError, EmptyDataError
        return {"error": str(error).strip()}
    if not isinstance(frame.index, pd.RangeIndex):
        return {"error": "the first column became the index"}
    if len(frame) == 0:
        return {"error": "no rows"}
    rows = [[None if pd.isna(value) else value for value in row] for row in frame.values.tolist()]
    return {"columns": list(frame.columns), "rows": rows}


files = list(WRITTEN)
while len(files) < 300:
    content = file()
    if not any(re.search(pattern, content) for pattern in ASTRAY):
        files.append(content)
cases = [{"csv": content, **answer(content)} for content in files]
print("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]")
