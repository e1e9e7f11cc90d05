//! `certfleet journal -i INV`: the kubelet journals of the fleet, merged by time, classified.

use std::time::Duration;

use futures::future::join_all;
use tokio::sync::mpsc;

use crate::cli::args::{JournalArgs, JournalOutput, Target};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::signals::{Ear, told_to_stop, unless_told_to_stop};
use crate::cli::terminal::{Terminal, print, print_err};
use crate::model::{Command, Host, HostName, mask};
use crate::probes::kubelet_journal::{Kind, Record, Verdict, classify_record, parse_line};
use crate::remote::Line;
use crate::report::{JournalLine, Style, clean, journal_line, journal_row};

/// Reading ten minutes of a noisy kubelet's journal from a slow disk.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Columns for host names: longer ones shift their line.
const HOST_WIDTH: usize = 12;

/// One classified line of one host.
struct Entry {
    host: HostName,
    record: Record,
    verdict: Verdict,
}

/// Prints what is there, then (with `--follow`) what comes.
pub(crate) async fn run(args: &JournalArgs, terminal: Terminal) -> Result<Exit, CliError> {
    let file = args
        .inventory
        .clone()
        .ok_or_else(|| CliError::usage("neither --file nor --inventory was given", "Name one of them."))?;
    let session = Session::open(
        &Target {
            inventory: file,
            limit: args.limit.clone(),
        },
        terminal,
    )?;
    let hosts = session.hosts();
    let style = terminal.out_style();
    if args.follow {
        let ended = follow(&session, &hosts, args, &style).await;
        // It may have been ended at a question.
        terminal.restore();
        ended
    } else {
        let read = read(&session, &hosts, args, &style);
        unless_told_to_stop(Ear::new().as_mut(), terminal, "stopped before all was read", read).await
    }
}

/// `10m` is ten minutes ago by each host's own clock; anything else is left to journalctl.
fn since(args: &JournalArgs) -> String {
    let text = args.since.clone().unwrap_or_else(|| "10m".to_owned());
    match crate::model::duration::parse(&text) {
        Ok(ago) => format!("--since=-{}s", ago.as_secs()),
        Err(_) => format!("--since={text}"),
    }
}

fn command(host: &Host, args: &JournalArgs, extra: &[&str]) -> Command {
    let unit = format!("--unit={}", host.kubernetes.kubelet_unit);
    let words = [
        "journalctl",
        &unit,
        "--no-pager",
        "--all",
        "--output=json",
        &since(args),
    ];
    Command::root(words.iter().chain(extra).copied()).with_timeout(READ_TIMEOUT)
}

async fn read(session: &Session, hosts: &[Host], args: &JournalArgs, style: &Style) -> Result<Exit, CliError> {
    let reads = hosts
        .iter()
        .map(|host| async move { (host, session.transport.run(&host.name, &command(host, args, &[])).await) });
    let mut entries = Vec::new();
    let mut silent = 0;
    for (host, result) in join_all(reads).await {
        match result {
            Ok(output) if output.status.success() => entries.extend(
                output
                    .stdout
                    .split(|b| *b == b'\n')
                    .filter_map(|l| entry(&host.name, l)),
            ),
            Ok(output) => {
                silent += 1;
                complain(&format!("{}: {}: {}", host.name, output.status, output.last_line()));
            }
            Err(error) => {
                silent += 1;
                complain(&format!("{}: {error}. {}", host.name, error.remedy()));
            }
        }
    }
    entries.sort_by_key(|e| e.record.realtime_us);
    for entry in entries.iter().filter(|e| wanted(e, args)) {
        print(&render(entry, args, style));
    }
    Ok(if silent == hosts.len() {
        Exit::Unreachable
    } else if silent > 0 {
        Exit::StepFailed
    } else {
        Exit::Done
    })
}

async fn follow(session: &Session, hosts: &[Host], args: &JournalArgs, style: &Style) -> Result<Exit, CliError> {
    let (sender, mut lines) = mpsc::channel::<Result<Entry, String>>(256);
    for host in hosts {
        let (session, host, sender) = (session.clone(), host.clone(), sender.clone());
        let command = command(&host, args, &["--follow"]);
        tokio::spawn(async move { follow_one(&session, &host, &command, &sender).await });
    }
    drop(sender);
    // Made once: a listener of each turn's own would miss what comes while a line is printed.
    let mut ear = Ear::new();
    let mut told = Box::pin(told_to_stop(ear.as_mut()));
    loop {
        let item = tokio::select! {
            biased;
            () = &mut told => return Ok(Exit::Done),
            item = lines.recv() => item,
        };
        match item {
            Some(Ok(entry)) if wanted(&entry, args) => print(&render(&entry, args, style)),
            Some(Ok(_)) => {}
            Some(Err(trouble)) => complain(&trouble),
            None => return Ok(Exit::Unreachable),
        }
    }
}

async fn follow_one(session: &Session, host: &Host, command: &Command, sender: &mpsc::Sender<Result<Entry, String>>) {
    let mut stream = match session.transport.follow(&host.name, command).await {
        Ok(stream) => stream,
        Err(error) => {
            let _ = sender
                .send(Err(format!("{}: {error}. {}", host.name, error.remedy())))
                .await;
            return;
        }
    };
    while let Some(item) = stream.next().await {
        let message = match item {
            Ok(Line::Out(line)) => entry(&host.name, &line).map(Ok),
            Ok(Line::Err(line)) => Some(Err(format!("{}: {}", host.name, String::from_utf8_lossy(&line)))),
            Err(error) => Some(Err(format!("{}: {error}", host.name))),
        };
        if let Some(message) = message
            && sender.send(message).await.is_err()
        {
            return;
        }
    }
}

/// What a host has said may hold anything.
fn complain(text: &str) {
    print_err(&format!("{}\n", clean(&mask(text))));
}

fn entry(host: &HostName, line: &[u8]) -> Option<Entry> {
    let record = parse_line(line);
    matches!(record.kind, Kind::Record).then(|| Entry {
        host: host.clone(),
        verdict: classify_record(&record),
        record,
    })
}

fn wanted(entry: &Entry, args: &JournalArgs) -> bool {
    !args.only_signs || !matches!(entry.verdict.effect.as_str(), "neutral" | "foreign")
}

fn render(entry: &Entry, args: &JournalArgs, style: &Style) -> String {
    let line = JournalLine {
        at: super::journal::at(&entry.record),
        host: entry.host.as_str(),
        class: entry.verdict.class.as_str(),
        effect: entry.verdict.effect.as_str(),
        message: &entry.record.message,
    };
    match args.output {
        JournalOutput::Jsonl => format!(
            "{}\n",
            journal_row(&line, entry.record.realtime_us, entry.verdict.remedy)
        ),
        JournalOutput::Text => format!("{}\n", journal_line(&line, HOST_WIDTH, style).trim_end()),
    }
}
