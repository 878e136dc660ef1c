"""Which distribution an import name comes from, and which version of it the user has.

The answer of the user's own environment (a virtual environment in the folder or an active one) comes first, then a table
of the names that differ, then the import name itself. Source: PyPA "Recording installed projects" (RECORD, METADATA).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

DIFFERENT = {
    "Bio": "biopython", "Crypto": "pycryptodome", "IPython": "ipython", "MySQLdb": "mysqlclient", "OpenSSL": "pyopenssl",
    "PIL": "pillow", "PyPDF2": "pypdf2", "attr": "attrs", "azure.identity": "azure-identity",
    "azure.storage.blob": "azure-storage-blob", "bs4": "beautifulsoup4", "cairosvg": "cairosvg", "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil", "discord": "discord.py", "docx": "python-docx", "dotenv": "python-dotenv",
    "faiss": "faiss-cpu", "fitz": "pymupdf", "git": "gitpython", "google.cloud.bigquery": "google-cloud-bigquery",
    "google.cloud.storage": "google-cloud-storage", "google.generativeai": "google-generativeai", "google.genai": "google-genai",
    "google.protobuf": "protobuf", "grpc": "grpcio", "hydra": "hydra-core", "igraph": "igraph", "imblearn": "imbalanced-learn",
    "jose": "python-jose", "jwt": "pyjwt", "kafka": "kafka-python", "keras_tuner": "keras-tuner",
    "konlpy": "konlpy", "langchain_community": "langchain-community", "langchain_core": "langchain-core",
    "langchain_openai": "langchain-openai", "Levenshtein": "levenshtein", "lightning_fabric": "lightning",
    "llama_cpp": "llama-cpp-python", "llama_index": "llama-index", "magic": "python-magic", "markdown": "markdown",
    "mpl_toolkits": "matplotlib", "multipart": "python-multipart", "nacl": "pynacl", "OpenGL": "pyopengl",
    "opencv": "opencv-python-headless", "pkg_resources": "setuptools", "pptx": "python-pptx", "psycopg2": "psycopg2-binary",
    "pydantic_settings": "pydantic-settings", "pymongo": "pymongo", "pythoncom": "pywin32", "pytorch_lightning": "pytorch-lightning",
    "qdrant_client": "qdrant-client", "rest_framework": "djangorestframework", "ruamel": "ruamel.yaml", "sentence_transformers": "sentence-transformers",
    "serial": "pyserial", "skimage": "scikit-image", "sklearn": "scikit-learn", "slugify": "python-slugify", "snowflake": "snowflake-connector-python",
    "socks": "pysocks", "sqlalchemy": "sqlalchemy", "surprise": "scikit-surprise", "tabpfn": "tabpfn", "telegram": "python-telegram-bot",
    "tensorflow_datasets": "tensorflow-datasets", "tensorflow_hub": "tensorflow-hub", "umap": "umap-learn", "usb": "pyusb",
    "websocket": "websocket-client", "yaml": "PyYAML", "zmq": "pyzmq",
}  # fmt: skip
"""Import name → distribution, where they are not the same but for `_` and `-`."""
FORMER_STDLIB = frozenset(
    [
        "aifc",
        "asynchat",
        "asyncore",
        "audioop",
        "cgi",
        "cgitb",
        "chunk",
        "crypt",
        "distutils",
        "imghdr",
        "imp",
        "mailcap",
        "msilib",
        "nis",
        "nntplib",
        "ossaudiodev",
        "pipes",
        "smtpd",
        "sndhdr",
        "spwd",
        "sunau",
        "telnetlib",
        "uu",
        "xdrlib",
        "lib2to3",
    ]
)
SYSTEM_LIBRARIES = {
    "opencv-python": ("libgl1", "libglib2.0-0"),
    "opencv-contrib-python": ("libgl1", "libglib2.0-0"),
    "lightgbm": ("libgomp1",),
    "konlpy": ("default-jre-headless",),
    "soundfile": ("libsndfile1",),
    "librosa": ("libsndfile1",),
    "pyaudio": ("libportaudio2",),
    "pdf2image": ("poppler-utils",),
    "pytesseract": ("tesseract-ocr",),
    "graphviz": ("graphviz",),
    "cairosvg": ("libcairo2",),
    "weasyprint": ("libpango-1.0-0", "libpangoft2-1.0-0"),
}
"""Distribution → Debian packages whose libraries or programs its wheels need and do not bring."""
WITH_CUDA = frozenset(
    ["torch", "tensorflow", "jax", "vllm", "bitsandbytes", "flash-attn", "cupy-cuda12x", "deepspeed", "onnxruntime-gpu"]
)
_METADATA_NAME = re.compile(r"^(Name|Version):\s*(\S+)", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Installed:
    """What an environment holds: import name → (distribution, version)."""

    folder: str = ""
    modules: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    """Distribution (normalised) → version."""


def normalised(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def is_stdlib(name: str) -> bool:
    top = name.partition(".")[0]
    return top in sys.stdlib_module_names or top in FORMER_STDLIB or top in ("__future__", "__main__")


def distribution_of(module: str, installed: Installed) -> tuple[str, str]:
    """The distribution that *module* comes from and its version here ("" when it is not installed)."""
    top = module.partition(".")[0]
    if module == top and top in installed.modules:
        return installed.modules[top]
    name = DIFFERENT.get(module) or DIFFERENT.get(top) or module.replace(".", "-").replace("_", "-")
    return name, installed.versions.get(normalised(name), "")


def requirement(name: str, version: str) -> str:
    """One line of a requirements file. A local version (`+cu121`) is a matter of the index, so it is left out."""
    return f"{name}=={version.partition('+')[0]}" if version else name


def find_environment(folder: str, environ: Mapping[str, str]) -> str:
    """The site-packages of the environment that belongs to *folder*, of the active one otherwise, or ""."""
    candidates = [f"{folder}/{name}" for name in (".venv", "venv", "env")]
    candidates += [environ.get(name, "") for name in ("VIRTUAL_ENV", "CONDA_PREFIX")]
    for prefix in candidates:
        lib = f"{prefix}/lib"
        if not prefix or not os.path.isdir(lib):
            continue
        for name in sorted(os.listdir(lib), reverse=True):
            site = f"{lib}/{name}/site-packages"
            if name.startswith("python3") and os.path.isdir(site):
                return site
    return ""


def read_environment(site: str) -> Installed:
    """What is installed in *site*; a distribution that cannot be read is not there."""
    modules: dict[str, tuple[str, str]] = {}
    versions: dict[str, str] = {}
    for entry in sorted(os.listdir(site)) if site else ():
        if not entry.endswith(".dist-info"):
            continue
        facts = {
            key.lower(): value
            for key, value in _METADATA_NAME.findall(_read(f"{site}/{entry}/METADATA").partition("\n\n")[0])
        }
        name, version = facts.get("name", ""), facts.get("version", "")
        if not name or not version or os.path.exists(f"{site}/{entry}/direct_url.json"):
            continue
        versions[normalised(name)] = version
        for module in _modules(f"{site}/{entry}"):
            modules.setdefault(module, (name, version))
    return Installed(site, modules, versions)


def _modules(info: str) -> Iterable[str]:
    top = _read(f"{info}/top_level.txt").split()
    if top:
        return top
    found: dict[str, None] = {}
    for line in _read(f"{info}/RECORD").splitlines():
        path = line.partition(",")[0].strip('"')
        first, slash, _ = path.partition("/")
        if first.startswith((".", "..")) or first.endswith((".dist-info", ".data", ".pth")):
            continue
        if slash:
            found[first] = None
        elif first.endswith((".py", ".so")):
            found[first.partition(".")[0]] = None
    return found


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
