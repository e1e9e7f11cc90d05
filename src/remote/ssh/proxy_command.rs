//! `ProxyCommand`: SSH over the standard streams of a local program.

use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};

use tokio::io::{self, AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::remote::error::RemoteError;
use crate::remote::transport::Duplex;

use super::target::Target;
use super::tcp::no_files_left;

/// The program's streams; it ends with the connection.
#[derive(Debug)]
struct Proxy {
    _child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

/// Starts the command. Its standard error is dropped: a terminal shows our own words only.
pub(super) fn spawn(command: &str, target: &Target) -> Result<Box<dyn Duplex>, RemoteError> {
    let line = expand(command, target)?;
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(format!("exec {line}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| no_files_left(target, &error).unwrap_or_else(|| problem(command, &error.to_string())))?;
    match (child.stdin.take(), child.stdout.take()) {
        (Some(input), Some(output)) => Ok(Box::new(Proxy {
            _child: child,
            input,
            output,
        })),
        _ => Err(problem(command, "it has no standard streams")),
    }
}

/// `%h %p %r %n %%`, as `ssh_config(5)` has them for `ProxyCommand`; any other token is refused.
fn expand(command: &str, target: &Target) -> Result<String, RemoteError> {
    let mut line = String::with_capacity(command.len() + 16);
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            line.push(c);
            continue;
        }
        match chars.next() {
            Some('h') => line.push_str(harmless(command, &target.host_name)?),
            Some('n') => line.push_str(harmless(command, &target.alias)?),
            Some('r') => line.push_str(harmless(command, &target.user)?),
            Some('p') => line.push_str(&target.port.to_string()),
            Some('%') => line.push('%'),
            other => {
                return Err(problem(
                    command,
                    &format!("the token `%{}` is not known", other.unwrap_or(' ')),
                ));
            }
        }
    }
    Ok(line)
}

/// The line goes to a shell, so a name must not be able to say more than a name.
fn harmless<'a>(command: &str, name: &'a str) -> Result<&'a str, RemoteError> {
    let good = |c: char| c.is_ascii_alphanumeric() || "._:-@%".contains(c);
    if !name.is_empty() && !name.starts_with('-') && name.chars().all(good) {
        Ok(name)
    } else {
        Err(problem(command, &format!("`{name}` cannot be put into a shell's line")))
    }
}

fn problem(command: &str, why: &str) -> RemoteError {
    RemoteError::Config {
        what: format!("ProxyCommand `{command}` cannot be used: {why}"),
        remedy: "Use `jump:` in the inventory or ProxyJump in ~/.ssh/config instead.".to_owned(),
    }
}

impl AsyncRead for Proxy {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_read(cx, buf)
    }
}

impl AsyncWrite for Proxy {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.input).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_shutdown(cx)
    }
}
