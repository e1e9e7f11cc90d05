//! What is offered in the key exchange.

use std::borrow::Cow;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, cipher, compression, kex, mac};

/// Host-key types in our order; known_hosts moves known ones to the front. SHA-1 signatures are for `legacy` only.
pub(super) fn host_keys(legacy: bool) -> Vec<Algorithm> {
    let curves = [EcdsaCurve::NistP256, EcdsaCurve::NistP384, EcdsaCurve::NistP521];
    let mut all = vec![Algorithm::Ed25519];
    all.extend(curves.map(|curve| Algorithm::Ecdsa { curve }));
    all.extend([HashAlg::Sha512, HashAlg::Sha256].map(|hash| Algorithm::Rsa { hash: Some(hash) }));
    if legacy {
        all.push(Algorithm::Rsa { hash: None });
    }
    all
}

/// No compression: it costs more than it saves on a LAN, and outputs are small.
pub(super) fn preferred(legacy: bool, keys: Vec<Algorithm>, certificates: Vec<Algorithm>) -> Preferred {
    Preferred {
        kex: Cow::Owned(key_exchanges(legacy)),
        key: Cow::Owned(keys),
        host_key_certificates: Cow::Owned(certificates),
        cipher: Cow::Owned(ciphers(legacy)),
        mac: Cow::Owned(macs(legacy)),
        compression: Cow::Borrowed(&[compression::NONE]),
    }
}

/// Finite-field groups last: group16 costs 65 ms of CPU per host, curve25519 half a millisecond. Real algorithms must
/// stand before the pseudo names.
fn key_exchanges(legacy: bool) -> Vec<kex::Name> {
    let mut list = vec![
        kex::MLKEM768X25519_SHA256,
        kex::CURVE25519,
        kex::CURVE25519_PRE_RFC_8731,
        kex::ECDH_SHA2_NISTP256,
        kex::ECDH_SHA2_NISTP384,
        kex::ECDH_SHA2_NISTP521,
        kex::DH_G14_SHA256,
        kex::DH_GEX_SHA256,
        kex::DH_G16_SHA512,
        kex::DH_G18_SHA512,
    ];
    if legacy {
        list.push(kex::DH_G14_SHA1);
        list.push(kex::DH_GEX_SHA1);
    }
    list.extend([
        kex::EXTENSION_SUPPORT_AS_CLIENT,
        kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
    ]);
    list
}

fn ciphers(legacy: bool) -> Vec<cipher::Name> {
    let mut list = Preferred::DEFAULT.cipher.into_owned();
    if legacy {
        list.extend([cipher::AES_256_CBC, cipher::AES_192_CBC, cipher::AES_128_CBC]);
    }
    list
}

fn macs(legacy: bool) -> Vec<mac::Name> {
    let mut list = Preferred::DEFAULT.mac.into_owned();
    if legacy {
        list.extend([mac::HMAC_SHA1_ETM, mac::HMAC_SHA1]);
    }
    list
}
