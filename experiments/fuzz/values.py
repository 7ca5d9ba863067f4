"""Keys and values that were thought of to do harm, as they are written."""


def laughs(depth: int) -> str:
    """Ten aliases of ten aliases of …"""
    inner = "&a0 [x, x, x, x, x, x, x, x, x, x]"
    for level in range(1, depth):
        inner = f"&a{level} [{inner}, {', '.join([f'*a{level - 1}'] * 9)}]"
    return inner


NUMBERS = [
    *("0", "1", "2", "3", "7", "64", "100", "2000", "100000", "1000000000", "99999999999999999"),
    *("-1", "-16", "0.5", "1e-3", "1e-320", "1e6", "1e308", "-1e308", "1e999", "010", "0x10"),
    *("1_000", "16.0", "60:30", "9" * 400, "1." + "9" * 400, "-" + "9" * 400, "4294967296"),
]
WORDS = [
    *(".nan", "NaN", ".inf", "-.inf", "Infinity", "null", "~", "true", "no", "yes", '""', "x"),
    *("identity", "none", "bottleneck", "basic", "group", "adam", "npz", "folder", "module"),
    *('"\\u202e"', '"a\\nb"', "'''", '"\\0"', "os.system", "../../x", "/dev/zero", "20m", "0s"),
    *("grid", "cmaes", "nsga2", "latency", "projection", "zero_pad", "x" * 5000),
]
RANGES = [
    *("{low: 1, high: 9}", "{low: 1, high: 100000}", "{low: -5, high: 5}", "{low: 1, high: 1}"),
    *("{low: 0, high: 1e6, step: 1e-9}", "{low: 1e-9, high: 1e6, log: true}", "{low: 1}"),
    *("{low: 1, high: 2000}", "{low: 0.1, high: 0.9}", "{low: 0, high: 1e308, step: 1e-308}"),
    *("{low: 1, high: 9, step: 3}", "{low: 4, high: 64, step: 4}", "{low: 1, high: 64, log: true}"),
]
PARTS = [
    *("[]", "{}", "[1, 2]", "[1, 1]", "[[1]]", "[8, 16, 32]", "[null]", "{x: y}", "{? [a] : b}"),
    *("{bottleneck: {ratio: 1e6}}", "{bottleneck: {groups: [1, 2, 4]}}", "{conv3x3: {width: 0}}"),
    *("[basic, {bottleneck: {ratio: [0.25, 0.5, 1, 2]}}]", "{group: {groups: 0}}", "{layer: {}}"),
    *("{sgd: {lr: 1e6}}", "[sgd, adam, {adamw: {lr: {low: 1e-5, high: 1, log: true}}}]"),
    *("[identity, projection, none]", "[projection, zero_pad, none]", "{name: adam, lr: 0}"),
    "[" + ", ".join(map(str, range(1, 257))) + "]",
]
TRICKS = [
    *("!!python/object/apply:os.system [exit 3]", "!!python/name:os.system ''", "!!binary aGk="),
    *("!!python/object/new:os._exit [3]", "!!set {a, b}", "!!int x", "!!str 16", "!<tag:x> y"),
    *(
        "&a [*a]",
        "*missing",
        "&a 16",
        "{<<: {width: 3}}",
        "{<<: *missing}",
        "!!timestamp 2000-01-01",
    ),
    *("[" * 10_000, "{a: " * 5000, "- " * 200, "[" * 15 + "]" * 15, laughs(3), laughs(9)),
    *("|\n  x", ">-\n  y", "?", ":", "@", "`", "%", "\t", "# x", "'", '"', "---", "...", "\0"),
]
KEYS = [
    *("name", "dataset", "architecture", "training", "constraints", "search", "payoff", "<<"),
    *("stages", "depth", "width", "stride", "block", "shortcut", "transition", "stem", "norm"),
    *("activation", "activation_order", "path", "class_path", "init_args", "image_size"),
    *("image_shape", "num_classes", "augment", "train_size", "validation_size", "split_seed"),
    *("epochs", "batch_size", "optimizer", "schedule", "warmup", "label_smoothing", "lr"),
    *("gradient_clip", "parameters", "multiply_adds", "memory", "min", "max", "trials", "timeout"),
    *("sampler", "pruner", "objectives", "seed", "workers", "duplicates", "probes", "hessian"),
    *("top", "seeds", "vary", "arms", "depths", "activation_orders", "lr_factors", "budgets"),
    *("low", "high", "step", "log", "ratio", "groups", "stride_first", "momentum", "weight_decay"),
    *("", "x", "0", "null", "~", "? x", "[1]", "&a x", "\u2028", "k" * 300, "dept"),
]
#: what only JSON has, or has not
JSON_VALUES = [
    *("NaN", "Infinity", "-Infinity", "1e999", "9" * 400, "9" * 5000, "-1", "0", "1", "2", "true"),
    *("null", '"x"', '"\\ud800"', '"\\u202e"', "[]", "{}", "[[]]", '{"x": 1}', "2000", "1000000"),
    *("1.5", "1e308", '""', '"none"', '{"conv3x3": {}}', '{"conv3x3": {"width": 1e9}}', "[1, 2]"),
    *('{"bottleneck": {"ratio": 1e308}}', '{"bottleneck": {"ratio": NaN}}', '{"a": {}, "b": {}}'),
    *("[3, 32, 32]", "[1000000, 1000000, 1000000]", '"os.system"', '"' + "x" * 5000 + '"'),
    *('{"sgd": {"lr": 1e308}}', '{"sgd": {"lr": "x"}}', '{"sgd": {"fused": true}}', "[" * 10_000),
]
VALUES = [NUMBERS, WORDS, RANGES, PARTS, TRICKS]
BYTES = [b"\0", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\xc3", b"\xed\xa0\x80", b"\r\n", b"\t"]
