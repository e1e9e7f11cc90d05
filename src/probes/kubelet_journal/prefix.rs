//! What stands before the message: the timestamps of every `journalctl -o` form in every locale, host, identifier.

/// The parts of a prefix and the rest of the line.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefix<'a> {
    /// Microseconds since 1970, where the form carries year and zone.
    pub(super) realtime_us: Option<u64>,
    pub(super) dated: bool,
    pub(super) host: Option<&'a str>,
    pub(super) ident: Option<&'a str>,
    pub(super) pid: Option<u32>,
    pub(super) rest: &'a str,
}

/// Identifiers that are believed without a timestamp before them.
const KNOWN: &[&str] = &[
    "kubelet",
    "systemd",
    "etcd",
    "kube-apiserver",
    "kube-proxy",
    "dockerd",
    "containerd",
    "kubenswrapper",
    "hyperkube",
    "origin-node",
    "k3s",
];

/// Parses the prefix of `line`; what is not one stays in `rest`.
pub(super) fn parse(line: &str) -> Prefix<'_> {
    let line = strip_priority(line);
    if let Some((realtime_us, rest)) = timestamp(line) {
        return with_ident(realtime_us, strip_stream(rest));
    }
    undated(line)
}

/// `<30>` of rsyslog's wire format.
fn strip_priority(line: &str) -> &str {
    line.strip_prefix('<')
        .and_then(|rest| rest.split_once('>'))
        .filter(|(number, _)| !number.is_empty() && number.len() <= 3 && number.bytes().all(|b| b.is_ascii_digit()))
        .map_or(line, |(_, rest)| rest)
}

/// `stderr F ` of the CRI log format.
fn strip_stream(rest: &str) -> &str {
    ["stderr F ", "stdout F ", "stderr P ", "stdout P "]
        .iter()
        .find_map(|mark| rest.strip_prefix(mark))
        .unwrap_or(rest)
}

/// Splits off a timestamp: its value where it is absolute, and the rest without leading blanks.
fn timestamp(line: &str) -> Option<(Option<u64>, &str)> {
    monotonic(line)
        .or_else(|| unix(line))
        .or_else(|| iso(line))
        .or_else(|| words(line))
}

/// `[    4.000000]` and `[    4.000000 <    1.000000 >]`.
fn monotonic(line: &str) -> Option<(Option<u64>, &str)> {
    let (inside, rest) = line.strip_prefix('[')?.split_once(']')?;
    let number = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b' ' | b'<' | b'>');
    (inside.contains('.') && inside.bytes().all(number)).then(|| (None, rest.trim_start()))
}

/// `1582292798.596000`.
fn unix(line: &str) -> Option<(Option<u64>, &str)> {
    let (token, rest) = line.split_once(' ')?;
    let (seconds, micros) = token.split_once('.')?;
    if seconds.len() < 9 || micros.len() != 6 {
        return None;
    }
    let (seconds, micros): (u64, u64) = (seconds.parse().ok()?, micros.parse().ok()?);
    Some((seconds.checked_mul(1_000_000)?.checked_add(micros), rest.trim_start()))
}

/// `2020-02-21T14:46:38.596000+0100`, also with a colon in the zone, `Z`, or no zone.
fn iso(line: &str) -> Option<(Option<u64>, &str)> {
    let (token, rest) = line.split_once(' ')?;
    let b = token.as_bytes();
    if b.len() < 19 || b.get(10) != Some(&b'T') || !is_date(token.get(..10)?) || !is_time(token.get(11..19)?) {
        return None;
    }
    let micros = token
        .parse::<jiff::Timestamp>()
        .ok()
        .and_then(|at| u64::try_from(at.as_microsecond()).ok());
    Some((micros, rest.trim_start()))
}

/// `août 09 13:46:38`, ` 2月 21 14:46:38`, `Dec  3 10:01:21.5`, `Thu 2020-02-21 14:46:38 CET`, `21 févr. 14:46:38`.
fn words(line: &str) -> Option<(Option<u64>, &str)> {
    let mut cursor = Cursor(line);
    let (first, second) = (cursor.next()?, cursor.next()?);
    if is_clock(second) && is_date(first) {
        return plain_date(cursor.0);
    }
    let third = cursor.next()?;
    if !is_clock(third) {
        return None;
    }
    if is_date(second) {
        return Some((None, after_zone(cursor.0)));
    }
    let date = (is_day(second) && is_month(first)) || (is_day(first) && is_month(second));
    date.then(|| (None, after_year(cursor.0)))
}

/// `2020-02-21 14:46:38 host ident[1]: …` but not the own date of calico (`[INFO]`) and capnslog (`I |`).
fn plain_date(rest: &str) -> Option<(Option<u64>, &str)> {
    let rest = rest.trim_start();
    let own_form = rest.starts_with('[') || rest.get(1..4) == Some(" | ");
    let mut cursor = Cursor(rest);
    let (first, second) = (cursor.next()?, cursor.next()?);
    (!own_form && (ident(first).is_some() || ident(second).is_some())).then_some((None, rest))
}

/// Skips the zone of short-full.
fn after_zone(rest: &str) -> &str {
    let rest = rest.trim_start();
    let mut cursor = Cursor(rest);
    let zone = cursor.next().is_some_and(|token| {
        (2..=6).contains(&token.len())
            && token
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'+' | b'-' | b':'))
    });
    if zone { cursor.0.trim_start() } else { rest }
}

/// Skips a year after the time (`Jan 02 15:04:05 2021`).
fn after_year(rest: &str) -> &str {
    let rest = rest.trim_start();
    match rest.split_once(' ') {
        Some((year, tail)) if year.len() == 4 && year.starts_with("20") && year.bytes().all(|b| b.is_ascii_digit()) => {
            tail
        }
        _ => rest,
    }
}

fn is_date(token: &str) -> bool {
    let b = token.as_bytes();
    b.len() == 10
        && b.iter().enumerate().all(|(at, c)| {
            if at == 4 || at == 7 {
                *c == b'-'
            } else {
                c.is_ascii_digit()
            }
        })
}

fn is_time(token: &str) -> bool {
    let b = token.as_bytes();
    b.len() == 8
        && b.iter().enumerate().all(|(at, c)| {
            if at == 2 || at == 5 {
                *c == b':'
            } else {
                c.is_ascii_digit()
            }
        })
}

fn is_clock(token: &str) -> bool {
    let token = token.trim_end_matches(',');
    token.get(..8).is_some_and(is_time) && token.bytes().skip(8).all(|b| b.is_ascii_digit() || b == b'.')
}

fn is_day(token: &str) -> bool {
    let token = token.trim_end_matches(['.', ',', '日', '일']);
    (1..=2).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_digit())
}

/// A month name in any locale: letters, or a number with 月 or 월.
fn is_month(token: &str) -> bool {
    let name = token.trim_end_matches(['.', ',']);
    let letters = name.chars().all(|c| c.is_alphabetic() && !c.is_ascii_digit());
    let numbered = name
        .strip_suffix(['月', '월'])
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    !name.is_empty() && name.chars().count() <= 12 && (letters || numbered)
}

fn with_ident(realtime_us: Option<u64>, rest: &str) -> Prefix<'_> {
    let dated = Prefix {
        realtime_us,
        dated: true,
        rest,
        ..Prefix::default()
    };
    let mut cursor = Cursor(rest);
    let Some(first) = cursor.next() else { return dated };
    if let Some((name, pid)) = ident(first) {
        return Prefix {
            ident: Some(name),
            pid,
            rest: cursor.message(),
            ..dated
        };
    }
    let Some((name, pid)) = cursor.next().and_then(ident) else {
        return dated;
    };
    Prefix {
        host: Some(first),
        ident: Some(name),
        pid,
        rest: cursor.message(),
        ..dated
    }
}

/// `k8s-master1 kubelet: error: …` and `kubelet[1234]: …`: no date at all.
fn undated(line: &str) -> Prefix<'_> {
    let plain = Prefix {
        rest: line,
        ..Prefix::default()
    };
    let mut cursor = Cursor(line);
    let Some(first) = cursor.next() else { return plain };
    if let Some((name, pid)) = ident(first).filter(|(name, _)| is_known(name)) {
        return Prefix {
            ident: Some(name),
            pid,
            rest: cursor.message(),
            ..plain
        };
    }
    match cursor.next().and_then(ident).filter(|(name, _)| is_known(name)) {
        Some((name, pid)) => Prefix {
            host: Some(first),
            ident: Some(name),
            pid,
            rest: cursor.message(),
            ..plain
        },
        None => plain,
    }
}

fn is_known(name: &str) -> bool {
    KNOWN.contains(&name.trim_start_matches('(').trim_end_matches(')'))
}

/// `kubelet[16214]:`, `etcd:`, `(kubelet)[1]:`, `kubelet[...]:` where somebody has shortened it.
fn ident(token: &str) -> Option<(&str, Option<u32>)> {
    let name = token.strip_suffix(':')?;
    if let Some((name, pid)) = name.strip_suffix(']').and_then(|name| name.split_once('[')) {
        return Some((name, pid.parse().ok()));
    }
    let plain =
        !name.is_empty() && name.len() <= 64 && !name.contains(['"', '\'', ':', '=', '[']) && !name.contains(".go");
    plain.then_some((name, None))
}

/// Takes tokens off the front.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start();
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (token, rest) = text.split_at_checked(end)?;
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }

    /// The rest without the one blank after the colon.
    fn message(&self) -> &'a str {
        self.0.strip_prefix(' ').unwrap_or(self.0)
    }
}
