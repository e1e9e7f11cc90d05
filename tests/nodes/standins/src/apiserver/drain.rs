//! The end of an API server: on SIGTERM it takes no new connection, finishes the requests it has, and is gone.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use signal_hook::consts::SIGTERM;

/// How long requests may still take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Requests that are being answered, and whether no more are wanted.
#[derive(Debug, Default, Clone)]
pub struct Drain {
    ending: Arc<AtomicBool>,
    busy: Arc<AtomicUsize>,
}

/// One request, or one connection that has not asked yet.
#[derive(Debug)]
pub struct Busy(Arc<AtomicUsize>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drain {
    /// From now on SIGTERM is noticed; `accepting` wakes up by it.
    pub fn on_sigterm(port: &str) -> Result<Self> {
        let drain = Self::default();
        signal_hook::flag::register(SIGTERM, drain.ending.clone())?;
        let (watched, own) = (drain.ending.clone(), format!("127.0.0.1:{port}"));
        thread::spawn(move || {
            while !watched.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(20));
            }
            let _ = TcpStream::connect(own);
        });
        Ok(drain)
    }

    pub fn busy(&self) -> Busy {
        self.busy.fetch_add(1, Ordering::SeqCst);
        Busy(self.busy.clone())
    }

    pub fn ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }

    /// Hands each connection to `serve`, until SIGTERM; then waits for those that are being answered.
    pub fn accept(&self, listener: TcpListener, serve: impl Fn(TcpStream, Busy)) {
        for tcp in listener.incoming().flatten() {
            if self.ending() && tcp.peer_addr().is_ok_and(|peer| peer.ip().is_loopback()) {
                break;
            }
            // As Go's server has it: what was accepted is served.
            serve(tcp, self.busy());
            if self.ending() {
                break;
            }
        }
        drop(listener);
        let began = Instant::now();
        while self.busy.load(Ordering::SeqCst) > 0 && began.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_is_being_answered_is_waited_for() {
        let drain = Drain::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = thread::spawn(move || (TcpStream::connect(address), TcpStream::connect(address)));
        let answered = AtomicBool::new(false);
        thread::scope(|scope| {
            drain.accept(listener, |_, busy| {
                drain.ending.store(true, Ordering::SeqCst);
                let answered = &answered;
                scope.spawn(move || {
                    thread::sleep(Duration::from_millis(50));
                    answered.store(true, Ordering::SeqCst);
                    drop(busy);
                });
            });
            assert!(
                answered.load(Ordering::SeqCst),
                "it ended before the request was answered"
            );
        });
        assert!(client.join().is_ok());
    }
}
