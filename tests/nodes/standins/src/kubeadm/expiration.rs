//! `kubeadm certs check-expiration`.

use std::path::Path;

use time::OffsetDateTime;

use super::{ETC, Known, ca_path};
use crate::{host, pki};

/// The two tables: certificates, then authorities.
pub fn check(table: &[Known], pki: &str) {
    println!(
        "{:<26} {:<24} {:<15} {:<23} {:<18}",
        "CERTIFICATE", "EXPIRES", "RESIDUAL TIME", "CERTIFICATE AUTHORITY", "EXTERNALLY MANAGED"
    );
    for k in table {
        println!("{}", certificate_row(*k, pki));
    }
    println!("");
    println!(
        "{:<23} {:<24} {:<15} {:<18}",
        "CERTIFICATE AUTHORITY", "EXPIRES", "RESIDUAL TIME", "EXTERNALLY MANAGED"
    );
    for ca in ["ca", "etcd-ca", "front-proxy-ca"] {
        println!("{}", authority_row(ca, pki));
    }
}

fn certificate_row(k: Known, pki: &str) -> String {
    let Some(until) = end_of(k, pki) else {
        return format!("!MISSING! {:<16}", k.name);
    };
    let external = externally_managed(k.ca, pki);
    let (end, left) = (date(until), residual(until));
    format!("{:<26} {end:<24} {left:<15} {:<23} {external:<18}", k.name, k.ca)
}

fn authority_row(ca: &str, pki: &str) -> String {
    let text = std::fs::read_to_string(format!("{pki}/{}.crt", ca_path(ca))).ok();
    let Some((_, until)) = text.and_then(|c| pki::validity(&pki::der(&c).ok()?).ok()) else {
        return format!("!MISSING! {ca:<13}");
    };
    let external = externally_managed(ca, pki);
    format!("{ca:<23} {:<24} {:<15} {external:<18}", date(until), residual(until))
}

/// `yes` where the authority's key is not on this host.
fn externally_managed(ca: &str, pki: &str) -> &'static str {
    if Path::new(&format!("{pki}/{}.key", ca_path(ca))).exists() {
        "no"
    } else {
        "yes"
    }
}

fn end_of(k: Known, pki: &str) -> Option<OffsetDateTime> {
    let pem = if k.path.is_empty() {
        pki::kubeconfig(&format!("{ETC}/{}", k.name)).ok()?.client.cert
    } else {
        std::fs::read_to_string(format!("{pki}/{}.crt", k.path)).ok()?
    };
    pki::validity(&pki::der(&pem).ok()?).ok().map(|(_, until)| until)
}

/// `Mar 04, 2021 04:20 UTC`
fn date(at: OffsetDateTime) -> String {
    let month = at.month().to_string();
    format!(
        "{} {:02}, {} {:02}:{:02} UTC",
        &month[..3],
        at.day(),
        at.year(),
        at.hour(),
        at.minute()
    )
}

fn residual(until: OffsetDateTime) -> String {
    match (until - host::now()).whole_seconds() {
        s if s < 0 => "<invalid>".to_owned(),
        s if s < 60 => format!("{s}s"),
        s if s < 3600 => format!("{}m", s / 60),
        s if s < 86400 => format!("{}h", s / 3600),
        s if s < 2 * 365 * 86400 => format!("{}d", s / 86400),
        s => format!("{}y", s / (365 * 86400)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_durations_are_written_as_kubeadm_writes_them() {
        let at = OffsetDateTime::from_unix_timestamp(1_614_831_600).unwrap();
        assert_eq!(date(at), "Mar 04, 2021 04:20 UTC");
        assert_eq!(residual(at), "<invalid>");
        assert_eq!(
            residual(host::now() + time::Duration::days(218) + time::Duration::minutes(1)),
            "218d"
        );
        assert_eq!(residual(host::now() + time::Duration::days(3650)), "9y");
    }

    #[test]
    fn what_is_not_there_is_called_missing() {
        let rows: Vec<String> = super::super::TABLE
            .iter()
            .map(|k| certificate_row(*k, "/nowhere"))
            .collect();
        assert_eq!(rows[1], "!MISSING! apiserver       ");
        assert_eq!(authority_row("etcd-ca", "/nowhere"), "!MISSING! etcd-ca      ");
    }
}
