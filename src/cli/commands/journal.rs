//! `certfleet journal`: the gate's classifier for people: of a file, of a pipe, or of the whole fleet.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use jiff::Timestamp;

use crate::cli::args::{JournalArgs, JournalOutput};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::terminal::Terminal;
use crate::probes::kubelet_journal::{Classifier, LineVerdict, Record, classify_stream, jsonl_row, parse_line};
use crate::report::{JournalLine, Style, journal_line};

/// From a file, or from the fleet.
pub(crate) async fn run(args: &JournalArgs, terminal: Terminal) -> Result<Exit, CliError> {
    match &args.file {
        Some(file) => {
            let (args, file, style) = (args.clone(), file.clone(), terminal.out_style());
            let done = tokio::task::spawn_blocking(move || classify_file(&args, &file, &style)).await;
            done.map_err(|e| CliError::Bug(e.to_string()))?
        }
        None => super::journal_fleet::run(args, terminal).await,
    }
}

fn classify_file(args: &JournalArgs, file: &Path, style: &Style) -> Result<Exit, CliError> {
    let reader = BufReader::with_capacity(1 << 16, open(file)?);
    let mut out = BufWriter::new(io::stdout().lock());
    let read = match args.output {
        JournalOutput::Jsonl => as_json(reader, args, &mut out),
        JournalOutput::Text => as_text(reader, args, style, &mut out),
    };
    read.map_err(CliError::io(format!("cannot read {}", file.display())))?;
    // A reader that went away (`| head`) is no error.
    let _ = out.flush();
    Ok(Exit::Done)
}

fn as_json(reader: impl BufRead, args: &JournalArgs, out: &mut impl Write) -> io::Result<()> {
    let mut gone = false;
    classify_stream(reader, |line| {
        if !gone && wanted(&line, args) {
            gone = writeln!(out, "{}", jsonl_row(line.line, &line.verdict)).is_err();
        }
    })
}

/// A verdict comes one record late (the next line may belong to it), so the lines it is about are kept until then.
fn as_text(mut reader: impl BufRead, args: &JournalArgs, style: &Style, out: &mut impl Write) -> io::Result<()> {
    let (mut classifier, mut waiting, mut verdicts) = (Classifier::default(), VecDeque::new(), Vec::new());
    loop {
        let mut line = Vec::new();
        let more = reader.read_until(b'\n', &mut line)? > 0;
        if more {
            classifier.push(&line, &mut |v| verdicts.push(v));
            waiting.push_back(line);
        } else {
            classifier.finish(&mut |v| verdicts.push(v));
        }
        for verdict in verdicts.drain(..) {
            let line: Vec<u8> = waiting.pop_front().unwrap_or_default();
            if wanted(&verdict, args) && writeln!(out, "{}", text_line(&line, &verdict, style)).is_err() {
                return Ok(());
            }
        }
        if !more {
            return Ok(());
        }
    }
}

fn wanted(line: &LineVerdict, args: &JournalArgs) -> bool {
    !args.only_signs || is_sign(line)
}

fn open(file: &Path) -> Result<Box<dyn Read>, CliError> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    let opened = File::open(file).map_err(CliError::io(format!("cannot read {}", file.display())))?;
    Ok(Box::new(opened))
}

/// Lines that say something about a gate, either way.
pub(super) fn is_sign(line: &LineVerdict) -> bool {
    !matches!(line.verdict.effect.as_str(), "neutral" | "foreign")
}

fn text_line(line: &[u8], verdict: &LineVerdict, style: &Style) -> String {
    let record = parse_line(line);
    let shown = JournalLine {
        at: at(&record),
        host: record.host.as_deref().unwrap_or("-"),
        class: verdict.verdict.class.as_str(),
        effect: verdict.verdict.effect.as_str(),
        message: &record.message,
    };
    journal_line(&shown, 0, style).trim_end().to_owned()
}

/// When the line was logged, where its form tells.
pub(super) fn at(record: &Record) -> Option<Timestamp> {
    let us = i64::try_from(record.realtime_us?).ok()?;
    Timestamp::from_microsecond(us).ok()
}
