//! What the host says of itself: version, name, arguments, times.

use std::fs;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Directory of the fleet's own settings on a host.
pub const LAB: &str = "/etc/certfleet-lab";

/// Minor version and full text of the Kubernetes that this host plays, `v1.19.16`.
#[derive(Debug, Clone)]
pub struct Version {
    pub minor: u32,
    pub text: String,
}

pub fn version() -> Version {
    let text = fs::read_to_string(format!("{LAB}/version"))
        .unwrap_or_default()
        .trim()
        .to_owned();
    let text = if text.is_empty() { "v1.19.16".to_owned() } else { text };
    let minor = text.split('.').nth(1).and_then(|m| m.parse().ok()).unwrap_or(19);
    Version { minor, text }
}

pub fn hostname() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_lowercase()
}

/// The value of `--NAME=VALUE` or `--NAME VALUE`.
pub fn flag(args: &[String], name: &str) -> Option<String> {
    let long = format!("--{name}");
    let assigned = format!("{long}=");
    let mut words = args.iter();
    while let Some(word) = words.next() {
        if let Some(value) = word.strip_prefix(&assigned) {
            return Some(value.to_owned());
        }
        if *word == long {
            return words.next().cloned();
        }
    }
    None
}

pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// RFC 3339 in whole seconds, as Kubernetes and Go's x509 errors write it.
pub fn stamp(at: OffsetDateTime) -> String {
    let whole = at.replace_nanosecond(0).unwrap_or(at);
    whole.format(&Rfc3339).unwrap_or_default()
}

/// RFC 3339 with nanoseconds, as container runtimes write it.
pub fn nano_stamp(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

/// Random lower-case hexadecimal digits.
pub fn random_hex(digits: usize) -> String {
    use std::io::Read;
    let mut bytes = vec![0u8; digits.div_ceil(2)];
    if let Ok(mut f) = fs::File::open("/dev/urandom") {
        let _ = f.read_exact(&mut bytes);
    }
    let mut text: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    text.truncate(digits);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_found_in_both_spellings() {
        let args = ["--kubeconfig=/a".to_owned(), "--port".to_owned(), "6443".to_owned()];
        assert_eq!(flag(&args, "kubeconfig").as_deref(), Some("/a"));
        assert_eq!(flag(&args, "port").as_deref(), Some("6443"));
        assert_eq!(flag(&args, "kube"), None);
    }
}
