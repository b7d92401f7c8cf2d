"""What the wheel brings besides the package: the m5 program. `scripts/test-python.sh` says M5_WHEEL=1 where it must."""

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import m5mem


def program():
    """The m5 that was installed with this package."""
    try:
        listed = importlib.metadata.files("m5mem") or []
    except importlib.metadata.PackageNotFoundError:
        listed = []
    places = [str(file.locate()) for file in listed if file.name == "m5"]
    beside = os.path.dirname(os.path.dirname(m5mem.__file__))
    places += [os.path.join(sys.prefix, "bin", "m5"), os.path.join(beside, "bin", "m5")]
    return next((place for place in places if os.access(place, os.X_OK)), None)


def test_the_wheel_carries_m5():
    found = program()
    if found is None and os.environ.get("M5_WHEEL") != "1":
        pytest.skip("not installed from a wheel")
    assert found, "the wheel has no m5 in it"
    out = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=30)
    assert out.returncode == 0 and out.stdout.split()[:2] == ["m5", m5mem.__version__]


def test_the_wheel_puts_nothing_else_beside_it():
    if os.environ.get("M5_WHEEL") != "1":
        pytest.skip("not installed from a wheel")
    # The record itself: `files` leaves out what `pip install --target` put elsewhere.
    record = importlib.metadata.distribution("m5mem").read_text("RECORD") or ""
    paths = [line.split(",")[0].split("/") for line in record.splitlines()]
    beside = {path[-1] for path in paths if "bin" in path}
    assert beside == {"m5"}


def test_no_linker_of_the_environment_comes_before_zig(monkeypatch):
    file = Path(__file__).parents[2] / "scripts" / "wheel_backend.py"
    if not file.exists():
        pytest.skip("needs the repository")
    spec = importlib.util.spec_from_file_location("wheel_backend", file)
    backend = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(backend)
    named = {
        "M5_TARGET": "aarch64-unknown-linux-gnu",
        "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER": "aarch64-linux-gnu-gcc",
        "CC_aarch64_unknown_linux_gnu": "aarch64-linux-gnu-gcc",
        "AR_aarch64-unknown-linux-gnu": "aarch64-linux-gnu-ar",
    }
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("M5_MANYLINUX", raising=False)
    assert named.items() <= backend.Plan().environment().items(), "without zig they are who links"
    monkeypatch.setenv("M5_MANYLINUX", "2_28")
    assert backend.Plan().environment().keys() & named.keys() == {"M5_TARGET"}
    assert "zigbuild" in backend.Plan().cargo()
