//! The klog and glog header: `E0809 13:46:38.476674   16214 reflector.go:125] text`, whole or damaged.

/// A message split at its klog header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Klog<'a> {
    /// `I`, `W`, `E` or `F`; absent when the header was cut.
    pub(super) severity: Option<u8>,
    /// The process (klog calls it thread id); 1 is a container.
    pub(super) pid: Option<u32>,
    /// Source file without folder.
    pub(super) file: &'a str,
    /// Source file as printed (`--add-dir-header` prints the folder).
    pub(super) path: &'a str,
    /// What follows `] `.
    pub(super) body: &'a str,
}

/// How far into a message the source column may reach.
const HEADER: usize = 200;

/// Splits `message` at its header; `None` when there is none.
pub(super) fn parse(message: &str) -> Option<Klog<'_>> {
    let header = message.get(..HEADER).unwrap_or_else(|| start_of(message));
    sources(header).find_map(|(at, end)| at_source(message, at, end))
}

/// Source columns (`kubelet.go:123]`) in `text`: where the `.go` begins, and where the bracket stands.
///
/// Brackets are looked for, since they are rare and one byte is found fast.
pub(super) fn sources(text: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
    text.match_indices(']').filter_map(|(end, _)| {
        let before = text.get(..end)?;
        let number = before.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = before.len() - number.len();
        let file = number.strip_suffix(".go:")?;
        (1..=6).contains(&digits).then_some((file.len(), end))
    })
}

/// The first [`HEADER`] bytes, or a little less where that would part a character.
fn start_of(message: &str) -> &str {
    (0..4).find_map(|less| message.get(..HEADER - less)).unwrap_or(message)
}

fn at_source(message: &str, at: usize, end: usize) -> Option<Klog<'_>> {
    let body = message.get(end + 1..)?;
    let start = message
        .get(..at)?
        .rfind(|c: char| !is_path(c))
        .map_or(0, |last| last + 1);
    let path = message.get(start..at + 3)?;
    let file = path.rsplit('/').next().unwrap_or(path);
    let (severity, pid) = columns(message.get(..start)?)?;
    Some(Klog {
        severity,
        pid,
        file,
        path,
        body: body.trim_start(),
    })
}

fn is_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-' | '@' | '+')
}

/// The columns before the source: severity with date, time, pid; any may be missing, nothing else may be there.
fn columns(text: &str) -> Option<(Option<u8>, Option<u32>)> {
    let (mut severity, mut pid) = (None, None);
    for token in text.trim_end_matches('[').split_whitespace() {
        if let Some(letter) = severity_of(token) {
            severity = Some(letter);
        } else if token.bytes().all(|b| b.is_ascii_digit()) {
            pid = token.parse().ok();
        } else if !is_clock(token) {
            return None;
        }
    }
    Some((severity, pid))
}

fn severity_of(token: &str) -> Option<u8> {
    let (letter, rest) = token.as_bytes().split_first()?;
    let date = rest.is_empty() || (rest.len() == 4 && rest.iter().all(u8::is_ascii_digit));
    (matches!(letter, b'I' | b'W' | b'E' | b'F') && date).then_some(*letter)
}

fn is_clock(token: &str) -> bool {
    let token = token.trim_matches('.');
    token.contains(':') && token.bytes().all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.'))
}

/// Whether `text` begins like a whole klog header (`E0809 13:46:38`).
pub(super) fn begins(text: &str) -> bool {
    let mut tokens = text.split_whitespace();
    tokens.next().is_some_and(|t| t.len() == 5 && severity_of(t).is_some()) && tokens.next().is_some_and(is_clock)
}

/// Whether `text` is cut inside its header or right behind it: `E0809 13:46:38.476674`, `E0809 13:46:38.476674 16214 x.go:125]`.
pub(super) fn ends_in_header(text: &str) -> bool {
    if text.len() > HEADER || !begins(text) {
        return false;
    }
    match parse(text) {
        Some(klog) => klog.body.is_empty(),
        None => text.split_whitespace().count() <= 3 && !text.contains(".go"),
    }
}
