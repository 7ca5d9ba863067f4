"""Batches: what the numbers are, and that only seed and epoch decide them."""

from collections.abc import Sequence

import pytest
import torch
from torch import Generator, Tensor

from nas.data.augment import AUGMENTATIONS, crop, cutout, flip, rand_augment, random_resized_crop
from nas.data.batches import Batches, epoch_seed
from nas.data.resident import channel_statistics
from nas.data.resize import resize
from nas.data.splits import stratified
from nas.model.architecture import Named

torch.set_num_threads(1)

PIXELS = torch.randint(
    0, 256, (50, 3, 16, 16), dtype=torch.uint8, generator=Generator().manual_seed(0)
)
LABELS = torch.arange(50)
ROWS = torch.arange(3, 48)  # 45 pictures


def _batches(
    *, seed: int = 0, training: bool = True, batch_size: int = 8, augment: Sequence[str] = ()
) -> Batches:
    mean, std = channel_statistics(PIXELS, ROWS)
    return Batches(
        PIXELS,
        LABELS,
        ROWS,
        batch_size=batch_size,
        mean=mean,
        std=std,
        seed=seed,
        training=training,
        augment=augment,
    )


def _epoch(batches: Batches) -> tuple[Tensor, Tensor]:
    x, y = zip(*batches, strict=True)
    return torch.cat(x), torch.cat(y)


def test_pictures_are_normalised_by_the_statistics_of_their_rows() -> None:
    mean, std = channel_statistics(PIXELS, ROWS)
    values = PIXELS[ROWS].double() / 255
    assert mean == pytest.approx(values.mean((0, 2, 3)).tolist(), abs=1e-12)
    assert std == pytest.approx(values.std((0, 2, 3), correction=0).tolist(), abs=1e-12)
    x, y = _epoch(_batches(training=False))
    assert x.dtype == torch.float32
    assert y.dtype == torch.int64
    assert torch.equal(y, ROWS)
    expected = (values - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    assert torch.allclose(x, expected.float(), atol=1e-5)


def test_a_channel_of_one_value_stays_finite() -> None:
    black = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    assert channel_statistics(black, torch.arange(4)) == ((0.0,), (1 / 255,))


def test_every_training_picture_comes_once_an_epoch_in_a_new_order() -> None:
    batches = _batches()
    first, second = _epoch(batches)[1], _epoch(batches)[1]
    assert sorted(first.tolist()) == sorted(second.tolist()) == ROWS.tolist()
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize(
    ("training", "batch_size", "sizes"),
    [
        (True, 8, [8, 8, 8, 8, 8, 5]),
        (True, 11, [11, 11, 11, 11]),  # a last batch of one picture is left out
        (False, 11, [11, 11, 11, 11, 1]),
        (True, 43, [43, 2]),
        (True, 100, [45]),
        (True, 1, [1] * 45),
    ],
)
def test_sizes_of_batches(training: bool, batch_size: int, sizes: list[int]) -> None:
    batches = _batches(training=training, batch_size=batch_size)
    assert [len(y) for _, y in batches] == sizes
    assert len(batches) == len(sizes)


ALL = ("crop", "flip", "rand_augment", "random_resized_crop", "cutout")


def test_twins_see_the_same_batches_whatever_torch_draws_meanwhile() -> None:
    expected = list(_batches(augment=ALL))
    torch.manual_seed(1)
    for (x, y), (x_twin, y_twin) in zip(expected, _batches(augment=ALL), strict=True):
        assert torch.equal(x, x_twin)
        assert torch.equal(y, y_twin)
        torch.rand(7)  # a network with dropout


def test_batches_leave_torchs_global_generator_alone() -> None:
    before = torch.get_rng_state()
    _epoch(_batches(augment=ALL))
    assert torch.equal(torch.get_rng_state(), before)


def test_seed_and_epoch_decide() -> None:
    a, b = _epoch(_batches(augment=ALL)), _epoch(_batches(augment=ALL, seed=1))
    assert not torch.equal(a[1], b[1])
    resumed, whole = _batches(augment=ALL), _batches(augment=ALL)
    for _ in range(3):
        _epoch(whole)
    resumed.epoch = 3
    for x, y in zip(_epoch(whole), _epoch(resumed), strict=True):
        assert torch.equal(x, y)
    assert resumed.epoch == 4
    assert len({epoch_seed(s, e) for s in range(30) for e in range(30)}) == 900


def test_making_an_iterator_changes_nothing() -> None:
    batches = _batches()
    iter(batches)
    iter(batches)
    assert batches.epoch == 0
    next(iter(batches))
    assert batches.epoch == 1


def test_pictures_in_memory_are_never_written_to() -> None:
    before = PIXELS.clone()
    _epoch(_batches(augment=ALL))
    assert torch.equal(PIXELS, before)


def test_evaluation_is_never_augmented() -> None:
    batches = _batches(training=False)
    assert torch.equal(_epoch(batches)[0], _epoch(batches)[0])


def test_crop_moves_by_up_to_an_eighth_and_reflects() -> None:
    ramp = torch.arange(16, dtype=torch.uint8)
    pixels = (16 * ramp[:, None] + ramp).expand(400, 1, 16, 16).contiguous()
    moved = crop(pixels, Generator().manual_seed(0))
    rows, columns = moved[:, 0, 8, 8] // 16, moved[:, 0, 8, 8] % 16
    assert set(rows.tolist()) == set(columns.tolist()) == set(range(6, 11))
    assert len(set(zip(rows.tolist(), columns.tolist(), strict=True))) == 25
    for picture, row, column in zip(moved[:, 0], rows, columns, strict=True):
        padded = torch.nn.functional.pad(pixels[:1].float(), (2, 2, 2, 2), mode="reflect")[0, 0]
        top, left = int(row) - 6, int(column) - 6
        assert torch.equal(picture.float(), padded[top : top + 16, left : left + 16])


def test_channels_move_together() -> None:
    pixels = PIXELS[:, :1].expand(-1, 3, -1, -1).contiguous()
    generator = Generator().manual_seed(0)
    moved = flip(crop(pixels, generator), generator)
    assert torch.equal(moved[:, 0], moved[:, 2])


def test_flip_mirrors_about_half_of_the_pictures() -> None:
    pixels = PIXELS.repeat(20, 1, 1, 1)
    flipped = flip(pixels, Generator().manual_seed(0))
    mirrored = (flipped == pixels.flip(3)).flatten(1).all(1)
    same = (flipped == pixels).flatten(1).all(1)
    assert (mirrored ^ same).all()
    assert 400 < int(mirrored.sum()) < 600


def test_cutout_covers_one_square_that_may_reach_over_the_edge() -> None:
    mask = cutout(torch.ones(2000, 3, 16, 16), Generator().manual_seed(0))[:, :1] == 0
    rows, columns = mask[:, 0].any(2).sum(1), mask[:, 0].any(1).sum(1)
    assert torch.equal(mask.sum((1, 2, 3)), rows * columns)  # a rectangle
    assert (int(rows.min()), int(rows.max())) == (4, 8)
    x, _ = _epoch(_batches(augment=("cutout",)))
    share = (x == 0).all(1).float().mean()
    assert 0.12 < share < 0.25  # the mean is zero once normalised


def test_resized_crops_are_parts_of_the_areas_and_shapes_asked_for() -> None:
    """A ramp of rows and one of columns tell where each part begins and ends."""
    ramp = torch.arange(32.0)
    pictures = torch.stack((ramp[:, None].expand(32, 32), ramp.expand(32, 32)))
    crops = random_resized_crop(
        pictures.expand(5000, -1, -1, -1), Generator().manual_seed(0), smallest_area=0.25
    )
    inner = crops[:, :, 8:24, 8:24]  # away from the edge, where a ramp goes on as it is
    heights = 32 * (inner[:, 0, 15, 0] - inner[:, 0, 0, 0]) / 15
    widths = 32 * (inner[:, 1, 0, 15] - inner[:, 1, 0, 0]) / 15
    assert (inner[:, 0].diff(dim=2).abs() < 1e-4).all()
    areas, ratios = heights * widths / 32**2, widths / heights
    for found, low, high in (
        (areas, 0.25, 1.0),
        (ratios, 3 / 4, 4 / 3),
        (1 / ratios, 3 / 4, 4 / 3),
    ):
        assert low - 1e-3 < found.min() < low + 0.02
        assert high - 0.05 < found.max() < high + 1e-3
    assert 0.01 < (areas > 0.9).float().mean() < 0.1 < (areas < 0.325).float().mean()
    middles = (inner[:, :, 7, 7] + inner[:, :, 8, 8]) / 2
    assert middles.mean((0,)).tolist() == pytest.approx([15.5, 15.5], abs=0.2)
    whole = random_resized_crop(PIXELS.float(), Generator(), smallest_area=1.0, widest=1.0)
    assert torch.allclose(whole, PIXELS.float(), atol=1e-3)


def test_rand_augment_changes_pictures_as_strongly_as_asked_and_keeps_grey_ones_grey() -> None:
    """A ramp, as most operations leave noise as far from the picture whatever they do."""
    ramp = torch.arange(0, 256, 8, dtype=torch.uint8)
    pictures = ramp.expand(64, 3, 32, 32).contiguous()

    def change(operations: int, magnitude: int) -> float:
        generator = Generator().manual_seed(0)
        options = {"operations": operations, "magnitude": magnitude}
        made = [rand_augment(pictures, generator, **options).float() for _ in range(30)]
        return float((torch.stack(made) - pictures).abs().mean())

    assert change(1, 3) < change(1, 20) < change(3, 20)
    grey = rand_augment(PIXELS[:, :1], Generator().manual_seed(0), operations=15, magnitude=9)
    colour = rand_augment(
        PIXELS[:, :1].repeat(1, 3, 1, 1), Generator().manual_seed(0), operations=15, magnitude=9
    )
    assert grey.dtype == torch.uint8
    assert torch.equal(grey.repeat(1, 3, 1, 1), colour)


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (Named.of("rand_augment", magnitude=30), "magnitude of rand_augment must be from 1 to 29"),
        (Named.of("random_resized_crop", smallest_area=7.0), "from 0 to 1, found 7"),
        (Named.of("rand_augment"), "needs the package kornia: pip install 'nas\\[augment\\]'"),
    ],
)
def test_augmentations_out_of_their_limits_or_without_their_package_are_refused(
    monkeypatch: pytest.MonkeyPatch, one: Named, message: str
) -> None:
    if "package" in message:
        monkeypatch.setattr("nas.data.augment.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=message):
        AUGMENTATIONS[one.name].check(one)


def test_pictures_too_small_to_move_stay() -> None:
    tiny = PIXELS[:, :, :4, :4].contiguous()
    assert torch.equal(crop(tiny, Generator()), tiny)


def test_resize_by_whole_factors_takes_means() -> None:
    small = resize(PIXELS, 4)
    assert small.dtype == torch.uint8
    expected = PIXELS.float().view(50, 3, 4, 4, 4, 4).mean((3, 5)).round()
    assert torch.equal(small.float(), expected)


@pytest.mark.parametrize("size", [12, 24])
def test_resize_keeps_plain_areas_and_brightness(size: int) -> None:
    plain = torch.full((2, 1, 16, 16), 77, dtype=torch.uint8)
    assert torch.equal(resize(plain, size), torch.full((2, 1, size, size), 77, dtype=torch.uint8))
    assert resize(PIXELS, size).float().mean() == pytest.approx(PIXELS.float().mean(), abs=2)
    assert resize(PIXELS, 16) is PIXELS


def test_stratified_subsets_are_in_proportion_disjoint_and_fixed() -> None:
    labels = torch.cat([torch.zeros(700), torch.ones(200), torch.full((100,), 2)]).long().numpy()
    chosen, rest = stratified(labels, 101, seed=0)
    assert sorted([*chosen, *rest]) == list(range(1000))
    counts = torch.tensor(labels[chosen]).bincount().tolist()
    assert sum(counts) == 101
    assert max(abs(a - b) for a, b in zip(counts, [70.7, 20.2, 10.1], strict=True)) < 1
    assert stratified(labels, 101, seed=0)[0].tolist() == chosen.tolist()
    assert stratified(labels, 101, seed=1)[0].tolist() != chosen.tolist()
    assert chosen[:5].tolist() == [1, 14, 27, 31, 45]  # in every version, on every machine
