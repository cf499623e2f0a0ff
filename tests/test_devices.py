"""Where torch computes, and in which precision."""

import pytest
import torch

from busgen.compute.devices import autocast


@pytest.mark.parametrize(
    ("has", "wanted", "expected"),
    [(True, True, torch.bfloat16), (True, False, torch.float32), (False, True, torch.float32)],
)
def test_bfloat16_is_for_processors_that_have_it(monkeypatch, has, wanted, expected):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: has)
    layer, x = torch.nn.Linear(3, 2), torch.ones(1, 3)
    with torch.no_grad(), autocast(torch.device("cpu"), wanted):
        assert layer(x).dtype == expected
