//! `ssh -G`: OpenSSH itself says how it would log in. Used for files that only it can evaluate.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::remote::error::RemoteError;

use super::file::Directive;

/// `Match exec` may run anything; nobody waits longer for it.
const DEADLINE: Duration = Duration::from_secs(20);

/// Asks `ssh -G [-F FILE] -- HOST` and reads its `keyword value` lines.
pub(super) async fn ask(program: &Path, file: Option<&Path>, host: &str) -> Result<Vec<Directive>, RemoteError> {
    let mut command = Command::new(program);
    command.arg("-G");
    if let Some(file) = file {
        command.arg("-F").arg(file);
    }
    command.arg("--").arg(host).stdin(Stdio::null()).kill_on_drop(true);
    let output = match timeout(DEADLINE, command.output()).await {
        Err(_) => return Err(problem(host, "it did not answer within 20s")),
        Ok(Err(error)) => return Err(problem(host, &error.to_string())),
        Ok(Ok(output)) => output,
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(problem(host, said.lines().last().unwrap_or("no reason given")));
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(line)
        .collect())
}

fn line(line: &str) -> Option<Directive> {
    let (keyword, value) = line.split_once(' ')?;
    Some(Directive {
        keyword: keyword.to_ascii_lowercase(),
        arguments: arguments(keyword, value),
    })
}

/// Lists of files are separated by blanks; a ProxyCommand is one line.
fn arguments(keyword: &str, value: &str) -> Vec<String> {
    match keyword {
        "userknownhostsfile" | "globalknownhostsfile" => value.split(' ').map(str::to_owned).collect(),
        _ => vec![value.to_owned()],
    }
}

fn problem(host: &str, reason: &str) -> RemoteError {
    RemoteError::Config {
        what: format!("`ssh -G -- {host}` failed: {reason}"),
        remedy: "Mend ~/.ssh/config, or set `ssh: { config: none }` in the inventory.".to_owned(),
    }
}
