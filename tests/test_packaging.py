"""The wheel, installed into an environment of its own, without network: everything is in it, and it runs anywhere."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import conceptlab

REPOSITORY = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


def run(*command: str | Path) -> str:
    """Run a command from the root folder, where nothing of the repository can be found by chance."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    outcome = subprocess.run(command, capture_output=True, text=True, cwd="/", env=environment)
    assert outcome.returncode == 0, f"{command}\n{outcome.stdout}\n{outcome.stderr}"
    return outcome.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, REPOSITORY)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def scripts(tmp_path_factory, wheel):
    """The folder of the scripts of an environment that has the wheel, and finds its dependencies in this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    variables = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", "venv", variables))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    scripts = Path(sysconfig.get_path("scripts", "venv", variables))
    pip = [sys.executable, "-m", "pip", "--python", scripts / "python", "--disable-pip-version-check"]
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel)
    where = run(scripts / "python", "-c", "import conceptlab; print(conceptlab.__file__)")
    assert Path(where.strip()).is_relative_to(packages)
    return scripts


def test_everything_that_is_no_python_is_in_the_wheel(wheel):
    files = set(zipfile.ZipFile(wheel).namelist())
    package = {path.relative_to(REPOSITORY) for path in (REPOSITORY / "conceptlab").rglob("*") if path.is_file()}
    expected = {path.as_posix() for path in package if path.suffix != ".pyc"}
    expected |= {f"conceptlab/{p.relative_to(REPOSITORY).as_posix()}" for p in (REPOSITORY / "conf").rglob("*.yaml")}
    assert {"conceptlab/py.typed", "conceptlab/nn/__init__.pyi", "conceptlab/compare/report.html.j2"} <= expected
    assert expected - files == set()
    # nothing else, beside what a wheel says of itself
    assert {file for file in files - expected if ".dist-info/" not in file} == set()


def test_version_and_list(scripts):
    assert run(scripts / "conceptlab", "--version") == f"conceptlab {conceptlab.__version__}\n"
    assert "\nconvolution: " in run(scripts / "conceptlab", "list")


def test_train_and_report(scripts, tmp_path):
    settings = ["experiment=digits_softmax", "trainer.max_epochs=1", f"paths.output_dir={tmp_path / 'outputs'}"]
    run(scripts / "conceptlab", "train", *settings, "parts=handmade")
    (status,) = (tmp_path / "outputs").rglob("status.json")
    assert '"finished"' in status.read_text()
    run(scripts / "conceptlab", "compare", "--runs", tmp_path / "outputs")
    assert len(list(tmp_path.rglob("report.html"))) == 1
