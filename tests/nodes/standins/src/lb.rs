//! `standins lb LISTEN BACKEND…`: the TCP load balancer in front of the API servers. It passes bytes on and knows nothing of TLS.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

pub fn main(args: &[String]) -> Result<u8> {
    let (listen, backends) = args.split_first().ok_or_else(|| anyhow!("lb LISTEN BACKEND…"))?;
    let listener = TcpListener::bind(listen).with_context(|| listen.clone())?;
    let backends: Arc<Vec<String>> = Arc::new(backends.to_vec());
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

/// The first backend, from the `start`th on, that takes a connection.
fn reach(backends: &[String], start: usize) -> Option<TcpStream> {
    (0..backends.len()).find_map(|i| {
        let address = backends[(start + i) % backends.len()].parse().ok()?;
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
