//! `certfleet:lock VERB RUN HOLDER STALE`: a few files below /var/lib/certfleet, as the script keeps them.

use crate::lab::context::Context;
use crate::lab::file_tree::{Content, Found};
use crate::lab::node::Node;
use crate::model::ExitStatus;

const BASE: &str = "/var/lib/certfleet";
const FINE: ExitStatus = ExitStatus::Code(0);

pub(super) fn run(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let [verb, run, holder, stale] = arguments else {
        return context.fail(2, "certfleet: lock needs VERB RUN HOLDER STALE");
    };
    let stale = stale.parse::<i64>().unwrap_or(0);
    let mine = read(context, "lock/run").as_deref() == Some(run);
    let held = read(context, "lock/run").is_some();
    match verb.as_str() {
        "acquire" => acquire(context, (run, holder), (held, mine), stale),
        "refresh" if mine => beat(context),
        "refresh" => context.fail(6, "the lock is not held by this run any more"),
        "release" | "finish" => {
            count_end(context, run, holder);
            if verb == "finish" {
                let stay = if mine { Vec::new() } else { others(context, run) };
                write(context, "unfinished", &stay.join("\n"));
            }
            if mine {
                drop_lock(context);
            }
            FINE
        }
        "withdraw" if mine => withdraw(context, run),
        "withdraw" => FINE,
        "unlock" => {
            if held {
                show(context, "unlocked", stale);
                let field = |name: &str| read(context, name).unwrap_or_default();
                let (run, holder) = (field("lock/run"), field("lock/holder"));
                count_end(context, &run, &holder);
                drop_lock(context);
            }
            FINE
        }
        "show" => {
            if held {
                show(context, "held", stale);
            }
            ended(context);
            tell_others(context, run);
            FINE
        }
        other => context.fail(2, format!("no such verb: {other}")),
    }
}

fn acquire(context: &mut Context, (run, holder): (&str, &str), (held, mine): (bool, bool), stale: i64) -> ExitStatus {
    if held && !mine {
        show(context, "held", stale);
        return ExitStatus::Code(7);
    }
    if context.node(|n| n.disk_full) {
        return context.fail(1, "cannot write to /var/lib/certfleet/lock");
    }
    if held {
        write(context, "lock/again", "");
    } else {
        let since = context
            .change(|n, m| n.wall(m))
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string();
        write(context, "lock/run", run);
        write(context, "lock/holder", holder);
        write(context, "lock/since", &since);
    }
    beat(context);
    show(context, "acquired", stale);
    ended(context);
    tell_others(context, run);
    let mut marks = marks(context);
    if marks.iter().any(|m| m == run) {
        context.out("marked\n");
        write(context, "lock/marked", "");
    } else {
        marks.push(run.to_owned());
        write(context, "unfinished", &marks.join("\n"));
    }
    FINE
}

/// What the `acquire` before it found stays.
fn withdraw(context: &mut Context, run: &str) -> ExitStatus {
    if read(context, "lock/marked").is_none() {
        write(context, "unfinished", &others(context, run).join("\n"));
    }
    if read(context, "lock/again").is_none() {
        drop_lock(context);
    }
    FINE
}

fn ended(context: &mut Context) {
    if let Some(last) = read(context, "last") {
        context.out(format!("last\t{last}\n"));
    }
}

fn count_end(context: &Context, run: &str, holder: &str) {
    let last = read(context, "last").unwrap_or_default();
    let number: u64 = last.split('\t').next().and_then(|n| n.parse().ok()).unwrap_or(0);
    write(context, "last", &format!("{}\t{run}\t{holder}", number + 1));
}

fn beat(context: &mut Context) -> ExitStatus {
    let now = context.change(|n, m| n.wall(m)).as_second().to_string();
    write(context, "lock/beat", &now);
    FINE
}

fn show(context: &mut Context, word: &str, stale: i64) {
    let now = context.change(|n, m| n.wall(m)).as_second();
    let beat = read(context, "lock/beat")
        .and_then(|b| b.parse::<i64>().ok())
        .unwrap_or(now);
    let age = now - beat;
    let alive = if age > stale { "stale" } else { "alive" };
    let field = |name: &str| read(context, name).unwrap_or_default();
    let line = format!(
        "{word}\t{}\t{}\t{}\t{age}\t{alive}\n",
        field("lock/run"),
        field("lock/holder"),
        field("lock/since")
    );
    context.out(line);
}

fn tell_others(context: &mut Context, run: &str) {
    for other in others(context, run) {
        context.out(format!("unfinished\t{other}\n"));
    }
}

fn others(context: &Context, run: &str) -> Vec<String> {
    let mut marks = marks(context);
    marks.retain(|m| m != run);
    marks
}

fn marks(context: &Context) -> Vec<String> {
    let marks = read(context, "unfinished").unwrap_or_default();
    marks.lines().filter(|m| !m.is_empty()).map(str::to_owned).collect()
}

fn read(context: &Context, name: &str) -> Option<String> {
    let path = format!("{BASE}/{name}");
    context.node(|n| match n.files.find(&path) {
        Found::File(file) => Some(file.content.text()),
        Found::Missing | Found::Dangling(_) => None,
    })
}

fn write(context: &Context, name: &str, text: &str) {
    let path = format!("{BASE}/{name}");
    context.change(|n: &mut Node, m| {
        let modified = n.wall(m);
        n.files
            .put_with_mode(path, Content::Text(text.to_owned()), modified, 0o600);
    });
}

fn drop_lock(context: &Context) {
    context.change(|n, _| {
        for name in ["run", "holder", "since", "beat", "again", "marked"] {
            n.files.remove(&format!("{BASE}/lock/{name}"));
        }
    });
}
