"""What well-known packages are installed by, where that is not what they are imported by.

Who follows a message that names the wrong one gets an error at best. Many of these import names belong on the package
index to somebody else's package: what it installs is then not what was meant.
"""

from __future__ import annotations

from typing import Final

_INSTALLED_BY: Final = {
    "Bio": "biopython",
    "Crypto": "pycryptodome",
    "OpenGL": "pyopengl",
    "OpenSSL": "pyopenssl",
    "PIL": "pillow",
    "absl": "absl-py",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cairo": "pycairo",
    "covalent": "covalent-sdk",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "dns": "dnspython",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "faiss": "faiss-cpu",
    "fitz": "pymupdf",
    "git": "gitpython",
    "imblearn": "imbalanced-learn",
    "jwt": "pyjwt",
    "magic": "python-magic",
    "mpl_toolkits": "matplotlib",
    "nacl": "pynacl",
    "osgeo": "gdal",
    "ot": "pot",
    "pkg_resources": "setuptools",
    "pptx": "python-pptx",
    "pywt": "pywavelets",
    "ruamel": "ruamel.yaml",
    "serial": "pyserial",
    "shapefile": "pyshp",
    "skbio": "scikit-bio",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "skopt": "scikit-optimize",
    "slugify": "python-slugify",
    "snappy": "python-snappy",
    "umap": "umap-learn",
    "usb": "pyusb",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}


def installed_by(package: str) -> str:
    """The distribution to name to an installer for a package that is imported by this name."""
    return _INSTALLED_BY.get(package, package)
