//! Who runs this: `user@host` for the ledger, also where no USER is set (cron, CI, containers).

use std::fs;

use crate::engine::run::Operator;

/// The person, or the machine's account, and the machine.
pub(crate) fn operator() -> Operator {
    Operator {
        who: format!("{}@{}", user(), host()),
    }
}

/// `alice`, or `alice (as root)` below sudo.
fn user() -> String {
    let named = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let account = account().or_else(|| named("USER")).or_else(|| named("LOGNAME"));
    // A container may run under a number that has no name.
    let account = account.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    match named("SUDO_USER") {
        Some(person) if person != account => format!("{person} (as {account})"),
        _ => account,
    }
}

/// The name of the user id in /etc/passwd.
fn account() -> Option<String> {
    let uid = rustix::process::getuid().as_raw();
    // Directory services (LDAP, macOS) keep people elsewhere: then USER says it better than a number.
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_of(uid, &passwd)
}

fn name_of(uid: u32, passwd: &str) -> Option<String> {
    let uid = uid.to_string();
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_number() {
        let passwd = "root:x:0:0::/root:/bin/sh\n\nbroken\nops:x:1000:1000::/home/ops:/bin/sh\n";
        assert_eq!(name_of(1000, passwd).as_deref(), Some("ops"));
        assert_eq!(name_of(100, passwd), None);
    }
}
