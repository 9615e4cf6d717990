"""Describes the measuring machine, and whether it was idle."""

import datetime
import importlib.metadata
import os
import platform
import re

INSTRUCTION_SETS = (
    "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16",
    "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8",
)  # fmt: skip
PACKAGES = ("onnxruntime", "openvino", "ncnn", "torch", "keras", "tensorflow-cpu", "numpy")
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def _read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def _field(text, name):
    match = re.search(rf"^{re.escape(name)}\s*:\s*(.*)$", text, re.MULTILINE)
    return match[1].strip() if match else ""


def cpu_flags():
    return set(_field(_read("/proc/cpuinfo"), "flags").split())


def cores(count):
    """Logical processors that this process may use, on cores of their own if there are enough."""
    first_of_core, others, seen = [], [], set()
    for processor in sorted(os.sched_getaffinity(0)):
        path = f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list"
        siblings = _read(path).strip() or str(processor)
        (others if siblings in seen else first_of_core).append(processor)
        seen.add(siblings)
    return (first_of_core + others)[:count]


def _caches():
    """Level and size of the first processor's data caches, as the kernel shows them."""
    folder = "/sys/devices/system/cpu/cpu0/cache"
    found = []
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if name.startswith("index") and _read(f"{folder}/{name}/type").strip() != "Instruction":
            level, size = _read(f"{folder}/{name}/level"), _read(f"{folder}/{name}/size")
            found.append(f"L{level.strip()} {size.strip()}")
    return found


def _versions():
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    return versions


def describe():
    """The machine, the day and the peers' versions, as the report tells them."""
    information = _read("/proc/cpuinfo")
    family = [_field(information, name) for name in ("cpu family", "model", "stepping")]
    flags = cpu_flags()
    memory = int(_field(_read("/proc/meminfo"), "MemTotal").split()[0]) / (1 << 20)
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "processor": _field(information, "model name"),
        "family_model_stepping": "/".join(family),
        "processors": len(os.sched_getaffinity(0)),
        "virtual": "hypervisor" in flags,
        "caches": _caches(),
        "instruction_sets": [name for name in INSTRUCTION_SETS if name in flags],
        "memory_gib": round(memory),
        "system": "Linux " + ".".join(platform.release().split(".")[:2]),
        "versions": {"Python": platform.python_version(), **_versions()},
    }


def busy_seconds():
    """Processor time that the whole machine has spent so far."""
    user, nice, system, _, _, interrupt, soft, *_ = map(
        int, _read("/proc/stat").splitlines()[0].split()[1:]
    )
    return (user + nice + system + interrupt + soft) / CLOCK_TICKS


def process_seconds(process):
    """Processor time that a process has spent so far."""
    fields = _read(f"/proc/{process}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS if fields else 0.0
