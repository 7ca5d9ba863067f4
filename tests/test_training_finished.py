"""What is measured of a finished network, against what it must be by construction."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from nas.model.architecture import Architecture, Named, Stage
from nas.model.network import Network
from nas.training.evaluation import retake_statistics
from nas.training.metrics import finished_names
from nas.training.metrics.finished import Finished, chosen, measure_finished, packed

CLASSES, PICTURES = 4, 60


def network(shortcut: str = "identity", order: str = "post_activation") -> Network:
    """Two stages of two blocks, their norms as after a training."""
    kinds = {"shortcut": shortcut, "transition": "none" if shortcut == "none" else "zero_pad"}
    stages = (Stage(depth=2, width=4, **kinds), Stage(depth=2, width=8, stride=2, **kinds))
    built = Network(
        Architecture(
            image_shape=(1, 8, 8),
            num_classes=CLASSES,
            stem=Named.of("conv3x3", width=4),
            stages=stages,
            activation_order=order,
        ),
        seed=1,
    )
    retake_statistics(built, batches())
    return built.eval()


def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Pictures sorted by class."""
    random = torch.Generator().manual_seed(0)
    pictures = torch.randn(PICTURES, 1, 8, 8, generator=random)
    labels = torch.arange(PICTURES) * CLASSES // PICTURES
    return list(zip(pictures.split(16), labels.split(16), strict=True))


def retake(twin: nn.Module) -> None:
    retake_statistics(twin, batches())


def subject(one: Network) -> Finished:
    return Finished(one, batches(), retake, seed=0)


def test_all_measures_leave_network_and_random_numbers_alone() -> None:
    one = network()
    before = copy.deepcopy(one.state_dict())
    state = torch.random.get_rng_state()
    found = measure_finished(one, batches(), retake, seed=0, names=finished_names())
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(value, before[key]) for key, value in one.state_dict().items())
    assert found == measure_finished(one, batches(), retake, seed=0, names=finished_names())
    assert measure_finished(one, batches(), retake, seed=0, names=()) == {}
    right = np.unpackbits(np.frombuffer(bytes.fromhex(found["right"]), dtype=np.uint8))
    hits = [one(x).argmax(1) == y for x, y in batches()]
    assert right[:PICTURES].tolist() == torch.cat(hits).int().tolist()
    assert found["pictures"] == PICTURES


def test_a_lesion_is_the_network_with_the_shortcut_in_place_of_the_block() -> None:
    one = network()
    found = subject(one)
    lesions = found.lesions(retaken=False)
    assert len(lesions) == 4
    x = found.pictures
    with torch.no_grad():
        first, second, third, fourth = one.blocks()
        h = torch.relu(third.shortcut(second(first(one.stem(x)))))  # the third has no branch
        logits = one.head(one.final(fourth(h)).mean((2, 3)))
    expected = (logits.argmax(1) != found.labels).double().mean().item()
    assert lesions[2] == pytest.approx(expected)
    assert len(set(lesions)) > 1
    assert found.error() == pytest.approx(1 - found.right.double().mean().item())


def test_a_block_whose_branch_gives_zero_is_not_missed() -> None:
    one = network(order="pre_activation")
    block = one.blocks()[1]
    for conv in block.branch.modules():
        if isinstance(conv, nn.Conv2d):
            nn.init.zeros_(conv.weight)
    found = subject(one)
    assert found.lesions(retaken=False)[1] == found.error()
    changed = found.lesions(retaken=True)[1]
    twin = copy.deepcopy(one)
    retake(twin)
    assert changed == found.error(twin.eval())


def test_plain_blocks_are_left_out_where_the_shape_stays() -> None:
    one = network("none")
    found = subject(one)
    lesions = found.lesions(retaken=False)
    assert [np.isnan(error) for error in lesions] == [False, False, True, False]
    blocks = one.blocks()
    with torch.no_grad():
        h = blocks[2](blocks[0](one.stem(found.pictures)))
        logits = one.head(one.final(blocks[3](h)).mean((2, 3)))
    assert lesions[1] == (logits.argmax(1) != found.labels).double().mean().item()
    assert torch.equal(found.logits_of(found.network, found.pictures), found.logits)


def test_calibration_of_known_confidences() -> None:
    found = subject(network())
    half = PICTURES // 2
    confidence = torch.cat([torch.full((half,), 0.9), torch.full((half,), 0.5)])
    rest = ((1 - confidence) / (CLASSES - 1))[:, None].repeat(1, CLASSES)
    said = torch.where(torch.arange(PICTURES) % 2 == 0, found.labels, (found.labels + 1) % CLASSES)
    found.logits = rest.scatter(1, said[:, None], confidence[:, None]).log()
    from nas.training.metrics.after_training import calibration_error

    assert calibration_error(found) == pytest.approx((0.4 + 0.0) / 2, abs=1e-6)


def test_eight_bits_move_no_weight_further_than_half_a_level() -> None:
    found = subject(network())
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    exact = found.with_weights

    def noting(changed):
        return exact(lambda weight: seen.append((weight.clone(), changed(weight))) or seen[-1][1])

    found.with_weights = noting
    from nas.training.metrics.after_training import int8_error

    int8_error(found)
    for before, after in seen:
        step = before.flatten(1).abs().amax(1) / 127
        gap = (after - before).flatten(1).abs().amax(1)
        assert (gap <= step / 2 * 1.001).all()
        assert gap.any()


def test_a_shift_repeats_the_edge_and_a_blur_keeps_the_mean_of_a_flat_picture() -> None:
    from nas.training.metrics.after_training import blurred_pictures, shifted_pictures

    found = subject(network())
    shifted = shifted_pictures(found)
    assert torch.equal(shifted[..., 1:], found.pictures[..., :-1])
    assert torch.equal(shifted[..., 0], found.pictures[..., 0])
    assert blurred_pictures(found).var() < found.pictures.var() / 2
    found.pictures = torch.full_like(found.pictures, 3.0)
    assert torch.allclose(blurred_pictures(found), found.pictures)


def test_the_pictures_are_the_same_of_every_network_and_of_all_classes() -> None:
    pictures, labels = chosen(batches(), 20)
    assert len(pictures) == 20
    assert set(labels.tolist()) == set(range(CLASSES))
    pairs = [(x[None], y[None]) for xs, ys in batches() for x, y in zip(xs, ys, strict=True)]
    assert torch.equal(pictures, chosen(pairs, 20)[0])
    assert chosen(batches(), 1000)[1].tolist() == torch.cat([y for _, y in batches()]).tolist()
    assert packed([True, False, False, False, True]) == "88"
