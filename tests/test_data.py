"""Oracles: moments known in closed form, the official checksums, a local web server that
misbehaves."""

import gzip
import hashlib
import http.server
import socket
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lawrob_utils import data

SAMPLERS = [data.sphere, data.gaussian, data.hamming_cube]
samplers = pytest.mark.parametrize("sampler", SAMPLERS)


# points -------------------------------------------------------------------------------------------


@samplers
def test_same_generator_gives_same_points_and_only_it_matters(sampler):
    a, b = sampler(7, 3, np.random.default_rng(1)), sampler(7, 3, np.random.default_rng(1))
    assert np.array_equal(a, b) and a.shape == (7, 3) and a.dtype == np.float64


@samplers
@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0, 3), "n = 0; an integer of at least 1"),
        ((2, 0), "d = 0; an integer of at least 1"),
        ((2.5, 3), "n = 2.5; an integer"),
        ((True, 3), "n = True"),
        (("2", 3), "n = '2'"),
    ],
)
def test_bad_sizes_are_named(sampler, arguments, message):
    with pytest.raises(ValueError, match=message):
        sampler(*arguments, np.random.default_rng(0))


@samplers
@pytest.mark.parametrize("rng", [0, None, np.random.RandomState(0)])
def test_randomness_must_be_explicit(sampler, rng):
    with pytest.raises(ValueError, match="a numpy.random.Generator is needed"):
        sampler(2, 3, rng)


@settings(deadline=None, max_examples=40)
@given(n=st.integers(1, 30), d=st.integers(1, 30), seed=st.integers(0, 10**9))
def test_sphere_points_have_norm_one(n, d, seed):
    assert np.allclose(np.linalg.norm(data.sphere(n, d, np.random.default_rng(seed)), axis=1), 1)


@pytest.mark.parametrize(
    "sampler, mean, covariance",
    [
        (data.sphere, 0.0, 1 / 6),
        (data.gaussian, 0.0, 1 / 6),
        (data.hamming_cube, 0.5, 1 / 4),
    ],
)
def test_mean_and_covariance_are_the_known_ones(sampler, mean, covariance):
    X = sampler(40_000, 6, np.random.default_rng(0))
    assert np.abs(X.mean(axis=0) - mean).max() <= 6 * np.sqrt(covariance / 40_000)
    assert np.abs(np.cov(X.T) - covariance * np.eye(6)).max() <= 0.05 * covariance


def test_mixture_components_have_their_centres_weights_and_spread():
    rng = np.random.default_rng(0)
    centres, weights = data.sphere(3, 5, rng), np.full(3, 1 / 3)
    sample = data.gaussian_mixture(30_000, centres, rng, spread=0.4)
    assert np.array_equal(sample.centres, centres)
    for part, (centre, weight) in enumerate(zip(centres, weights, strict=True)):
        X = sample.X[sample.component == part]
        assert abs(len(X) / 30_000 - weight) <= 4 * np.sqrt(weight / 30_000)
        assert np.abs(X.mean(axis=0) - centre).max() <= 5 * 0.4 / np.sqrt(5 * len(X))
        assert np.abs(np.cov(X.T) - 0.16 / 5 * np.eye(5)).max() <= 0.1 * 0.16 / 5


def test_sphere_in_a_subspace_lies_on_the_sphere_and_in_the_subspace():
    rng = np.random.default_rng(0)
    U = data.random_subspace(30, 4, rng)
    X = data.sphere_in_subspace(200, U, rng)
    assert np.allclose(np.linalg.norm(X, axis=1), 1) and np.allclose(X @ U @ U.T, X)
    assert np.linalg.matrix_rank(X) == 4


def test_square_of_a_coordinate_of_a_subspace_sphere_has_the_beta_law():
    U = data.random_subspace(20, 6, np.random.default_rng(1))
    x = data.sphere_in_subspace(5000, U, np.random.default_rng(2)) @ U[:, 0]
    assert stats.kstest(x**2, stats.beta(0.5, 5 / 2).cdf).pvalue > 0.001


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda rng: data.gaussian_mixture(0, np.eye(2), rng), "n = 0"),
        (lambda rng: data.gaussian_mixture(3, np.ones(2), rng), "centres has shape"),
        (lambda rng: data.gaussian_mixture(3, np.eye(2), rng, spread=-1.0), "spread = -1.0"),
        (lambda rng: data.gaussian_mixture(3, np.eye(2), 0), "rng = 0"),
        (lambda rng: data.random_subspace(3, 4, rng), "k = 4 exceeds d = 3"),
        (lambda rng: data.random_subspace(3, 0, rng), "k = 0"),
        (lambda rng: data.sphere_in_subspace(3, np.ones((3, 2)), rng), "not orthonormal"),
    ],
)
def test_bad_mixtures_and_subspaces_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.random.default_rng(0))


# labels -------------------------------------------------------------------------------------------


def test_signs_are_fair():
    signs = data.random_signs(10_000, np.random.default_rng(0))
    assert set(signs) == {-1.0, 1.0} and abs(signs.mean()) <= 0.05


# images -------------------------------------------------------------------------------------------


def test_digits_are_the_1797_of_scikit_learn_with_pixels_up_to_one():
    images = data.digits()
    assert images.X.shape == (1797, 64) and images.X.dtype == np.float64
    assert (images.X.min(), images.X.max()) == (0, 1)
    assert np.bincount(images.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


@pytest.fixture
def mnist_here():
    if not data.mnist_available():
        pytest.skip("MNIST is neither in LAWROB_DATA_DIR nor in the cache")


@pytest.mark.parametrize(
    "split, counts",
    [
        ("train", [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
        ("test", [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
    ],
)
def test_mnist_has_its_published_sizes(mnist_here, split, counts):
    images = data.mnist(split)
    assert (
        images.X.shape == (sum(counts), 784)
        and images.X.dtype == np.float32
        and images.shape == (28, 28)
    )
    assert (images.X.min(), images.X.max()) == (0, 1)
    assert np.bincount(images.labels).tolist() == counts


def test_mnist_has_its_known_mean_pixel(mnist_here):
    assert data.mnist("train").X.mean(dtype=float) == pytest.approx(0.1307, abs=1e-4)


def test_unknown_split_is_named():
    with pytest.raises(ValueError, match="split = 'valid' is unknown; allowed: 'train', 'test'"):
        data.mnist("valid")


def test_files_in_own_folder_are_checked_too(tmp_path, monkeypatch):
    monkeypatch.setenv("LAWROB_DATA_DIR", str(tmp_path))
    assert not data.mnist_available()
    with pytest.raises(
        FileNotFoundError, match="train-images-idx3-ubyte.gz is not in .* LAWROB_DATA_DIR points"
    ):
        data.mnist()
    for name in data.MNIST_SHA256:
        (tmp_path / name).write_bytes(gzip.compress(b"not mnist"))
    assert data.mnist_available()
    with pytest.raises(
        ValueError, match="has SHA-256 .* the official file has 440fcabf73cc.* Delete it"
    ):
        data.mnist()


# A stand-in for MNIST: four small files with checksums of their own, served by a web server on this
# machine.


@pytest.fixture
def server():
    """A web server whose answers are set by `server.answers[path] = (headers, body)`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            if self.path not in self.server.answers:
                self.send_error(404)
                return
            length, body = self.server.answers[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.answers, running.asked = {}, []
    running.url = f"http://127.0.0.1:{running.server_port}/"
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()


KINDS = ("images-idx3", "labels-idx1")


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
    return gzip.compress(header + array.astype(np.uint8).tobytes(), mtime=0)


@pytest.fixture
def small_mnist(monkeypatch):
    rng = np.random.default_rng(0)
    files = {}
    for prefix, n in (("train", 6), ("t10k", 3)):
        files[f"{prefix}-images-idx3-ubyte.gz"] = idx(rng.integers(0, 256, (n, 28, 28)))
        files[f"{prefix}-labels-idx1-ubyte.gz"] = idx(rng.integers(0, 10, n))
    monkeypatch.setattr(
        data,
        "MNIST_SHA256",
        {name: hashlib.sha256(body).hexdigest() for name, body in files.items()},
    )
    return files


def serve(server, files, folder=""):
    server.answers.update({f"/{folder}{name}": (len(body), body) for name, body in files.items()})


def test_download_then_read_then_no_second_download(server, small_mnist, tmp_path, monkeypatch):
    serve(server, small_mnist)
    monkeypatch.delenv("LAWROB_DATA_DIR", raising=False)
    monkeypatch.setattr(data, "_folder", lambda: tmp_path)
    assert not data.mnist_available() and server.asked == []
    data.fetch_mnist(tmp_path, [server.url])
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(small_mnist)
    asked = len(server.asked)
    assert data.mnist_available() and data.mnist("test").X.shape == (3, 784)
    data.fetch_mnist(tmp_path, [server.url])
    assert len(server.asked) == asked == 4


def test_by_default_the_folder_that_is_read_is_filled(server, small_mnist, tmp_path, monkeypatch):
    serve(server, small_mnist)
    monkeypatch.setenv("LAWROB_DATA_DIR", str(tmp_path))
    assert data.fetch_mnist(mirrors=[server.url]) == tmp_path and data.mnist_available()
    images = data.mnist("train")
    pixels, labels = (gzip.decompress(small_mnist[f"train-{kind}-ubyte.gz"]) for kind in KINDS)
    assert np.rint(255 * images.X).astype(np.uint8).tobytes() == pixels[16:]
    assert images.labels.tolist() == list(labels[8:])


def test_second_mirror_is_used_when_the_first_fails(server, small_mnist, tmp_path):
    serve(server, small_mnist, "good/")
    data.fetch_mnist(tmp_path, [server.url + "gone/", server.url + "good/"])
    assert len(list(tmp_path.iterdir())) == 4


def test_connection_cut_in_the_middle_leaves_no_file(server, small_mnist, tmp_path):
    serve(server, small_mnist)
    broken = "/t10k-images-idx3-ubyte.gz"
    length, body = server.answers[broken]
    server.answers[broken] = (length, body[: length // 2])
    with pytest.raises(
        ConnectionError, match="t10k-images-idx3-ubyte.gz could not be downloaded.*LAWROB_DATA_DIR"
    ):
        data.fetch_mnist(tmp_path, [server.url])
    assert {p.name for p in tmp_path.iterdir()} == {
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
    }
    serve(server, small_mnist)  # the network is back: only what is missing is fetched
    server.asked.clear()
    data.fetch_mnist(tmp_path, [server.url])
    assert sorted(server.asked) == ["/t10k-images-idx3-ubyte.gz", "/t10k-labels-idx1-ubyte.gz"]


def test_wrong_bytes_are_thrown_away(server, small_mnist, tmp_path):
    serve(server, {name: body[:-1] + b"?" for name, body in small_mnist.items()})
    with pytest.raises(
        ValueError, match="train-images-idx3-ubyte.gz was downloaded but its SHA-256 is not"
    ):
        data.fetch_mnist(tmp_path, [server.url])
    assert list(tmp_path.iterdir()) == []


def test_a_half_file_from_elsewhere_is_replaced(server, small_mnist, tmp_path):
    serve(server, small_mnist)
    name = "train-images-idx3-ubyte.gz"
    (tmp_path / name).write_bytes(small_mnist[name][:50])
    data.fetch_mnist(tmp_path, [server.url])
    assert (tmp_path / name).read_bytes() == small_mnist[name]


def test_without_network_the_message_says_what_to_do(tmp_path):
    with socket.socket() as free:  # a port that nobody listens on
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(
        ConnectionError, match="Connect to the network and try again. Put the four original files"
    ):
        data.fetch_mnist(tmp_path, [f"http://127.0.0.1:{port}/"])
    assert list(tmp_path.iterdir()) == []


def test_the_download_is_silent(server, small_mnist, tmp_path, capfd):
    serve(server, small_mnist)
    data.fetch_mnist(tmp_path, [server.url])
    assert capfd.readouterr() == ("", "")


def test_mirrors_are_https():
    assert all(url.startswith("https://") and url.endswith("/") for url in data.MNIST_MIRRORS)


def test_importing_the_light_modules_loads_no_torch():
    import subprocess
    import sys

    code = (
        "import sys, lawrob_utils, lawrob_utils.data, lawrob_utils.lipschitz, "
        "lawrob_utils.memorizers, "
        "lawrob_utils.law, lawrob_utils.plotting; assert 'torch' not in sys.modules and 'sklearn' "
        "not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)
