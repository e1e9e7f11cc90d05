//! What of a message tells its meaning: without event dumps and cut marks, cut words completed, glued records parted.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::klog;

/// The beginning of a second record inside a line.
static SECOND: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"[IWEF](0[1-9]|1[0-2])[0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9]\.[0-9]{6} ").ok());

/// What a line ends in when it is whole; a pager cuts it anywhere.
const ENDINGS: &[&str] = &[
    "Unauthorized",
    "unable to load bootstrap kubeconfig",
    "certificate signed by unknown authority",
    "certificate has expired or is not yet valid",
    "TLS handshake timeout",
    "connection refused",
    "connect: connection refused",
    "connect: no route to host",
];

/// The shortest beginning of an ending that is believed, in bytes.
const SHORTEST: usize = 6;

/// Where a second klog header begins in `message` (whose text after its own header is `body`), unless the first record quotes other programs' output.
pub(super) fn second_record(message: &str, body: &str) -> Option<usize> {
    let offset = message.len() - body.len();
    if klog::sources(body).next().is_none() || quotes_output(body) {
        return None;
    }
    let at = SECOND.as_ref()?.find(body)?.start() + offset;
    (at > 0 && klog::parse(message.get(at..)?).is_some()).then_some(at)
}

fn quotes_output(body: &str) -> bool {
    [
        "robe failed",
        "robe for",
        "output:",
        "output=",
        "rpc error",
        "lifecycle hook",
        "exited with",
    ]
    .iter()
    .any(|mark| body.contains(mark))
}

/// The part of a message that tells its meaning; only event.go dumps events.
pub(super) fn telling<'a>(body: &'a str, file: Option<&str>) -> Cow<'a, str> {
    match plain_quotes(body) {
        Some(plain) => Cow::Owned(told(&plain, file).into_owned()),
        None => told(body, file),
    }
}

/// What blogs and web pages make of quotes, and what they were.
const QUOTES: &[(&str, &str)] = &[
    ("“", "\""),
    ("”", "\""),
    ("″", "\""),
    ("‘", "'"),
    ("’", "'"),
    ("′", "'"),
    ("&#34;", "\""),
    ("&quot;", "\""),
    ("&#39;", "'"),
    ("&gt;", ">"),
    ("&amp;", "&"),
];

/// The text with the quotes the program wrote; `None` where they are.
fn plain_quotes(body: &str) -> Option<String> {
    if body.is_ascii() && !body.contains("&#3") && !body.contains("&quot;") {
        return None;
    }
    let plain = |text: String, (from, to): &(&str, &str)| text.replace(from, to);
    let changed = QUOTES.iter().any(|(from, _)| body.contains(from));
    changed.then(|| QUOTES.iter().fold(body.to_owned(), plain))
}

fn told<'a>(body: &'a str, file: Option<&str>) -> Cow<'a, str> {
    let body = uncut(body);
    let may_dump = file.is_none_or(|file| file.starts_with("event"));
    let may_patch = file.is_none_or(|file| file.contains("_status.go") || file.starts_with("status_"));
    let told = match may_patch.then(|| without_status_patch(body)).flatten() {
        Some(short) => Cow::Owned(short),
        None if may_dump => without_event_dump(body),
        None => Cow::Borrowed(body),
    };
    match completed(body) {
        Some(rest) => Cow::Owned(format!("{told}{rest}")),
        None => told,
    }
}

/// Without the mark a pager or a terminal leaves where it cut the line.
fn uncut(body: &str) -> &str {
    let body = body.trim_end_matches(['>', '…']);
    body.strip_suffix("...").unwrap_or(body)
}

/// What is missing of the last words, where only one ending begins like them.
fn completed(body: &str) -> Option<&'static str> {
    let tail = body.rsplit([':', '"', '=']).next()?.trim_start();
    let mut fits = ENDINGS.iter().filter_map(|ending| ending.strip_prefix(tail));
    let rest = fits.next().filter(|rest| !rest.is_empty())?;
    (tail.len() >= SHORTEST && fits.next().is_none()).then_some(rest)
}

/// A status patch quotes conditions and the failures of containers; the cause stands behind it, unless the line is cut inside.
fn without_status_patch(body: &str) -> Option<String> {
    const PATCH: &str = "failed to patch status";
    let start = body.find(PATCH)? + PATCH.len();
    let (head, patch) = body.split_at_checked(start)?;
    match end_of_patch(patch) {
        Some(end) => Some(format!("{head}{}", patch.get(end..)?)),
        None if patch.trim_start_matches([' ', '\\', '"']).starts_with('{') => Some(head.to_owned()),
        None => None,
    }
}

/// Where the patch ends: its closing quote (or brace) stands before these words, as it does nowhere inside.
fn end_of_patch(patch: &str) -> Option<usize> {
    let ends = [" for node ", " for pod "]
        .iter()
        .flat_map(|mark| patch.rmatch_indices(mark));
    ends.map(|(at, _)| at)
        .filter(|at| patch.get(..*at).is_some_and(|before| before.ends_with(['"', '}'])))
        .max()
}

/// An event dump quotes whatever the event says; the cause stands after it (or in `err=` before it).
fn without_event_dump(body: &str) -> Cow<'_, str> {
    let dumps = ["Event{TypeMeta", "&Event{", "Event{ObjectMeta"];
    if !body.contains("Event{") {
        return Cow::Borrowed(body);
    }
    let Some(start) = dumps.iter().filter_map(|dump| body.find(dump)).min() else {
        return Cow::Borrowed(body);
    };
    let head = body.get(..start).unwrap_or_default();
    let tail = body.rfind("}'").and_then(|end| body.get(end..)).unwrap_or_default();
    Cow::Owned(format!("{head} {tail}"))
}
