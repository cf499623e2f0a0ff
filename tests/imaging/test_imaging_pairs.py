"""Which files are images, which masks, and whose: layouts as others have them."""

from pathlib import Path

import pytest

from busgen.imaging.pairs import list_files, match_pairs

LAYOUTS = [
    {"a.png": ["a_mask.png"], "b.png": []},
    {"benign (1).png": ["benign (1)_mask.png", "benign (1)_mask_1.png"]},
    {"D_with_GT/benign/benign (1).png": ["D_with_GT/benign/benign (1)_mask.png"]},
    {"imagesTr/p1_0000.png": ["labelsTr/p1.png"], "imagesTs/p1_0000.png": ["labelsTs/p1.png"]},
    {"images/x.png": ["masks/0/x.png"]},
    {"images/x.png": ["masks/0/x.png", "masks/1/x.png"]},
    {"JPEGImages/x.jpg": ["SegmentationClass/x.png", "SegmentationObject/x.png"]},
    {"img_dir/train/x.png": ["ann_dir/train/x.png"], "img_dir/val/x.png": ["ann_dir/val/x.png"]},
    {"train/x.jpg": ["train_masks/x_mask.gif"], "val/x.jpg": ["val_masks/x_mask.gif"]},
    {"train/images/x.png": ["train/labels/x.png"], "test/images/x.png": ["test/labels/x.png"]},
    {"Test_Image_1.png": ["mask_1.png"], "Test_Image_11.png": ["mask_11.png"]},
    {"image_001.png": ["mask_001.png"]},
    {"Images/bus_0001-l.png": ["Masks/mask_0001-l.png"]},
    {"x.png": ["x.png.mask.png"]},
    {"x.png": ["mask_x.png"]},
    {"x.tif": ["x_segmentation.tif"]},
    {"x.png": ["x_Annotation.png"]},
    {"original/000001.png": ["GT/000001.png"]},
    {"data/imgs/x.bmp": ["data/GroundTruth/x.bmp"]},
    {"case001.png": ["case001_tumor.png"], "case002_tumor.png": []},
    {"images/benign/x.png": ["masks/benign/x.png"], "images/malignant/x.png": []},
    {"benign/b1.png": ["benign/masks/b1.png"], "malignant/b1.png": ["malignant/masks/b1.png"]},
    {"images/1.png": ["masks/1.png"], "images/10.png": ["masks/10.png"]},
    {"b.png": ["b_mask.png"], "b_1.png": ["b_1_mask.png"]},
    {"scan.dcm": ["scan_mask.png"]},
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: next(iter(layout)))
def test_each_mask_goes_with_its_image(layout):
    files = [Path(file) for image, masks in layout.items() for file in (image, *masks)]
    found = match_pairs(files)
    told = {image.as_posix(): found.masks.get(image, []) for image in found.images}
    assert {image: [m.as_posix() for m in masks] for image, masks in told.items()} == layout
    assert not found.alone


@pytest.mark.parametrize(
    "files",
    [
        ("x_mask.png",),  # of an image that is not there
        ("a/x.png", "b/x.png", "masks/x.png"),  # of either
        ("x.png", "x.jpg", "x_mask.png"),
        ("train/images/a.png", "test/masks/a.png"),  # of another split
        ("benign_001.png", "malignant_001.png", "masks/mask_001.png"),
    ],
)
def test_a_mask_that_could_be_of_none_or_several_is_alone(files):
    found = match_pairs([Path(file) for file in files])
    assert [file.as_posix() for file in found.alone] == [files[-1]]
    assert not found.masks


def test_what_an_operating_system_left_is_no_file_of_the_set(tmp_path):
    for name in ("2.png", "10.PNG", ".hidden.png", "__MACOSX/2.png", "x.txt", "x.nii.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [file.name for file in list_files(tmp_path)] == ["2.png", "10.PNG"]
    assert [file.name for file in list_files(tmp_path, [".nii.gz"])] == ["x.nii.gz"]
