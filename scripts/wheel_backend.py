"""Builds the wheel m5mem with the m5 program in it: what pip calls (PEP 517), and what scripts/wheel.sh calls.

    python scripts/wheel_backend.py [OUT]

The wheel is for CPython 3.9 and later. It cannot be built without m5: a wheel that lacks it is no wheel of m5mem.
Environment: M5_WHEEL_PROFILE (release; dev builds faster and slower), M5_MANYLINUX=2_28 (links against that glibc or older
ones with zig, so that the wheel runs on all newer systems: needs cargo-zigbuild and ziglang), M5_TARGET (a Rust target,
as aarch64-unknown-linux-gnu; with M5_MANYLINUX), M5_FREE_THREADED=3.14 (for the build of that version without a GIL, which
needs not be there: such builds have no stable ABI before 3.15, and take a wheel of their own), M5_PROGRAM=FILE (an m5
that is built already goes into the wheel).
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAGE = ROOT / "python" / "m5mem.data" / "scripts"

# A build without a GIL as PyO3 is told of it; an extension module is linked with nothing of it.
FREE_THREADED = """implementation=CPython
version={version}
shared=true
pointer_width=64
build_flags=Py_GIL_DISABLED
suppress_build_script_link_lines=true
"""


def commit() -> str:
    """What `m5 --version` says it was built from; nothing where that is not known."""
    try:
        asked = ["git", "rev-parse", "--short", "HEAD"]
        told = subprocess.run(asked, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except FileNotFoundError:
        return ""
    return told.stdout.strip()


class Plan:
    """What is built, and how."""

    def __init__(self) -> None:
        self.profile = os.environ.get("M5_WHEEL_PROFILE", "release")
        self.manylinux = os.environ.get("M5_MANYLINUX")
        self.target = os.environ.get("M5_TARGET")
        self.free_threaded = os.environ.get("M5_FREE_THREADED")
        self.program = os.environ.get("M5_PROGRAM")
        if self.manylinux and not self.target:
            self.target = f"{platform.machine()}-unknown-linux-gnu"

    def cargo(self) -> list[str]:
        """The command that builds m5."""
        command = ["cargo", "build", "--profile", self.profile, "--bin", "m5"]
        if self.manylinux:
            command[1] = "zigbuild"
            return [*command, "--target", f"{self.target}.{self.manylinux.replace('_', '.')}"]
        return [*command, "--target", self.target] if self.target else command

    def built(self) -> Path:
        """Where cargo puts it."""
        root = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
        folder = "debug" if self.profile == "dev" else self.profile
        return (root / self.target if self.target else root) / folder / "m5"

    def surroundings(self) -> dict[str, str]:
        """The environment for every compiler."""
        env = dict(os.environ)
        if self.manylinux:
            # zig takes the place of no linker and no compiler that is named already: what came out would need the
            # glibc of whoever named it (scripts/arm64.sh names gcc).
            underscored = str(self.target).replace("-", "_")
            for name in [f"{tool}_{t}" for tool in ("CC", "CXX", "AR") for t in (self.target, underscored)]:
                env.pop(name, None)
            env.pop(f"CARGO_TARGET_{underscored.upper()}_LINKER", None)
        if self.profile == "release":
            env.setdefault("M5_COMMIT", commit())
        return env

    def environment(self) -> dict[str, str]:
        """The environment for maturin: what the module is built for, where no interpreter is there to be asked."""
        env = self.surroundings()
        if not self.free_threaded:
            return env
        # A folder of its own: the module for a GIL stays built.
        target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "free-threaded"
        target.mkdir(parents=True, exist_ok=True)
        config = target / f"pyo3-{self.free_threaded}.txt"
        config.write_text(FREE_THREADED.format(version=self.free_threaded))
        return {**env, "CARGO_TARGET_DIR": str(target), "PYO3_CONFIG_FILE": str(config)}

    def maturin(self) -> list[str]:
        """Arguments for maturin."""
        arguments = ["--profile", self.profile]
        if self.manylinux:
            arguments += [
                "--target",
                str(self.target),
                "--zig",
                "--compatibility",
                f"manylinux_{self.manylinux}",
            ]
        elif self.target:
            arguments += ["--target", self.target]
        return arguments


def stage(plan: Plan) -> None:
    """Builds m5 and puts it where maturin takes a wheel's programs from."""
    if not plan.program:
        compiled(plan)
    elif not os.access(plan.program, os.X_OK):
        raise SystemExit(f"M5_PROGRAM={plan.program} is no program; without it m5 is built")
    STAGE.mkdir(parents=True, exist_ok=True)
    fresh = STAGE / "m5.new"
    shutil.copy2(plan.program or plan.built(), fresh)
    fresh.chmod(0o755)
    fresh.replace(STAGE / "m5")
    # A module left by a development build must not ride along.
    for left in (ROOT / "python" / "m5mem").glob("_native*.so"):
        left.unlink()


def compiled(plan: Plan) -> None:
    """Builds m5."""
    try:
        subprocess.run(plan.cargo(), cwd=ROOT, check=True, env=plan.surroundings())
    except FileNotFoundError as error:
        raise SystemExit(
            "cargo is missing: install Rust from https://rustup.rs, or a wheel of m5mem"
        ) from error
    except subprocess.CalledProcessError as error:
        raise SystemExit(
            "m5 did not build, and a wheel without it is not made; the message is above"
        ) from error


def unstage() -> None:
    """A build for development is not to find it; its folder has to be there all the same."""
    shutil.rmtree(STAGE.parent, ignore_errors=True)
    STAGE.mkdir(parents=True)


def build(out: Path) -> None:
    """A wheel into ``out``."""
    plan = Plan()
    stage(plan)
    maturin = ["maturin"] if shutil.which("maturin") else [sys.executable, "-m", "maturin"]
    try:
        command = [*maturin, "build", "--out", str(out), *plan.maturin()]
        subprocess.run(command, cwd=ROOT, check=True, env=plan.environment())
    finally:
        unstage()
    for wheel in out.glob("m5mem-*.whl"):
        print(f"{wheel.stat().st_size:>10} {wheel}")


# The hooks of PEP 517. Their environment has maturin in it.


def get_requires_for_build_wheel(config_settings=None):
    import maturin

    return maturin.get_requires_for_build_wheel(config_settings)


def get_requires_for_build_editable(config_settings=None):
    import maturin

    return maturin.get_requires_for_build_editable(config_settings)


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    import maturin

    return maturin.prepare_metadata_for_build_wheel(metadata_directory, config_settings)


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    import maturin

    plan = Plan()
    stage(plan)
    settings = {"build-args": " ".join(plan.maturin()), **(config_settings or {})}
    fresh = plan.environment()
    os.environ.clear()  # maturin takes it from here
    os.environ.update(fresh)
    try:
        return maturin.build_wheel(wheel_directory, settings, metadata_directory)
    finally:
        unstage()


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    import maturin

    unstage()
    return maturin.build_editable(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory, config_settings=None):
    raise SystemExit(
        "m5mem is built from its repository, which has m5 in it; there is no source distribution"
    )


if __name__ == "__main__":
    build(Path(sys.argv[1] if len(sys.argv) > 1 else "dist"))
