"""The page "Your own network": its code prints what it shows, and other code finds the same."""

import contextlib
import io
import math
import re
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

PAGE = (Path(__file__).parents[1] / "book" / "your-own-network.md").read_text("utf-8")
NUMBER = re.compile(r"\d+(?:\.\d+)?")


@pytest.fixture(scope="module")
def page():
    """The names that the page's code leaves behind, and what it prints."""
    names, out = {}, io.StringIO()
    with contextlib.redirect_stdout(out):
        for code in re.findall(r"^```python\n(.*?)^```", PAGE, re.S | re.M):
            exec(code, names)
    return names | {"printed": out.getvalue()}


def test_the_output_on_the_page_is_the_output_of_its_code(page):
    (shown,) = re.findall(r"^```text\n(.*?)^```", PAGE, re.S | re.M)
    assert NUMBER.sub("#", shown) == NUMBER.sub("#", page["printed"])
    ours, theirs = (np.array(NUMBER.findall(text), float) for text in (shown, page["printed"]))
    # training in float32 differs a little from machine to machine
    np.testing.assert_allclose(ours, theirs, rtol=0.05, atol=0.06)


def test_the_questions_take_ten_lines():
    assert len(re.findall(r"^```python\n(.*?)^```", PAGE, re.S | re.M)[1].splitlines()) == 10


def test_the_bracket_holds_slopes_and_gradients_of_the_module(page):
    module, X = page["module"].double(), torch.tensor(page["X"])
    X = torch.cat([X, torch.randn(2000, X.shape[1], dtype=torch.float64)]).requires_grad_()
    values = module(X)[:, 0]
    steepest = torch.autograd.grad(values.sum(), X)[0].norm(dim=1).max().item()
    (W, _, a, _) = (p.detach().numpy() for p in module.parameters())
    product = np.linalg.norm(W, 2) * np.linalg.norm(a)
    module.float()
    assert steepest <= page["bracket"].lower * (1 + 1e-9) and page["bracket"].ratio < 1.1
    assert page["bracket"].upper <= product * (1 + 1e-9)


def test_attacks_reach_no_point_that_the_certified_slope_protects(page):
    net, X, y = page["net"], page["X"], page["y"]
    radius = y * net(X) / page["bracket"].upper
    radii = np.array([0, 0.12, 0.14, 0.16])
    assert (page["standing"] >= (radius > radii[:, None]).mean(axis=1)).all()
    assert page["standing"][0] == (np.sign(net(X)) == y).mean() == 1


def test_law_and_bits_are_their_formulas(page):
    n, d, k, y = 400, 40, 60, page["y"]
    mse = ((page["net"](page["X"]) - y) ** 2).mean()
    P = sum(p.numel() for p in page["module"].parameters())
    assert page["scale"] == pytest.approx((1 - mse) * math.sqrt(n * d / P))
    assert page["bits"] == 4 * (k * (d + 1) + k)
    values = page["coarse"](page["X"])
    fit = np.cov(y, values, bias=True)[0, 1] / np.std(y)
    nats = 2 * (page["bits"] * math.log(2) + math.log(100))
    assert page["certified"] == pytest.approx(fit * math.sqrt(n * (d - 1) / nats))
    assert page["certified"] < page["coarse"].lipschitz().upper
    codes = np.round(page["coarse"].a / np.abs(page["coarse"].a).min())
    assert len(np.unique(codes)) <= 16
