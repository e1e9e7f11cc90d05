//! What ports serve, seen against real servers: `openssl s_server` in its varieties, listeners that are no TLS servers, and etcd.
//!
//! Needs `openssl`. The test with etcd needs Debian's `etcd-server`, so it is no part of plain `cargo test`; `.ci/run` runs it.

#![expect(clippy::expect_used, reason = "a helper of a test fails as the test does")]

#[path = "check_tls/local.rs"]
mod local;

use std::time::{Duration, Instant};

use certfleet::check::{Level, Subject, Verdict, Via, rows};
use certfleet::engine::shake;
use certfleet::probes::served::{Endpoint, ServedAnswer, Server};
use local::{Local, Pki, Server as Process, fleet, free_port, host, installed};

fn endpoint(port: u16) -> Endpoint {
    Endpoint {
        server: Server::EtcdClient,
        address: "127.0.0.1".to_owned(),
        port,
    }
}

/// The serial that `openssl s_server` with these arguments shows, and how it was seen.
async fn seen(pki: &Pki, key: &str, arguments: &[&str]) -> (Option<String>, Via) {
    let port = free_port();
    let _server = Process::s_server(pki, key, port, arguments).await;
    let looked = shake(&Local::default(), &host(&pki.dir), endpoint(port)).await;
    let serial = match looked.served.answer {
        ServedAnswer::Certificate(x509) => Some(x509.serial),
        other => panic!("{key} {arguments:?}: {other:?}"),
    };
    (serial, looked.via)
}

#[tokio::test]
async fn every_kind_of_key_and_version_shows_its_certificate() {
    let pki = Pki::new();
    for key in ["rsa", "p256", "ed25519"] {
        let serial = pki.self_signed(key, 365);
        for version in ["-tls1_2", "-tls1_3"] {
            for demand in [&[version][..], &[version, "-Verify", "1"][..]] {
                let (shown, via) = seen(&pki, key, demand).await;
                assert_eq!(
                    (shown.as_deref(), via),
                    (Some(serial.as_str()), Via::Tunnel),
                    "{key} {demand:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn suites_that_we_do_not_speak_are_asked_for_on_the_host() {
    let pki = Pki::new();
    let serial = pki.self_signed("rsa", 365);
    for old in [
        &["-tls1_2", "-cipher", "AES128-SHA"][..],
        &["-tls1", "-cipher", "ALL:@SECLEVEL=0"][..],
    ] {
        let (shown, via) = seen(&pki, "rsa", old).await;
        assert_eq!(
            (shown.as_deref(), via),
            (Some(serial.as_str()), Via::OpensslOnHost),
            "{old:?}"
        );
    }
}

#[tokio::test]
async fn forbidden_tunnels_are_walked_around() {
    let pki = Pki::new();
    pki.self_signed("p256", 365);
    let port = free_port();
    let _server = Process::s_server(&pki, "p256", port, &[]).await;
    let looked = shake(&Local { forbidden: true }, &host(&pki.dir), endpoint(port)).await;
    assert!(
        matches!(looked.served.answer, ServedAnswer::Certificate(_)),
        "{looked:?}"
    );
    assert_eq!(looked.via, Via::OpensslOnHost);
}

#[tokio::test]
async fn closed_ports_other_protocols_and_silence_are_told_apart() {
    let pki = Pki::new();
    let (local, host) = (Local::default(), host(&pki.dir));
    let closed = shake(&local, &host, endpoint(free_port())).await;
    assert_eq!(closed.served.answer, ServedAnswer::Closed);
    let http = local::Listener::says(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let looked = shake(&local, &host, endpoint(http.port)).await;
    assert!(
        matches!(&looked.served.answer, ServedAnswer::Unknown(why) if why.contains("TLS")),
        "{looked:?}"
    );
    let silent = local::Listener::silent().await;
    let started = Instant::now();
    let looked = shake(&local, &host, endpoint(silent.port)).await;
    assert!(
        matches!(&looked.served.answer, ServedAnswer::Unknown(why) if why.contains("no answer")),
        "{looked:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(10), "silence has a deadline");
}

/// The verdict on what is served at the port, against the files as they are now.
async fn verdict(pki: &Pki, port: u16) -> (Verdict, Level) {
    let fleet = fleet(pki, shake(&Local::default(), &host(&pki.dir), endpoint(port)).await).await;
    let rows = rows(&fleet, certfleet::check::Thresholds::default());
    let row = rows
        .iter()
        .find(|r| r.subject == Subject::Served)
        .unwrap_or_else(|| panic!("{rows:#?}"));
    (row.verdict, row.level)
}

#[tokio::test]
async fn a_process_that_loaded_its_certificate_long_ago_is_stale() {
    let pki = Pki::new();
    pki.etcd_server(20);
    let port = free_port();
    let _server = Process::s_server(&pki, "etcd/server", port, &[]).await;
    assert_eq!(verdict(&pki, port).await, (Verdict::Expiring, Level::Warning));
    pki.etcd_server(365);
    assert_eq!(verdict(&pki, port).await, (Verdict::RenewedNotInUse, Level::Warning));
}

#[tokio::test]
#[ignore = "needs etcd (apt-get install etcd-server); run by .ci/run"]
async fn etcd_takes_a_renewed_file_into_use_by_itself() {
    assert!(installed("etcd"), "etcd is not installed: apt-get install etcd-server");
    let pki = Pki::new();
    pki.etcd_server(20);
    let port = free_port();
    let _etcd = Process::etcd(&pki, port, free_port()).await;
    assert_eq!(verdict(&pki, port).await, (Verdict::Expiring, Level::Warning));
    pki.etcd_server(365);
    assert_eq!(
        verdict(&pki, port).await,
        (Verdict::Ok, Level::Ok),
        "etcd re-reads its certificate for each handshake"
    );
}
