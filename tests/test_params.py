"""Parameters: params.yaml is what the code's defaults are; every broken rule is named."""

from itertools import pairwise
from pathlib import Path

import pytest

from busgen.errors import UserError
from busgen.params.base import load_section
from busgen.params.gates import Gate
from busgen.params.generate import GenerateParams, parse_targets
from busgen.params.load import Params, load_params
from busgen.params.release import ReleaseParams
from busgen.params.report import ReportParams

ROOT = Path(__file__).resolve().parents[1]


MERGES = "a: &a {x: 1}\n" + "".join(  # of 9 ** 8 keys
    f"{name}: &{name} {{<<: [{','.join([f'*{last}'] * 9)}]}}\n"
    for last, name in pairwise("abcdefghi")
)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "params ü.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_shipped_parameters_are_the_defaults_with_paths():
    shipped, default = load_params(ROOT / "params.yaml").model_dump(), Params().model_dump()
    assets = (("generate", name) for name in ("prior", "judges", "mask_model", "model"))
    for section, key in (*assets, ("quality", "reference"), ("report", "downstream")):
        assert Path(shipped[section].pop(key)).is_relative_to("busgen/assets")
        assert default[section].pop(key) is None
    assert shipped == default


def test_one_gate_changed_leaves_the_others(tmp_path):
    path = write(tmp_path, "generate: {gates: {contrast: {action: flag, min: 3}}}")
    gates = load_params(path).generate.gates
    assert gates["contrast"] == Gate(action="flag", min=3)
    assert gates["grey_sd"] == Params().generate.gates["grey_sd"]


def test_a_gate_may_be_off_as_yaml_reads_it(tmp_path):
    path = write(tmp_path, "generate: {gates: {contrast: {action: off}}}")
    assert load_params(path).generate.gates["contrast"].action == "off"


def test_a_limit_may_be_off_as_yaml_reads_it_and_names_any_score(tmp_path):
    names = ("mmd_radiomic", "privacy_ratio_masks", "ks_grey.benign", "repeats")
    words = ", ".join(f"{name}: {{action: off, max: 1}}" for name in names)
    limits = load_params(write(tmp_path, f"quality: {{limits: {{{words}}}}}")).quality.limits
    assert {limits[name].action for name in names} == {"off"}
    assert limits["copies"].action == "mark"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("generate: {m: 3}", r"generate\.m: unknown key, got generate\.m: mend it in .*params ü"),
        ("colour: {}", "colour: unknown key"),
        ("generate: {n: 0}", r"generate\.n: Input should be greater than or equal to 1, got 0"),
        ("generate: {n: -5}", r"greater than or equal to 1, got -5"),
        ("generate: {seed: -1}", r"generate\.seed: .*got -1"),
        ("generate: {size_px: 100}", r"multiple of 8, got 100"),
        ("generate: {gates: {sparkle: {min: 1}}}", "unknown gate sparkle: choose from mask_error"),
        ("generate: {gates: {contrast: {action: burn}}}", "'reject', 'flag' or 'off', got 'burn'"),
        ("generate: {gates: {contrast: {min: 3, max: 2}}}", "min must not exceed max"),
        ("generate: {runner: spark}", "'threads', 'processes', 'dask' or 'ray', got 'spark'"),
        ("generate: {runner: ray, address: here}", r"generate\.address: .*got 'here'"),
        ("generate: {runner: ray}", "ray needs the address of a cluster that runs already"),
        ("generate: {address: h:1}", "address is for the runners dask and ray, not threads"),
        ("generate: {device: banana}", r"generate\.device: .*got 'banana'"),
        ("downstream: {tasks: [detection]}", r"downstream\.tasks\.0: .*got 'detection'"),
        ("downstream: {steps: {classification: 0}}", "steps must be 1 or more"),
        ("release: {splits: {train: .5}}", "shares must be positive and sum to 1"),
        ("release: {splits: {dev: 1}}", "'train', 'validation' or 'test', got 'dev'"),
        ("quality: {limits: {kid: {max: 1}}}", "unknown score kid: choose from ks_geometry"),
        ("quality: {limits: {copies: {action: mark}}}", "a limit must have a min or a max"),
        ("quality: {limits: {copies: {action: flag}}}", "'refuse', 'mark' or 'off', got 'flag'"),
        ("quality: {limits: {repeats: {max: 1, of: floor_limit}}}", "limited by its value"),
        ("- 1", "must map sections to keys, got list"),
        ("[]", "must map sections to keys, got list"),
        ("0", "must map sections to keys, got int"),
        ("a: [", "must be YAML"),
        (
            "release: {title: 2026-13-45}",
            "must be YAML, got '2026-13-45' is no timestamp.*mend line 1",
        ),
        ("generate: {n: !!int x}", "must be YAML, got 'x' is no int"),
        ('generate: {n: !!int ""}', "must be YAML, got .* is no "),
        ("generate: {n: !!bool maybe}", "must be YAML, got .* is no "),
        ('generate: {n: !!timestamp "abc"}', "must be YAML, got .* is no "),
        (f"n: {'9' * 5000}", "must be YAML, got .* is no "),
        ("{a: " * 2000, "must map sections to keys, got hundreds of levels"),
        ("!!python/object:os.system {}", "must be YAML"),
        ("generate: {n: 1, n: 2}", "must be YAML, got the key 'n' twice: mend line 1"),
        ("report: {}\ngenerate: {n: 1}\nreport: {gallery: 2}", "got the key 'report' twice"),
        (
            MERGES,
            r"must be YAML, got a mapping to be merged \(<<\), which is not read: mend line 2",
        ),
        ("generate: {n: 010}", "must be YAML, got '010', which YAML reads as 8: mend line 1"),
        ("generate: {n: 1:30}", "must be YAML, got '1:30', which YAML reads as 90"),
        ('release: {title: "a\\e[31m"}', r"must be YAML, got 'a\\x1b\[31m', which does not print"),
        ('release: {title: "\\ud800"}', "which does not print"),
        (f"release: {{title: {'x' * 3000}}}", r"release\.title: .*at most 2000 characters"),
        ("generate: {n: 3}\n---\nrelease: {}", "must be YAML, got but found another document"),
        ("generate: {n: \t}\n\t- 1", "must be YAML"),
        ("\0", "must be YAML"),
        ("? {a: 1}\n: 2", "must be YAML, got found unhashable key"),
        ("generate: *x", "must be YAML, got found undefined alias"),
        ("&a {generate: *a}", r"generate\.generate: unknown key"),
        ("generate:", r"generate: .*got None"),
        ("2026-01-01: {}", r"Keys should be strings"),
        ("generate: {where: " + "[" * 150 + "]" * 150 + "}", r"generate\.where\.0: "),
        ("generate: &a {where: [*a]}", r"generate\.where\.0: "),
        (f"generate: {{n: 0x{'f' * 5000}}}", r"generate\.n: .*got int"),
        (f"generate: {{n: {[[1] * 20] * 20}}}", r"generate\.n: .{,200}\.\.\..{,200}mend it in"),
        ("1: {}", "1: "),
        ("priors: {weights: {published: -1}}", r"weights: weights must be >= 0"),
        ("priors: {backoff: .inf}", r"priors\.backoff: .*finite"),
        ("generate: {n: .inf}", r"generate\.n: .*finite.*got inf"),
        ("generate: {gates: {contrast: {min: .nan}}}", r"contrast\.min: .*finite number, got nan"),
    ],
)
def test_each_broken_rule_says_key_and_value(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        load_params(write(tmp_path, text))


@pytest.mark.parametrize("data", ["généré: 1".encode("latin-1"), "n: 1".encode("utf-16")])
def test_what_is_no_utf_8_is_one_message(tmp_path, data):
    (tmp_path / "a.yaml").write_bytes(data)
    with pytest.raises(UserError, match="must be readable, got 'utf-8' codec"):
        load_params(tmp_path / "a.yaml")
    with pytest.raises(UserError, match=r"must be readable, got .*Is a directory"):
        load_params(tmp_path)


def test_a_missing_file_says_where_to_run(tmp_path):
    with pytest.raises(UserError, match="must be readable"):
        load_params(tmp_path / "no.yaml")


def test_targets_from_words():
    words = ["margin.spiculated=0.3", "pathology.benign=.5", "pathology.malignant=.5"]
    assert parse_targets([*words, "size_matched"]) == {
        "margin": {"spiculated": 0.3},
        "pathology": {"benign": 0.5, "malignant": 0.5},
        "size_matched": True,
    }


@pytest.mark.parametrize("word", ["margin=0.3", "margin.spiculated", "margin.spiculated=much"])
def test_a_target_that_is_none_is_named(word):
    with pytest.raises(UserError, match=r"a target must be field\.term=share"):
        parse_targets([word])


def test_the_order_of_splits_decides_nothing():
    one, other = ({"test": 0.5, "train": 0.5}, {"train": 0.5, "test": 0.5})
    for splits in (one, other):
        assert list(ReleaseParams(splits=splits).splits) == ["train", "test"]


def test_nan_passes_no_gate():
    assert not Gate().passes(float("nan"))
    assert Gate(min=1, max=2).passes(1.0)
    assert not Gate(min=1, max=2).passes(2.1)


def test_a_stage_reads_its_own_section_alone(tmp_path):
    path = write(tmp_path, "release: {title: Mine}\nreport: {gallery: none}")
    assert load_section("release", ReleaseParams, path).title == "Mine"
    assert load_section("generate", GenerateParams, path) == GenerateParams()
    with pytest.raises(UserError, match=r"report\.gallery: .*got 'none'"):
        load_section("report", ReportParams, path)
    with pytest.raises(UserError, match="release must map keys to values, got 3"):
        load_section("release", ReleaseParams, write(tmp_path, "release: 3"))
