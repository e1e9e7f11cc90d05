//! A temporary tree as a host, with stubs in its PATH.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use certfleet::model::Output;
use certfleet::model::scripts::Script;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256};
use tempfile::TempDir;

/// A host. Everything the scripts read lies below `root`.
pub(crate) struct Tree {
    dir: TempDir,
}

/// Certificate and private key, PEM.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) cert: String,
    pub(crate) key: String,
}

/// A CA that signs leaves.
pub(crate) struct Authority {
    pub(crate) pair: Pair,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let cert = params.self_signed(&key).unwrap().pem();
        let pair = Pair {
            cert,
            key: key.serialize_pem(),
        };
        let issuer = Issuer::new(params, key);
        Self { pair, issuer }
    }

    /// An intermediate one, signed by this.
    pub(crate) fn below(&self, name: &str) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let cert = params.signed_by(&key, &self.issuer).unwrap().pem();
        let pair = Pair {
            cert,
            key: key.serialize_pem(),
        };
        let issuer = Issuer::new(params, key);
        Self { pair, issuer }
    }

    pub(crate) fn leaf(&self, name: &str) -> Pair {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        self.sign(&params)
    }

    /// A certificate with a new key.
    pub(crate) fn sign(&self, params: &CertificateParams) -> Pair {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        Pair {
            cert: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

/// Every shell of this machine that a host may have as `/bin/sh`.
pub(crate) fn shells() -> Vec<Vec<&'static str>> {
    let known = [vec!["sh"], vec!["dash"], vec!["busybox", "sh"], vec!["bash", "--posix"]];
    let there = |shell: &Vec<&str>| {
        Command::new(shell[0])
            .args(&shell[1..])
            .args(["-c", ":"])
            .output()
            .is_ok()
    };
    let mut found: Vec<Vec<&'static str>> = known.into_iter().filter(there).collect();
    // `sh` is one of the others on most machines.
    let same =
        |a: &str, b: &str| fs::canonicalize(format!("/bin/{a}")).ok() == fs::canonicalize(format!("/bin/{b}")).ok();
    found.retain(|s| s[0] != "dash" || !same("sh", "dash"));
    assert!(!found.is_empty(), "no shell");
    found
}

/// Everything of this machine's PATH but what a cluster brings: a host of a test has only the stubs of those.
static PROGRAMS: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for entry in ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
        .into_iter()
        .flat_map(|d| fs::read_dir(d).into_iter().flatten().flatten())
    {
        let name = entry.file_name();
        if !OF_A_CLUSTER.iter().any(|c| name == *c) {
            // `/bin` is `/usr/bin` on most machines.
            let _ = std::os::unix::fs::symlink(entry.path(), folder.join(name));
        }
    }
    folder
});

const OF_A_CLUSTER: [&str; 12] = [
    "containerd",
    "crictl",
    "crio",
    "ctr",
    "docker",
    "dockerd",
    "etcd",
    "etcdctl",
    "kubeadm",
    "kubectl",
    "kubelet",
    "nerdctl",
];

impl Tree {
    pub(crate) fn new() -> Self {
        let tree = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(tree.dir.path().join("bin")).unwrap();
        fs::create_dir(tree.dir.path().join("root")).unwrap();
        tree
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let file = self.path(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    pub(crate) fn pair(&self, path: &str, pair: &Pair) {
        self.write(&format!("{path}.crt"), &pair.cert);
        self.write(&format!("{path}.key"), &pair.key);
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        let file = self.path(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, file).unwrap();
    }

    /// A program in the host's PATH; `$STATE` is a directory of its own.
    pub(crate) fn stub(&self, name: &str, body: &str) {
        let file = self.dir.path().join("bin").join(name);
        fs::write(
            &file,
            format!("#!/bin/sh\nSTATE='{}'\n{body}\n", self.dir.path().display()),
        )
        .unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A file beside the root, for stubs.
    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn run(&self, shell: &[&str], script: &Script, arguments: &[&str]) -> Output {
        let path = format!("{}:{}", self.dir.path().join("bin").display(), PROGRAMS.display());
        self.run_with_path(shell, script, arguments, &path)
    }

    pub(crate) fn run_with_path(&self, shell: &[&str], script: &Script, arguments: &[&str], path: &str) -> Output {
        let output = Command::new(shell[0])
            .args(&shell[1..])
            .args(["-c", script.text, &script.tag()])
            .args(arguments)
            .env_clear()
            .env("PATH", path)
            .env("LC_ALL", "C")
            .env("CERTFLEET_ROOT", self.root())
            .current_dir("/")
            .output()
            .unwrap();
        let code = output.status.code().and_then(|c| u32::try_from(c).ok()).unwrap_or(255);
        Output::new(code, output.stdout, output.stderr)
    }
}

/// Everything a command printed.
pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", output.stdout_text(), output.stderr_text())
}

/// No line of these private keys is in the text. A key file also holds the public half, which is in the certificate.
pub(crate) fn assert_no_key(text: &str, keys: &[&Pair]) {
    assert!(!text.contains("PRIVATE KEY"), "a key header was printed");
    for pair in keys {
        for line in pair.key.lines().filter(|l| l.len() > 20 && !l.starts_with('-')) {
            assert!(
                pair.cert.contains(&line[..20]) || !text.contains(&line[..20]),
                "a key was printed"
            );
        }
    }
}

/// Files below a directory, relative, sorted.
pub(crate) fn files(dir: &Path) -> Vec<String> {
    fn walk(dir: &Path, base: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                walk(&path, base, found);
            } else {
                found.push(path.strip_prefix(base).unwrap().display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    walk(dir, dir, &mut found);
    found.sort();
    found
}
