//! `standins poll --server URL --pki DIRECTORY`: a client that asks the API server every 100 ms, each time over a new
//! connection, and writes down what came of it: `UNIX-MS MS-TAKEN ok`, or `failed: WHY`. Until it is ended.

use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use time::Duration as Days;

use crate::host::{self, flag};
use crate::http::Session;
use crate::pki::{self, Pair, Spec};
use crate::tls::Client;

const INTERVAL: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(3);
const QUESTION: &str = "/api/v1/nodes";

pub fn main(args: &[String]) -> Result<u8> {
    let need = |name: &str| flag(args, name).ok_or_else(|| anyhow!("--{name} is missing"));
    let (server, pki) = (need("server")?, need("pki")?);
    let ca = std::fs::read_to_string(format!("{pki}/ca.crt")).context("ca.crt")?;
    let own = Arc::new(administrator(&pki)?);
    let mut next = Instant::now();
    loop {
        let (server, ca, own) = (server.clone(), ca.clone(), own.clone());
        thread::spawn(move || {
            let (asked, began) = (host::now(), Instant::now());
            let said = ask(&server, &ca, &own);
            let line = line(asked.unix_timestamp_nanos() / 1_000_000, began.elapsed(), &said);
            // One write, so that lines stay whole.
            let _ = std::io::stdout().write_all(line.as_bytes());
        });
        next += INTERVAL;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// A client certificate of its own, so that nothing that is renewed matters to it.
pub fn administrator(pki: &str) -> Result<Pair> {
    let ca = pki::read(&format!("{pki}/ca.crt"), &format!("{pki}/ca.key"))?;
    let spec = Spec {
        cn: "poller".to_owned(),
        org: vec!["system:masters".to_owned()],
        client: true,
        ..Spec::default()
    };
    let now = host::now();
    pki::issue(&spec, &ca, now - Days::minutes(5), now + Days::days(1))
}

fn ask(server: &str, ca: &str, own: &Pair) -> Result<(), String> {
    let client = Client::load(ca, Some(own)).map_err(|e| format!("{e:#}"))?;
    match Session::new(client, server, PATIENCE).ask("GET", QUESTION, None) {
        Ok((200, _)) => Ok(()),
        Ok((status, body)) => Err(format!("{status} {}", String::from_utf8_lossy(&body).trim())),
        Err(failure) => Err(failure.go_text(19)),
    }
}

fn line(at: i128, taken: Duration, said: &Result<(), String>) -> String {
    let taken = taken.as_millis();
    match said {
        Ok(()) => format!("{at} {taken} ok\n"),
        Err(why) => format!("{at} {taken} failed: {}\n", why.replace('\n', " ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_not_there_is_a_failure_with_its_reason() {
        let now = host::now();
        let ca = pki::authority("kubernetes", now - Days::days(1), now + Days::days(1)).unwrap();
        let said = ask("https://127.0.0.1:1", &ca.cert, &ca);
        let line = line(1_700_000_000_000, Duration::from_millis(7), &said);
        assert_eq!(
            line,
            "1700000000000 7 failed: dial tcp 127.0.0.1:1: connect: connection refused\n"
        );
    }
}
