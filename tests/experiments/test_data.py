"""Data: the order, the augmentation, and what is said where files are missing."""

import gzip
import itertools

import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from conceptlab.configuration import Mistake, compose
from conceptlab.data import MNIST, Digits, ImageFolder
from conceptlab.data.order import Batches, EpochOrder
from conceptlab.tasks.run import build


def taken(order: EpochOrder) -> list[list[int]]:
    return [list(indices) for _, indices in order]


def test_the_order_depends_on_seed_and_epoch_alone():
    orders = {(seed, epoch): taken(EpochOrder(50, 8, seed, epoch=epoch)) for seed in (1, 2) for epoch in (0, 1)}
    assert all(sorted(itertools.chain(*order)) == list(range(50)) for order in orders.values())
    assert len({str(order) for order in orders.values()}) == 4
    torch.rand(3)
    assert taken(EpochOrder(50, 8, 1, epoch=1)) == orders[1, 1]


def test_the_order_is_taken_up_in_mid_epoch_and_goes_on_with_a_whole_one():
    order, whole = EpochOrder(50, 8, 1, start=4), EpochOrder(50, 8, 1)
    assert taken(order) == taken(whole)[4:]
    order.set_epoch(1)
    whole.set_epoch(1)
    assert taken(order) == taken(whole)
    assert len(order) == 7


@pytest.mark.parametrize("shuffle", [True, False])
def test_processes_share_the_samples_and_have_as_many_batches(shuffle):
    orders = [EpochOrder(101, 25, 1, shuffle=shuffle, rank=rank, world=2) for rank in range(2)]
    batches = [taken(order) for order in orders]
    assert [len(b) for b in batches] == [len(order) for order in orders]
    assert len(batches[0]) == len(batches[1])
    seen = sorted(itertools.chain(*batches[0], *batches[1]))
    assert len(seen) == len(set(seen)) == (100 if shuffle else 101)


def test_augmentation_depends_on_seed_epoch_and_index_and_leaves_the_random_numbers_alone():
    images = torch.rand(6, 1, 8, 8)
    augmentation = v2.RandomCrop(8, padding=4)

    def augmented(epoch: int, indices: list[int], seed: int = 1) -> torch.Tensor:
        batches = Batches(images.__getitem__, torch.arange(6), augmentation, v2.Identity(), seed)
        return batches[epoch, indices][0]

    state = torch.get_rng_state()
    first = augmented(0, [0, 1, 2, 3, 4, 5])
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(5)
    assert torch.equal(augmented(0, [4, 2]), first[[4, 2]])
    assert not torch.equal(augmented(1, [0, 1, 2, 3, 4, 5]), first)
    assert not torch.equal(augmented(0, [0, 1, 2, 3, 4, 5], seed=2), first)


def test_digits_are_split_without_overlap():
    data = Digits(shape=[1, 8, 8], classes=10)
    data.setup()
    sizes = {name: len(labels) for name, (_, labels) in data.splits.items()}
    assert sizes == {"train": 1257, "val": 180, "test": 360}
    rows = [
        {tuple(row) for row in images(range(len(labels))).flatten(1).tolist()}
        for images, labels in data.splits.values()
    ]
    assert len(set.union(*rows)) == sum(map(len, rows)) == 1797


def test_a_shape_that_the_data_do_not_have_is_refused_with_the_one_they_have():
    data = Digits(shape=[1, 28, 28], classes=10)
    with pytest.raises(Mistake, match=r"expected images of shape \[1, 28, 28\].*Set data.shape=\[1,8,8\]"):
        data.setup()


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_missing_files_name_the_command_that_fetches_them(name, in_folder):
    experiment = {"mnist": "mnist_mlp", "fashion_mnist": "mnist_mlp", "cifar10": "cifar10_resnet18"}[name]
    _, data = build(compose([f"experiment={experiment}", f"data={name}"]))
    with pytest.raises(Mistake, match=rf"data={name}: expected its files in .*data\.download=true"):
        data.require()


def test_mnist_is_read_from_torchvisions_files(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for split, count in (("train", 6), ("t10k", 4)):
        pixels = bytes(range(count)) * 784
        header = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (count, 28, 28))
        (raw / f"{split}-images-idx3-ubyte").write_bytes(header + pixels)
        labels = b"\0\0\x08\x01" + count.to_bytes(4, "big") + bytes(range(count))
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(labels)
        (raw / f"{split}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    data = MNIST(root=str(tmp_path), shape=[1, 28, 28], classes=10, held_out=2, batch_size=4)
    data.require()
    data.setup()
    assert {name: len(labels) for name, (_, labels) in data.splits.items()} == {"train": 4, "val": 2, "test": 4}
    images, labels = next(iter(data.train_dataloader()))
    assert images.shape == (4, 1, 28, 28)
    assert images.dtype == torch.uint8
    assert labels.dtype == torch.int64


@pytest.mark.parametrize("layout", ["one", "train and test"])
def test_a_folder_of_pictures_of_any_size(tmp_path, layout):
    places = ["."] if layout == "one" else ["train", "test"]
    for place in places:
        for color in ("blue", "red"):
            folder = tmp_path / place / color
            folder.mkdir(parents=True)
            for i in range(5):
                Image.new("RGB", (20 + i, 30), color).save(folder / f"{i}.png")
    data = ImageFolder(root=str(tmp_path), shape=[3, 16, 16], classes=2, batch_size=4)
    data.require()
    data.setup()
    sizes = {name: len(labels) for name, (_, labels) in data.splits.items()}
    assert sizes == ({"train": 7, "val": 1, "test": 2} if layout == "one" else {"train": 9, "val": 1, "test": 10})
    for images, labels in data.train_dataloader():
        assert images.shape[1:] == (3, 16, 16)
        assert torch.equal(images[:, 0, 8, 8] == 255, labels.bool())
    with pytest.raises(Mistake, match=r"data\.classes: expected 2, received 3"):
        ImageFolder(root=str(tmp_path), shape=[3, 16, 16], classes=3).require()


def test_a_missing_folder_of_pictures_says_what_is_expected(tmp_path):
    with pytest.raises(Mistake, match=r"data\.root=FOLDER; it holds a subfolder for each class"):
        ImageFolder(root=str(tmp_path / "none"), shape=[3, 16, 16], classes=2).require()
