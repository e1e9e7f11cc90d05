//! Small programs: date, id, cat, ls, test and the like.

use crate::lab::context::Context;
use crate::lab::file_tree::{Content, File, Found};
use crate::lab::node::Node;
use crate::model::ExitStatus;

const FINE: ExitStatus = ExitStatus::Code(0);

/// Runs a small program; one that is unknown is `not found`.
pub(super) async fn run(context: &mut Context, name: &str, arguments: &[String]) -> ExitStatus {
    match name {
        "true" | ":" => FINE,
        "false" => ExitStatus::Code(1),
        "echo" => print(context, arguments.join(" ")),
        "date" => date(context, arguments),
        "hostname" => print(context, context.host.to_string()),
        "uname" => uname(context, arguments),
        "whoami" => {
            let who = who(context).to_owned();
            print(context, who)
        }
        "id" => id(context, arguments),
        "uptime" => print(
            context,
            " 13:46:38 up 157 days,  3:12,  1 user,  load average: 0.52, 0.58, 0.59",
        ),
        "sleep" => sleep(context, arguments).await,
        "cat" if arguments == ["/proc/uptime"] => {
            let up = context.change(|n, m| n.monotonic_us(m.now)) / 1000;
            print(context, format!("{}.{:02} 0.00", up / 1000, up % 1000 / 10))
        }
        "cat" => cat(context, arguments),
        "ls" => ls(context, arguments),
        "test" | "[" => test(context, arguments),
        "readlink" => readlink(context, arguments),
        "mv" => mv(context, arguments),
        "rm" => rm(context, arguments),
        _ => context.fail(127, format!("sh: 1: {name}: not found")),
    }
}

fn print(context: &mut Context, text: impl AsRef<str>) -> ExitStatus {
    let text = text.as_ref();
    context.out(format!("{text}\n"));
    FINE
}

fn who(context: &Context) -> &str {
    if context.root { "root" } else { &context.user }
}

fn id(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let root = context.root;
    let text = match arguments.first().map(String::as_str) {
        Some("-u") => if root { "0" } else { "1000" }.to_owned(),
        Some("-un" | "-nu") => who(context).to_owned(),
        _ if root => "uid=0(root) gid=0(root) groups=0(root)".to_owned(),
        _ => format!("uid=1000({0}) gid=1000({0}) groups=1000({0}),27(sudo)", context.user),
    };
    print(context, text)
}

fn uname(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let host = context.host.to_string();
    let text = match arguments.first().map(String::as_str) {
        Some("-n") => host,
        Some("-r") => "4.15.0-112-generic".to_owned(),
        Some("-m") => "x86_64".to_owned(),
        Some("-a") => format!(
            "Linux {host} 4.15.0-112-generic #113-Ubuntu SMP Thu Jul 9 23:41:39 UTC 2020 x86_64 x86_64 x86_64 GNU/Linux"
        ),
        _ => "Linux".to_owned(),
    };
    print(context, text)
}

/// `+FORMAT` with `%s`, `%N` and what strftime shares with coreutils; no argument is the C locale's form.
fn date(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let wall = context.change(|n, moment| n.wall(moment));
    let format = arguments.iter().find_map(|a| a.strip_prefix('+'));
    let Some(format) = format else {
        let text = wall.strftime("%a %b %e %H:%M:%S UTC %Y").to_string();
        return print(context, text);
    };
    let nanos = format!("{:09}", wall.subsec_nanosecond());
    let format = format
        .replace("%s", &wall.as_second().to_string())
        .replace("%N", &nanos);
    let text = wall.strftime(&format).to_string();
    print(context, text)
}

async fn sleep(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let seconds = arguments
        .first()
        .and_then(|a| a.trim_end_matches('s').parse::<f64>().ok());
    let Some(seconds) = seconds.filter(|s| (0.0..1e6).contains(s)) else {
        return context.fail(1, "sleep: invalid time interval");
    };
    tokio::time::sleep(std::time::Duration::from_secs_f64(seconds)).await;
    FINE
}

fn cat(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let mut status = FINE;
    for path in arguments.iter().filter(|a| !a.starts_with('-')) {
        let root = context.root;
        let found = context.node(|n| match n.files.find(path) {
            Found::File(file) if root || file.mode & 0o004 != 0 => Ok(file.content.text()),
            Found::File(_) => Err("Permission denied"),
            _ if n.files.is_folder(path) => Err("Is a directory"),
            _ => Err("No such file or directory"),
        });
        match found {
            Ok(text) => context.out(text),
            Err(why) => status = context.fail(1, format!("cat: {path}: {why}")),
        }
    }
    status
}

fn ls(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let long = arguments.iter().any(|a| a.starts_with('-') && a.contains('l'));
    let home = vec!["/root".to_owned()];
    let named: Vec<String> = arguments.iter().filter(|a| !a.starts_with('-')).cloned().collect();
    let mut status = FINE;
    for path in if named.is_empty() { home } else { named } {
        match context.node(|n| listing(n, path.trim_end_matches('/'), long)) {
            Some(lines) => context.out(lines),
            None => status = context.fail(2, format!("ls: cannot access '{path}': No such file or directory")),
        }
    }
    status
}

fn listing(node: &Node, path: &str, long: bool) -> Option<String> {
    if let Some(file) = node.files.entry(path) {
        return Some(row(path, file, long));
    }
    let mut names = std::collections::BTreeMap::new();
    for (full, file) in node.files.below(path) {
        let rest = &full[path.len() + 1..];
        match rest.split_once('/') {
            Some((folder, _)) => drop(names.insert(folder.to_owned(), None)),
            None => drop(names.insert(rest.to_owned(), Some(file))),
        }
    }
    let show = |(name, file): (String, Option<&File>)| match file {
        Some(file) => row(&name, file, long),
        None if long => format!("drwxr-xr-x 2 root root 4096 {name}\n"),
        None => format!("{name}\n"),
    };
    (!names.is_empty()).then(|| names.into_iter().map(show).collect())
}

fn row(name: &str, file: &File, long: bool) -> String {
    if !long {
        return format!("{name}\n");
    }
    let when = file.modified.strftime("%b %e %H:%M");
    match &file.content {
        Content::Link(target) => format!("lrwxrwxrwx 1 root root {} {when} {name} -> {target}\n", target.len()),
        content => {
            let mode = if file.mode == 0o600 { "-rw-------" } else { "-rw-r--r--" };
            format!("{mode} 1 root root {} {when} {name}\n", content.text().len())
        }
    }
}

fn test(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let words: Vec<&str> = arguments.iter().map(String::as_str).filter(|w| *w != "]").collect();
    let found = |path: &str| context.node(|n| matches!(n.files.find(path), Found::File(_)));
    let folder = |path: &str| context.node(|n| n.files.is_folder(path));
    let truth = match words.as_slice() {
        ["-f", path] => found(path),
        ["!", "-f", path] => !found(path),
        ["!", "-e", path] => !found(path) && !folder(path),
        ["-e", path] => found(path) || folder(path),
        ["-d", path] => folder(path),
        ["-n", text] => !text.is_empty(),
        ["-z", text] => text.is_empty(),
        [a, "=", b] => a == b,
        [a, "!=", b] => a != b,
        _ => return context.fail(2, "sh: 1: test: unexpected operator"),
    };
    ExitStatus::Code(u32::from(!truth))
}

fn readlink(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let path = arguments
        .iter()
        .find(|a| !a.starts_with('-'))
        .cloned()
        .unwrap_or_default();
    let target = context.node(|n| match n.files.entry(&path).map(|f| &f.content) {
        Some(Content::Link(target)) => Some(target.clone()),
        _ => None,
    });
    match target {
        Some(target) => print(context, target),
        None => ExitStatus::Code(1),
    }
}

/// Moves one file: how people take manifests out and put them back.
fn mv(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let [from, to] = arguments else {
        return context.fail(1, "mv: missing file operand");
    };
    if !context.root {
        return context.fail(1, format!("mv: cannot move '{from}' to '{to}': Permission denied"));
    }
    context.record(format!("mv {from} {to}"));
    let moved = context.change(|n, _| {
        let folder = to.ends_with('/') || n.files.is_folder(to);
        let name = from.rsplit('/').next().unwrap_or_default();
        let target = if folder {
            format!("{}/{name}", to.trim_end_matches('/'))
        } else {
            to.clone()
        };
        n.files.remove(from).map(|file| n.files.insert(target, file))
    });
    match moved {
        Some(()) => FINE,
        None => context.fail(1, format!("mv: cannot stat '{from}': No such file or directory")),
    }
}

/// Removes files; `-f` does not mind those that are not there.
fn rm(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let force = arguments.iter().any(|a| a.starts_with('-') && a.contains('f'));
    for path in arguments.iter().filter(|a| !a.starts_with('-')) {
        if !context.root {
            return context.fail(1, format!("rm: cannot remove '{path}': Permission denied"));
        }
        context.record(format!("rm {path}"));
        let gone = context.change(|n, _| n.files.remove(path).is_some());
        if !gone && !force {
            return context.fail(1, format!("rm: cannot remove '{path}': No such file or directory"));
        }
    }
    FINE
}
