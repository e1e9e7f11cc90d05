//! Files and pipes of any size: one verdict per input line, wrapped records judged as a whole.

use std::io::{self, BufRead, Read};

use super::class::{Effect, Verdict};
use super::classify::{classify_record, rank};
use super::component;
use super::klog;
use super::record::{Kind, LONGEST, Record, parse_line};

/// The verdict on one input line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineVerdict {
    /// Counted from 1.
    pub line: usize,
    /// The judgement on the record the line belongs to.
    pub verdict: Verdict,
}

/// What is read of a line at once, in bytes.
const CHUNK: u64 = 64 * 1024;

/// Lines of one record at most; a longer one is judged by its first lines.
const WRAPPED_LINES: usize = 16;

/// A record whose further lines may still come.
#[derive(Debug)]
struct Open {
    record: Record,
    verdict: Verdict,
    first: usize,
    lines: usize,
}

/// Judges lines one after another and joins those that a terminal or a paste has wrapped.
///
/// It looks one line ahead: verdicts of a record come out when the next record begins or [`Classifier::finish`] is
/// called.
#[derive(Debug, Default)]
pub struct Classifier {
    line: usize,
    open: Option<Open>,
    /// The identifier of the record whose fields (`-o verbose`, `-o export`) are being read.
    field_ident: Option<String>,
}

impl Classifier {
    /// Takes one line and gives the verdicts that are settled by it.
    pub fn push(&mut self, line: &[u8], sink: &mut impl FnMut(LineVerdict)) {
        self.line += 1;
        let mut record = parse_line(line);
        self.remember_fields(&record);
        if line.starts_with(b"    MESSAGE=") && record.ident.is_none() {
            record.ident.clone_from(&self.field_ident);
        }
        if self.joins(&record, line.starts_with(b"  ")) {
            self.join(&record);
        } else {
            self.finish(sink);
            let verdict = classify_record(&record);
            self.open = Some(Open {
                record,
                verdict,
                first: self.line,
                lines: 1,
            });
        }
    }

    /// Gives the verdicts of the record still open.
    pub fn finish(&mut self, sink: &mut impl FnMut(LineVerdict)) {
        if let Some(open) = self.open.take() {
            for line in open.first..open.first + open.lines {
                sink(LineVerdict {
                    line,
                    verdict: open.verdict,
                });
            }
        }
    }

    fn remember_fields(&mut self, record: &Record) {
        if record.kind == Kind::Notice {
            if record.ident.is_some() {
                self.field_ident.clone_from(&record.ident);
            } else if record.cursor.is_some() {
                self.field_ident = None;
            }
        }
    }

    /// Whether `record` is a further line of the open one.
    fn joins(&self, record: &Record, indented: bool) -> bool {
        let Some(open) = &self.open else { return false };
        if open.lines >= WRAPPED_LINES || open.record.message.len() > LONGEST || open.record.kind != Kind::Record {
            return false;
        }
        match record.kind {
            Kind::Continuation => true,
            Kind::Record if goes_on_after_header(record) && klog::ends_in_header(&open.record.message) => true,
            Kind::Record if !record.is_headless() => false,
            Kind::Record => {
                let rest_of_value = record.message.starts_with('>') && open.record.message.contains("=<");
                let middle = rest_of_value
                    || (indented && !component::is_event_row(&record.message))
                    || goes_on(&record.message);
                let part = middle && !is_unit_message(&record.message);
                let breaks = if open.record.is_headless() {
                    follows_plain(&open.record.message, &record.message, indented)
                } else {
                    is_field(&record.message)
                        || (breaks_off(&open.record.message) && !is_next(&open.record.message, &record.message))
                };
                part && breaks
            }
            Kind::Notice | Kind::Blank => false,
        }
    }

    fn join(&mut self, record: &Record) {
        let Some(open) = &mut self.open else { return };
        let text = record.message.trim_start();
        let glued = joined(&open.record, "", text);
        let spaced = joined(&open.record, " ", text);
        let best = [spaced, glued]
            .into_iter()
            .max_by_key(|(_, verdict)| (verdict.effect == Effect::Block, rank(verdict)));
        if let Some((record, verdict)) = best {
            if rank(&verdict) >= rank(&open.verdict) || open.lines == 1 {
                open.verdict = verdict;
            }
            open.record = record;
        }
        open.lines += 1;
    }
}

/// Whether `next` goes on after a plain line, which has no date or header to tell it from its neighbours.
fn follows_plain(open: &str, next: &str, indented: bool) -> bool {
    let next = next.trim_start();
    let unfinished =
        open.ends_with([':', ',']) || (indented && open.ends_with(|c: char| c.is_alphabetic() || c == '"'));
    unfinished && next.starts_with(char::is_lowercase) && !component::starts_record(next)
}

/// After half a header, or a header without text, anything that is no record of its own belongs to it.
fn goes_on_after_header(record: &Record) -> bool {
    let bare = record.ident.is_none() && record.host.is_none() && record.realtime_us.is_none();
    bare && !klog::begins(&record.message)
}

fn joined(head: &Record, between: &str, text: &str) -> (Record, Verdict) {
    let message = format!("{}{between}{text}", head.message.trim_end());
    let record = Record {
        message,
        ..head.clone()
    };
    let verdict = classify_record(&record);
    (record, verdict)
}

/// systemd speaking about a unit (`kubelet.service: main process exited`): a record of its own, though it begins in lower case.
fn is_unit_message(message: &str) -> bool {
    let head = message.trim_start().split_once(": ").map_or("", |(head, _)| head);
    let kinds = [".service", ".socket", ".scope", ".slice", ".mount", ".timer"];
    !head.contains(' ') && kinds.iter().any(|kind| head.ends_with(kind))
}

/// Whether a plain line reads like the middle of a sentence.
fn goes_on(text: &str) -> bool {
    let text = text.trim_start();
    let key = text
        .split_once('=')
        .is_some_and(|(key, _)| key.len() < 24 && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
    let middle = text.starts_with(|c: char| c.is_lowercase() || c.is_ascii_digit() || ".,;:/-_%&=)]}\"'*(".contains(c));
    (key || middle) && !component::starts_record(text)
}

/// Whether a plain line begins with a field of a structured record (`err="…`), which never stands alone.
fn is_field(text: &str) -> bool {
    text.trim_start()
        .split_once('=')
        .is_some_and(|(key, value)| key.bytes().all(|b| b.is_ascii_alphabetic()) && value.starts_with(['"', '<']))
}

/// Whether a record ends in words that end one, and the next line begins with a word.
fn is_next(open: &str, next: &str) -> bool {
    const LAST_WORDS: [&str; 6] = [
        "not found",
        "not yet valid",
        "Unauthorized",
        "connection refused",
        "no such file or directory",
        "at the cluster scope",
    ];
    next.starts_with(char::is_alphabetic) && LAST_WORDS.iter().any(|words| open.ends_with(words))
}

/// Whether a record can end there: not after a finished sentence, list or quotation.
fn breaks_off(text: &str) -> bool {
    let text = text.trim_end();
    let odd_quotes = text.matches('"').count() % 2 == 1;
    let closed = text.ends_with(['.', '}', ')', '>']) || text.ends_with('"');
    odd_quotes
        || !closed
        || text.ends_with("API server\"")
        || text.ends_with("failed\"")
        || text.ends_with("retry\"")
        || text.ends_with("Error\"")
}

/// Judges every line of `reader`; `sink` gets exactly one verdict per line, in order.
///
/// Lines may end in LF, CRLF or nothing, contain any bytes, and be of any length (memory stays bounded).
///
/// # Errors
/// Only what `reader` reports.
pub fn classify_stream(mut reader: impl BufRead, mut sink: impl FnMut(LineVerdict)) -> io::Result<()> {
    let mut classifier = Classifier::default();
    let mut line = Vec::with_capacity(4096);
    while read_line(&mut reader, &mut line)? {
        classifier.push(&line, &mut sink);
    }
    classifier.finish(&mut sink);
    Ok(())
}

/// Reads one line into `line`, keeping its first and its last [`LONGEST`] bytes; `false` at the end.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let read = reader.by_ref().take(CHUNK).read_until(b'\n', line)?;
        any |= read > 0;
        if line.last() == Some(&b'\n') {
            line.pop();
            return Ok(true);
        }
        if read == 0 {
            return Ok(any);
        }
        if line.len() > 4 * LONGEST {
            line.drain(LONGEST..line.len() - LONGEST);
        }
    }
}
