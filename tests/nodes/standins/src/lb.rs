//! `standins lb LISTEN PKI BACKEND…`: the load balancer in front of the API servers. It passes bytes on; and as kubeadm's guide to
//! haproxy has it (`option httpchk GET /healthz`), it asks each how it is: a real API server listens seconds before it answers.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::http::Session;
use crate::pki::Pair;
use crate::poll;
use crate::tls::Client;

const CHECK_EVERY: Duration = Duration::from_millis(500);
const CHECK_PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Backend {
    address: String,
    well: AtomicBool,
}

pub fn main(args: &[String]) -> Result<u8> {
    let [listen, pki, backends @ ..] = args else {
        return Err(anyhow!("lb LISTEN PKI BACKEND…"));
    };
    let listener = TcpListener::bind(listen).with_context(|| listen.clone())?;
    let own = Arc::new(poll::administrator(pki)?);
    let ca = std::fs::read_to_string(format!("{pki}/ca.crt")).context("ca.crt")?;
    let backends: Arc<Vec<Backend>> = Arc::new(backends.iter().map(|b| backend(b)).collect());
    for i in 0..backends.len() {
        let (backends, ca, own) = (backends.clone(), ca.clone(), own.clone());
        thread::spawn(move || {
            loop {
                backends[i]
                    .well
                    .store(is_well(&backends[i].address, &ca, &own), Ordering::Relaxed);
                thread::sleep(CHECK_EVERY);
            }
        });
    }
    let next = Arc::new(AtomicUsize::new(0));
    for client in listener.incoming().flatten() {
        let (backends, next) = (backends.clone(), next.clone());
        thread::spawn(move || {
            if let Some(server) = reach(&backends, next.fetch_add(1, Ordering::Relaxed)) {
                pass(&client, &server);
            }
        });
    }
    Ok(1)
}

fn backend(address: &str) -> Backend {
    Backend {
        address: address.to_owned(),
        well: AtomicBool::new(false),
    }
}

fn is_well(address: &str, ca: &str, own: &Pair) -> bool {
    let Ok(client) = Client::load(ca, Some(own)) else {
        return false;
    };
    let asked = Session::new(client, &format!("https://{address}"), CHECK_PATIENCE).ask("GET", "/healthz", None);
    matches!(asked, Ok((200, _)))
}

/// The first backend that is well and takes a connection, from the `start`th on; when none is, any that takes one: expired
/// certificates are no reason to hide the API server from its clients.
fn reach(backends: &[Backend], start: usize) -> Option<TcpStream> {
    let turn = || (0..backends.len()).map(|i| &backends[(start + i) % backends.len()]);
    let (well, ill): (Vec<_>, Vec<_>) = turn().partition(|b| b.well.load(Ordering::Relaxed));
    well.into_iter().chain(ill).find_map(|b| {
        let address = b.address.parse().ok()?;
        TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()
    })
}

fn pass(client: &TcpStream, server: &TcpStream) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (Ok(from_client), Ok(to_server)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    let up = thread::spawn(move || copy(from_client, to_server));
    if let (Ok(from), Ok(to)) = (server.try_clone(), client.try_clone()) {
        copy(from, to);
    }
    let _ = up.join();
}

/// One direction; its end ends both, as an API server that died must not look alive.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
