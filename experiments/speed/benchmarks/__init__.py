"""One benchmark in each file: a function `measure() -> list[Row]`."""
