"""Pickles made to do harm: each is a sentence, and none takes the memory that it promises."""

import os
import pickle
import resource
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nas.data import pickle_steps
from nas.data.pictures import DataError
from nas.data.unpickle import load_arrays

ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01b\x87R"
BYTE = b"cnumpy\ndtype\nU\x02u1K\0K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
FLOAT = BYTE.replace(b"u1", b"f8")


def array(shape: bytes, values: bytes = b"U\x01x", kind: bytes = BYTE) -> bytes:
    """A dictionary with an array of any shape and state."""
    return b"}U\x04data" + ARRAY + b"(K\x01" + shape + kind + b"\x89" + values + b"tbs."


HOSTILE = {
    "memo of a gigabyte": b"N" + b"r\xff\xff\xff\x07.",
    "largest memo": b"N" + b"r\xff\xff\xff\xff.",
    "bytes of a gigabyte": b"B\0\0\0\x40x",
    "bytes of exabytes": b"\x8e" + struct.pack("<Q", 2**62) + b"x",
    "bytearray of a gigabyte": b"\x96" + struct.pack("<Q", 2**30) + b"x",
    "string of a gigabyte": b"T\0\0\0\x40x",
    "string of a negative length": b"T\xff\xff\xff\xffx",
    "text of a gigabyte": b"X\0\0\0\x40x",
    "frame of a gigabyte": b"\x80\x04\x95" + struct.pack("<Q", 2**30) + b"N.",
    "long integer of a gigabyte": b"\x8b\0\0\0\x40x.",
    "name without end": b"c" + b"x" * 10_000_000,
    "lists without end": b"]" * 10_000_000,
    "marks without end": b"(" * 10_000_000,
    "tuples in tuples": b")" + b"\x85" * 900_000 + b".",
    "aliases of aliases": b")q\0" + b"h\0h\0\x86q\0" * 60 + b"}h\0h\0s.",
    "array without a call": b"cnumpy\nndarray\nJ\0\0\0\x40\x85R.",
    "reconstructed array": ARRAY.replace(b"K\0\x85", b"J\0\0\0\x40\x85") + b".",
    "shape of a gigabyte": array(b"J\0\0\0\x40\x85"),
    "shape that overflows": array(b"J\xff\xff\xff\x7f" * 2 + b"\x86"),
    "negative shape": array(b"J\xff\xff\xff\xffJ\xff\xff\xff\xff\x86"),
    "shape of a word": array(b"U\x01x"),
    "floats": array(b"K\x01\x85", b"U\x08xxxxxxxx", FLOAT),
    "values of a list": array(b"K\x01\x85", b"]"),
    "type of a record": b"cnumpy\ndtype\nU\x12(100000,100000)f8,K\0K\x01\x87R.",
    "other name": b"cnumpy\nfromfile\nU\x01x\x85R.",
    "nothing to call": b"NNR.",
    "nothing on the stack": b"R.",
    "no mark": b"t.",
    "unknown memo": b"h\x07.",
    "odd items": b"}(Nu.",
    "no key": b"}NNs.",
    "no end": b"",
    "a list": b"].",
}


def limited() -> None:
    """A process that has less memory than the pickles promise."""
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pickle_is_a_sentence(name: str, tmp_path: Path) -> None:
    path = tmp_path / "batch"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(
        DataError, match="batch' was refused: a pickle of arrays was exp"
    ) as refused:
        load_arrays(path)
    assert len(str(refused.value)) < 400 + len(str(path))


def test_no_hostile_pickle_takes_the_memory_it_promises(tmp_path: Path) -> None:
    """All of them one after the other, in a process that cannot take a gigabyte."""
    for index, content in enumerate(HOSTILE.values()):
        (tmp_path / f"{index}").write_bytes(content)
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from nas.data.pictures import DataError\n"
        "from nas.data.unpickle import load_arrays\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for path in Path(sys.argv[1]).iterdir():\n"
        "    try:\n"
        "        load_arrays(path)\n"
        "    except DataError:\n"
        "        pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, tmp_path],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limited,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 200_000, "KiB"


def test_more_steps_than_any_batch_has_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pickle_steps, "MOST_STEPS", 9)
    (tmp_path / "batch").write_bytes(b"}" + b"q\0" * 9 + b".")
    with pytest.raises(DataError, match="it has more than 9 steps"):
        load_arrays(tmp_path / "batch")


def test_a_file_larger_than_any_batch_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "batch").open("wb") as file:
        file.truncate(2**28 + 1)
    with pytest.raises(DataError, match="it has 268,435,457 bytes"):
        load_arrays(tmp_path / "batch")


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("order", ["C", "F"])
def test_batches_that_python_3_wrote_again_are_read(
    tmp_path: Path, protocol: int, order: str
) -> None:
    pixels = np.asarray(np.arange(60, dtype=np.uint8).reshape(20, 3), order=order)
    content = {b"data": pixels, b"labels": [3, 300], b"filenames": [b"a"], b"n": [-1, 2**40]}
    (tmp_path / "batch").write_bytes(pickle.dumps(content, protocol))
    read = load_arrays(tmp_path / "batch")
    assert np.array_equal(read.pop(b"data"), content.pop(b"data"))
    assert read == content
