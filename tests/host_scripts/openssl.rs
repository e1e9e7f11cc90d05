//! The openssl of this machine, for what hosts and strangers make with theirs.

use std::process::Command;

/// Runs it; the output.
pub(crate) fn openssl(arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "openssl {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Base64 of the DER of a request with a key that nobody keeps.
pub(crate) fn foreign_request(subject: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    let key = key.to_str().unwrap();
    let text = openssl(&[
        "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-subj", subject,
    ]);
    text.lines().filter(|l| !l.starts_with('-')).collect()
}
