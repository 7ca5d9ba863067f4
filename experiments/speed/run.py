"""Runs the benchmarks one after another and prints their table.

    python -m experiments.speed.run [NAME...] [--data-dir DIR] [--avx2]

Without a name all of them. With --avx2 a processor that has more takes the kernels of AVX2 alone;
rows of both kinds stand side by side. Each is a file in benchmarks/ with one function,
`measure() -> list[Row]`. What it found goes to results.json and into README.md.
"""

import argparse
import importlib
import os
import pkgutil
import time

from experiments.speed import benchmarks, table

#: settings of oneDNN and of torch's own kernels, and what is told of them
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
WITH = "kernels of AVX2"


def main() -> None:
    """The command."""
    names = [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--data-dir", help="folder with CIFAR-10 (default: NAS_DATA_DIR or data)")
    parser.add_argument("--avx2", action="store_true", help="kernels of AVX2 alone")
    arguments = parser.parse_args()
    if arguments.data_dir:
        os.environ["NAS_DATA_DIR"] = arguments.data_dir
    os.environ["OMP_NUM_THREADS"] = "1"
    if arguments.avx2:
        os.environ |= AVX2
    for name in arguments.names or names:
        start = time.perf_counter()
        rows = importlib.import_module(f"{benchmarks.__name__}.{name}").measure()
        print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)
        if rows:
            table.keep(name, rows, WITH if arguments.avx2 else "")
            table.publish()
    print(table.text())


if __name__ == "__main__":
    main()
