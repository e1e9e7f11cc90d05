//! What may be called how: host names, jump hosts, systemd units. Each check says what is wrong and how to write it.

use std::net::IpAddr;

/// (what is wrong, what to do)
pub(super) type Complaint = (String, String);

/// Words that selectors give a meaning.
const RESERVED: [&str; 4] = ["all", "masters", "workers", "etcd"];

/// A name that a host of the inventory may have: a host name or an IP address, and not a word of selectors.
pub(super) fn check_host(name: &str) -> Result<(), Complaint> {
    if RESERVED.contains(&name) {
        return Err((
            format!("`{name}` cannot be the name of a host"),
            "the word means a group; give the host another name and its real one as `address:`".to_owned(),
        ));
    }
    check_address(name)
}

/// A name or IP address that can be connected to.
pub(super) fn check_address(name: &str) -> Result<(), Complaint> {
    if name.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    let complaint = |why: &str| {
        (
            format!("`{name}` is not a host name: {why}"),
            "a host name has letters, digits, `-`, `_` and single dots; a port goes under `ssh: { port: … }`"
                .to_owned(),
        )
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    match name {
        "" => Err(complaint("it is empty")),
        _ if name.len() > 253 => Err(complaint("it is longer than 253 characters")),
        _ if name.starts_with('-') => Err(complaint("it begins with `-`")),
        _ => match name.chars().find(|c| !allowed(*c)) {
            Some(c) => Err(complaint(&format!("it holds {}", shown(c)))),
            None if name.split('.').any(str::is_empty) => Err(complaint("a part between dots is empty")),
            None => Ok(()),
        },
    }
}

fn shown(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        c if c.is_control() => format!("the control character U+{:04X}", u32::from(c)),
        c => format!("`{c}`"),
    }
}

/// A login name: not empty, and nothing that an `ssh` command line would read differently.
pub(super) fn check_user(user: &str) -> Result<(), Complaint> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || "'\"`$;&|<>()@:/".contains(c);
    if !user.is_empty() && !user.starts_with('-') && !user.chars().any(odd) {
        return Ok(());
    }
    Err((
        format!("`{user}` is not a user name"),
        "write the login name alone, for example `user: ops`".to_owned(),
    ))
}

/// A jump host `[user@]host[:port]`; an IPv6 address with a port stands in brackets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Jump<'a> {
    pub(super) user: Option<&'a str>,
    pub(super) host: &'a str,
    pub(super) port: Option<&'a str>,
}

/// Takes a jump host apart and checks every part.
pub(super) fn parse_jump(text: &str) -> Result<Jump<'_>, Complaint> {
    let (user, rest) = match text.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, text),
    };
    let (host, port) = split_port(rest);
    let jump = Jump { user, host, port };
    check_jump(&jump).map_err(|(why, _)| {
        (
            format!("`{text}` is not a jump host: {why}"),
            "write `[user@]host[:port]`, several with commas, or `none`".to_owned(),
        )
    })?;
    Ok(jump)
}

fn split_port(text: &str) -> (&str, Option<&str>) {
    if text.parse::<IpAddr>().is_ok() {
        return (text, None);
    }
    if let Some((host, port)) = text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        return (host, port.strip_prefix(':'));
    }
    text.rsplit_once(':')
        .map_or((text, None), |(host, port)| (host, Some(port)))
}

fn check_jump(jump: &Jump<'_>) -> Result<(), Complaint> {
    check_address(jump.host)?;
    jump.user.map_or(Ok(()), check_user)?;
    match jump.port.map(str::parse::<u16>) {
        None | Some(Ok(1..)) => Ok(()),
        Some(_) => Err(("its port is not a number from 1 to 65535".to_owned(), String::new())),
    }
}

/// A systemd unit name, with or without suffix (systemd.unit(5)).
pub(super) fn check_unit(unit: &str) -> Result<(), Complaint> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":_.\\@-".contains(c);
    if !unit.is_empty() && !unit.starts_with('-') && unit.len() <= 255 && unit.chars().all(allowed) {
        return Ok(());
    }
    Err((
        format!("`{unit}` is not the name of a systemd unit"),
        "write for example `kubelet`, `runtime` (the container runtime found on the host) or `nginx.service`"
            .to_owned(),
    ))
}

/// A word for playbooks and phases: it becomes part of directory names and of reports.
pub(super) fn check_word(word: &str, what: &str) -> Result<(), Complaint> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let good = word.starts_with(|c: char| c.is_ascii_alphanumeric()) && word.len() <= 64 && word.chars().all(allowed);
    if good {
        return Ok(());
    }
    Err((
        format!("`{word}` cannot be the name of a {what}"),
        "use letters, digits, `-`, `_` and dots, at most 64, beginning with a letter or digit".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_are_none() {
        for bad in [
            "",
            "-oProxyCommand=x",
            "a b",
            "a;b",
            "a..b",
            ".a",
            "a.",
            "$(x)",
            "a/b",
            "all",
            "m1:22",
            "ünal",
        ] {
            assert!(check_host(bad).is_err(), "{bad}");
        }
        for good in ["m1", "m1.example.com", "10.0.0.1", "fe80::1", "node_1"] {
            assert_eq!(check_host(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn jump_hosts_come_apart() {
        let jump = parse_jump("ops@[fe80::1]:2222").expect("valid");
        assert_eq!(
            (jump.user, jump.host, jump.port),
            (Some("ops"), "fe80::1", Some("2222"))
        );
        assert_eq!(parse_jump("fe80::1").expect("valid").host, "fe80::1");
        for bad in ["ops@", "h:0", "h:x", "-h", "a b", "@h"] {
            assert!(parse_jump(bad).is_err(), "{bad}");
        }
    }
}
