"""The node's own certificate: what a tablet needs to trust this node, and nothing else in the world.

The site's authority signs for names that exist on a local network only (its name constraints are critical): a stolen
node key cannot pass for a bank on the tablets that trust it. The certificate is made anew before it gets old and when
the machine's names change. The only importer of `cryptography`; its generator makes these keys.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ledger.clock import Clock
from ledger.errors import Corrupt, Unavailable
from ledger.seams import Storage

AUTHORITY_DAYS = 3_650
DAYS = 397  # what browsers accept of any certificate
SINCE = timedelta(days=1)  # a tablet's clock may be behind
LOCAL_NAMES = ("local", "localhost", "home.arpa", "lan", "internal", "test")
LOCAL_NETS = (
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8"),
    *("fc00::/7", "fe80::/10", "::1/128"),
)
FOLDER = "keys/tls"
PAIR = "node.pem"


@dataclass(frozen=True, slots=True)
class Authority:
    """What a tablet installs. `fingerprint`: SHA-256 in hex, to compare with what the node shows."""

    der: bytes

    @property
    def fingerprint(self) -> str:
        return x509.load_der_x509_certificate(self.der).fingerprint(hashes.SHA256()).hex()


class Certificates:
    """The authority and the certificate of one node, in `folder`. `names`: how tablets call it at this moment;
    `not_before_s`: no clock behind that is believed."""

    def __init__(
        self,
        folder: Path,
        site: str,
        names: Callable[[], Sequence[str]],
        clock: Clock,
        storage: Storage,
        not_before_s: Callable[[], int] = lambda: 0,
    ) -> None:
        self._folder, self._site, self._names, self._clock, self._storage = folder, site, names, clock, storage
        self._not_before_s = not_before_s
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """For a server: with the certificate on disk, or one made now if that is not good."""
        self.renew()
        if self._context is None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.minimum_version = ssl.TLSVersion.TLSv1_2
            self._context.load_cert_chain(self._folder / PAIR)
        return self._context

    def authority(self) -> Authority:
        """Raises Unavailable before the first certificate was made."""
        path = self._folder / "ca.pem"
        if not path.exists():
            raise Unavailable("this node has no certificate yet: set web.https_port and start it again")
        return Authority(self._read(path).public_bytes(serialization.Encoding.DER))

    def renew(self) -> bool:
        """Make the certificate anew if it is missing, two thirds old or for other names; servers use it at once.

        Raises Unavailable while the clock cannot be right: a certificate of 1970 would lock every tablet out.
        """
        now = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        wanted = names_of(self._names())
        known = self._folder / PAIR
        if known.exists() and self._good(known, wanted, now):
            return False
        if now.timestamp() < self._not_before_s():
            raise Unavailable("the clock is behind the last block: no certificate is made until it is right")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key, authority = self._issuer(now)
        own = ec.generate_private_key(ec.SECP256R1())
        made = (
            _builder(f"Tallyman {self._site}", authority.subject, own, now, DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(wanted), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()),  # type: ignore[arg-type]
                critical=False,
            )
            .sign(key, hashes.SHA256())
        )
        chain = made.public_bytes(serialization.Encoding.PEM) + authority.public_bytes(serialization.Encoding.PEM)
        # One file, so that a key never meets another one's certificate: if we die here the old pair is still whole.
        self._storage.replace_file(known, _secret(own) + chain)
        if self._context is not None:
            self._context.load_cert_chain(known)
        return True

    # ------------------------------------------------------------ inside

    def _issuer(self, now: datetime) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        path = self._folder / "ca.key"
        if path.exists() and (self._folder / "ca.pem").exists():
            key = serialization.load_pem_private_key(path.read_bytes(), None)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise Corrupt(f"{path} is not the key of this site's authority")
            return key, self._read(self._folder / "ca.pem")
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Tallyman site {self._site}")])
        made = (
            _builder(f"Tallyman site {self._site}", subject, key, now, AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.NameConstraints(_permitted(), None), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        # The certificate last: without it the next start makes both again, and nobody has installed it yet.
        self._storage.replace_file(path, _secret(key))
        self._storage.replace_file(self._folder / "ca.pem", made.public_bytes(serialization.Encoding.PEM), 0o644)
        return key, made

    def _good(self, path: Path, wanted: list[x509.GeneralName], now: datetime) -> bool:
        found = self._read(path)
        life = found.not_valid_after_utc - found.not_valid_before_utc
        named = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        begins = found.not_valid_before_utc
        return set(named) == set(wanted) and begins <= now < begins + life * 2 / 3

    @staticmethod
    def _read(path: Path) -> x509.Certificate:
        try:
            return x509.load_pem_x509_certificate(path.read_bytes())
        except (OSError, ValueError) as error:
            raise Corrupt(f"{path} is no certificate: {error}; remove it and start the node again") from error


def names_of(names: Sequence[str]) -> list[x509.GeneralName]:
    """Names and addresses of a certificate, each once; what the authority may not sign for is left out."""
    found: list[x509.GeneralName] = []
    for name in dict.fromkeys(("localhost", "127.0.0.1", "::1", *names)):
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            if any(name == local or name.endswith(f".{local}") for local in LOCAL_NAMES):
                found.append(x509.DNSName(name))
            continue
        if any(address.version == net.version and address in net for net in map(ipaddress.ip_network, LOCAL_NETS)):
            found.append(x509.IPAddress(address))
    return found


def machine_names(addresses: Sequence[str], also: Sequence[str] = ()) -> tuple[str, ...]:
    """How this machine is called on its network: its name, NAME.local, its addresses, and what the settings add."""
    own = socket.gethostname().split(".")[0].lower()
    return (f"{own}.local", f"{own}.lan", *addresses, *also)


def is_called(host: str, also: Sequence[str] = ()) -> bool:
    """Whether a request for `host`, without its port, is meant for this machine: addresses, names of a local network
    and of others only those in the settings are. A page of somebody else's name that was led here by its own name
    server is none of ours (DNS rebinding)."""
    name = host.strip("[]").rstrip(".").lower()
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." not in name or name in also or any(name.endswith(f".{local}") for local in LOCAL_NAMES)
    return True


def _permitted() -> list[x509.GeneralName]:
    nets = [x509.IPAddress(ipaddress.ip_network(net)) for net in LOCAL_NETS]
    return [*(x509.DNSName(name) for name in LOCAL_NAMES), *nets]


def _builder(
    subject: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SINCE)
        .not_valid_after(now - SINCE + timedelta(days=days))
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _secret(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
