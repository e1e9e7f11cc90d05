//! `journalctl`: units, lines, cursors, follow.

use jiff::{SignedDuration, Timestamp};

use crate::lab::context::Context;
use crate::lab::journald::{Entry, Journal};
use crate::lab::units::unit_file;
use crate::model::ExitStatus;

use super::journal_format::Format;

#[derive(Debug, Clone, Copy)]
enum Order {
    Forwards,
    Backwards,
}

/// What was asked.
#[derive(Debug)]
struct Options {
    units: Vec<String>,
    /// `None` = all.
    lines: Option<usize>,
    lines_given: bool,
    follow: bool,
    after: Option<u64>,
    since: Option<Timestamp>,
    order: Order,
    show_cursor: bool,
    format: Format,
}

impl Options {
    /// The entries that are shown, in their order. From `--since` on journalctl reads forwards, so that `--lines` are then the oldest ones
    /// (seen on systemd 252); with `--reverse` it reads from the end.
    fn page<'e>(&self, entries: &'e [&'e Entry]) -> Box<dyn Iterator<Item = &'e Entry> + 'e> {
        let most = self.lines.unwrap_or(usize::MAX);
        let all = entries.iter().copied();
        match self.order {
            Order::Backwards => Box::new(all.rev().take(most)),
            Order::Forwards if self.since.is_some() => Box::new(all.take(most)),
            Order::Forwards => Box::new(all.skip(entries.len().saturating_sub(most))),
        }
    }
}

/// Runs journalctl. The login user may read everything, as a member of `adm` does on Debian and Ubuntu.
pub(super) async fn run(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let mut options = match parse(context, arguments) {
        Ok(options) => options,
        Err(why) => return context.fail(1, why),
    };
    if options.follow && !options.lines_given && options.since.is_none() && options.after.is_none() {
        options.lines = Some(10);
    }
    let mut seen = first_page(context, &options);
    if !options.follow {
        return ExitStatus::Code(0);
    }
    // Ends with its caller: see `Machine::exec`.
    loop {
        context.pause(50).await;
        seen = next_page(context, &options, seen);
    }
}

fn first_page(context: &mut Context, options: &Options) -> u64 {
    let (pages, last, cursor) = context.node(|n| {
        let from = options.after.unwrap_or(0);
        let entries: Vec<&Entry> = n
            .journal
            .after(from, &options.units)
            .filter(|e| options.since.is_none_or(|s| e.at >= s))
            .collect();
        let shown: Vec<Vec<u8>> = options.page(&entries).map(|e| options.format.show(n, e)).collect();
        let newest = n.journal.after(0, &[]).next_back();
        let cursor = n
            .journal
            .after(0, &options.units)
            .next_back()
            .map(|e| n.journal.cursor(e, &n.boot_id));
        (shown, newest.map_or(from, |e| e.sequence), cursor)
    });
    if pages.is_empty() && options.lines != Some(0) && !options.follow && options.format != Format::Json {
        context.out("-- No entries --\n");
    }
    for line in pages {
        context.out(line);
    }
    if let (true, Some(cursor)) = (options.show_cursor, cursor) {
        context.out(format!("-- cursor: {cursor}\n"));
    }
    last.max(options.after.unwrap_or(0))
}

fn next_page(context: &mut Context, options: &Options, seen: u64) -> u64 {
    let (lines, last) = context.node(|n| {
        let entries: Vec<&Entry> = n.journal.after(seen, &options.units).collect();
        let shown: Vec<Vec<u8>> = entries.iter().map(|e| options.format.show(n, e)).collect();
        (shown, entries.last().map_or(seen, |e| e.sequence))
    });
    for line in lines {
        context.out(line);
    }
    last
}

fn parse(context: &Context, arguments: &[String]) -> Result<Options, String> {
    let now = context.change(|n, moment| n.wall(moment));
    let french = context.french();
    let mut options = Options {
        units: Vec::new(),
        lines: None,
        lines_given: false,
        follow: false,
        after: None,
        since: None,
        order: Order::Forwards,
        show_cursor: false,
        format: Format::Short { french },
    };
    let mut words = expand(arguments).into_iter();
    while let Some(word) = words.next() {
        let (name, inline) = split(&word);
        let mut value = || {
            inline
                .map(str::to_owned)
                .or_else(|| words.next())
                .ok_or(format!("journalctl: option '{name}' requires an argument"))
        };
        match name {
            "-u" | "--unit" => options.units.push(unit_file(&value()?)),
            "-n" | "--lines" => {
                options.lines = lines(&value()?)?;
                options.lines_given = true;
            }
            "-o" | "--output" => {
                let text = value()?;
                options.format = Format::named(&text, french).ok_or(format!("Unknown output format '{text}'."))?;
            }
            "--after-cursor" | "-c" | "--cursor" => {
                let text = value()?;
                options.after = Some(Journal::sequence_of(&text).ok_or("Failed to seek to cursor: Invalid argument")?);
            }
            "-S" | "--since" => options.since = Some(moment(&value()?, now)?),
            "-f" | "--follow" => options.follow = true,
            "-r" | "--reverse" => options.order = Order::Backwards,
            "--show-cursor" => options.show_cursor = true,
            "--no-pager" | "-a" | "--all" | "-q" | "--quiet" | "-x" | "--catalog" | "-b" | "--boot" | "--utc"
            | "-l" | "--full" => {}
            "-e" | "--pager-end" => options.lines = options.lines.or(Some(1000)),
            other => return Err(format!("journalctl: unrecognized option '{other}'")),
        }
    }
    Ok(options)
}

/// `-fu kubelet` is `-f -u kubelet`, `-n50` is `-n 50`.
fn expand(arguments: &[String]) -> Vec<String> {
    let mut words = Vec::new();
    for word in arguments {
        let Some(letters) = word.strip_prefix('-').filter(|w| !w.starts_with('-')) else {
            words.push(word.clone());
            continue;
        };
        for (at, letter) in letters.char_indices() {
            words.push(format!("-{letter}"));
            let value = &letters[at + letter.len_utf8()..];
            if "unoSc".contains(letter) && !value.is_empty() {
                words.push(value.to_owned());
                break;
            }
        }
    }
    words
}

fn split(word: &str) -> (&str, Option<&str>) {
    match word.split_once('=') {
        Some((name, value)) if word.starts_with("--") => (name, Some(value)),
        _ => (word, None),
    }
}

fn lines(text: &str) -> Result<Option<usize>, String> {
    if text == "all" {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|_| format!("Failed to parse lines '{text}'"))
}

/// `@1600000000`, `2020-08-09 13:46:38`, `-5m`, `5 min ago`, `today`, `now`.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let wrong = || format!("Failed to parse timestamp: {text}");
    if let Some(seconds) = text.strip_prefix('@') {
        let seconds = seconds
            .split('.')
            .next()
            .and_then(|s| s.parse().ok())
            .ok_or_else(wrong)?;
        return Timestamp::from_second(seconds).map_err(|_| wrong());
    }
    if text == "now" {
        return Ok(now);
    }
    let day = now.strftime("%Y-%m-%d").to_string();
    let full = match text {
        "today" => format!("{day}T00:00:00Z"),
        _ if text.len() == 10 => format!("{text}T00:00:00Z"),
        _ => format!("{}Z", text.trim_end_matches(" UTC").replacen(' ', "T", 1)),
    };
    if let Ok(at) = full.parse() {
        return Ok(at);
    }
    let ago = text.trim_start_matches('-').trim_end_matches("ago").trim();
    let span: SignedDuration = ago.parse().map_err(|_| wrong())?;
    now.checked_sub(span).map_err(|_| wrong())
}
