"""Metadata only. Exact versions with hashes stand in requirements.lock; the ranges here say what is known to fit."""

from setuptools import setup

# An archived engine moves only when its dependencies move under it: these are the versions its golden blocks
# were made with (README, "The engine").
ENGINE = [
    "py-evm==0.12.1b1",
    "eth-abi==6.0.0",
    "eth-bloom==4.0.0",
    "eth-hash==0.8.0",
    "eth-keys==0.8.0",
    "eth-typing==6.0.0",
    "eth-utils==6.0.0",
    "rlp==5.0.0",
    "trie==4.0.0",
    "coincurve==21.0.0",
    "pycryptodome>=3.20,<4",
]

NODE = [
    "flask>=3.1.3,<3.2",
    "flask-babel>=4.0.0,<5",
    "babel>=2.17,<3",
    "cheroot>=11.1,<12",
    "sqlite-utils>=4.2,<5",
    "pynacl>=1.6.2,<2",
    "cbor2>=5.9,<6",
    "pyserial>=3.5,<4",
    "segno>=1.6.6,<2",
    "cryptography>=50,<51",
    "zeroconf>=0.154,<1",
    "requests>=2.34,<3",
    "apscheduler>=3.11,<4",
]

# No wheel exists for every platform; without it the standard library's SQLite is used, and the node says so.
ENCRYPTED_SQLITE = ["sqlcipher3>=0.6.4,<1; platform_machine == 'x86_64' or platform_machine == 'aarch64'"]

HUB = [
    "sqlalchemy>=2.1,<2.2",
    "psycopg[binary]>=3.3,<4",
    "web3>=8,<9",
    "eth-account>=0.14,<0.15",
    "eth-tester==0.14.0b1",
]

# Reads codes in photos. No wheel exists for every platform; without it tablets offer no photo of a code.
CAMERA = ["zxing-cpp>=3.1,<4"]

TEST = [
    *CAMERA,
    "pytest>=9,<10",
    "pytest-timeout>=2.4,<3",
    "pytest-xdist>=3.8,<4",
    "hypothesis>=6.170,<7",
    "schemathesis>=4.32,<5",
    "rfc8785>=0.1.4,<0.2",
    "playwright>=1.64,<2",
    "axe-playwright-python>=0.1.4",
    "ruff>=0.17,<0.18",
    "mypy>=2.4,<3",
    "types-requests",
    "pypdfium2>=5.15,<6",
]

CONTRACTS = ["vyper==0.4.3"]

setup(
    name="tallyman",
    version="0.1.0",
    description="The stock node of a warehouse: counts offline, signs what it acknowledges, proves it to anyone",
    python_requires=">=3.11",
    packages=[
        "contracts",
        "ledger",
        "sync",
        "devices",
        "devices.transports",
        "devices.protocols",
        "devices.decoders",
        "devices.output",
        "node",
        "node.agents",
        "hub",
        "web",
    ],
    py_modules=["tallyman", "tallyman_demo", "tallyman_stage"],
    package_data={
        "contracts": ["compiled/*.json", "*.vy"],
        "devices": ["udev/*.rules"],
        "web": ["templates/**/*", "static/**/*", "words/*.po"],
    },
    install_requires=ENGINE + NODE + ENCRYPTED_SQLITE + HUB,
    extras_require={"camera": CAMERA, "test": TEST, "contracts": CONTRACTS},
    entry_points={"console_scripts": ["tallyman=tallyman:main"]},
)
