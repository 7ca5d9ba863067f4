"""The functions of an exported module that put norms and activations between layers."""

from dataclasses import dataclass

from nas.export.formatting import LINE_LENGTH, wrapped


@dataclass(frozen=True, kw_only=True)
class Weaving:
    """The function of an activation order.

    cycle: what stands for one convolution. others: whether layers other than convolutions stand
    between them, or behind the last one, where `after` layers follow the addition. remembers:
    whether an activation depends on the convolution before it.
    """

    name: str
    about: str
    cycle: list[str]
    others: bool
    remembers: bool
    after: int

    def source(self) -> str:
        """Its text."""
        lines = ["    layers, others = [], []" if self.others else "    layers = []"]
        if self.remembers:
            convs = "[layer for layer in convs if isinstance(layer, nn.Conv2d)]"
            lines.append(f"    before = {convs if self.others else 'convs'}[-1]")
        lines.append("    for layer in convs:")
        if self.others:
            lines += ["        if not isinstance(layer, nn.Conv2d):"]
            lines += ["            others.append(layer)", "            continue"]
        lines.append(added(self.cycle))
        if self.others:
            lines.append("        others = []")
        if self.remembers:
            lines.append("        before = layer")
        if self.others:
            place = f"layers[-{self.after}:-{self.after}] =" if self.after else "layers +="
            lines.append(f"    {place} others")
        body = "\n".join([*lines, "    return layers"])
        return f"def {self.name}(convs):\n{wrapped(self.about)}\n{body}"


def added(items: list[str]) -> str:
    """The line that adds layers in a loop, or a line for each of them."""
    line = f"        layers += [{', '.join(items)}]"
    if len(line) <= LINE_LENGTH:
        return line
    return "\n".join(
        ["        layers += [", *(f"            {one}," for one in items), "        ]"]
    )


@dataclass(frozen=True, kw_only=True)
class Surrounding:
    """The function of an activation order in token blocks.

    norms: those before and behind the layers. activation: what stands behind a convolution, None
    where behind none; linear: whether there are some without.
    """

    name: str
    about: str
    norms: tuple[list[str], list[str]]
    activation: str | None
    linear: bool

    def source(self) -> str:
        """Its text."""
        before, behind = map(", ".join, self.norms)
        lines = [f"def {self.name}(parts):", wrapped(self.about)]
        if before or behind:
            lines.append("    convs = [part for part in parts if isinstance(part, nn.Conv2d)]")
        lines.append(f"    layers = [{before}]")
        lines += self.inside()
        if behind:
            lines.append(f"    layers += [{behind}]")
        return "\n".join([*lines, "    return layers"])

    def inside(self) -> list[str]:
        """The lines that add the layers themselves."""
        if self.activation is None:
            return ["    layers += parts"]
        linear = " and not part.linear" * self.linear
        return [
            "    for part in parts:",
            "        layers.append(part)",
            f"        if isinstance(part, nn.Conv2d){linear}:",
            f"            layers.append({self.activation})",
        ]
