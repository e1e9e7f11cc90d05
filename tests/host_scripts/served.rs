//! certfleet:served against real `openssl s_server`s and listeners that are none, read back by its own probe.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use certfleet::model::scripts;
use certfleet::probes::served::{ServedAnswer, on_host};

use crate::tree::{Authority, Tree, shells};

/// Killed with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A server with these files of the tree; `None` where openssl is not installed.
fn serve(tree: &Tree, names: &[&str], more: &[&str]) -> Option<(Server, u16)> {
    let port = free_port();
    let mut command = Command::new("openssl");
    command.args(["s_server", "-accept", &format!("127.0.0.1:{port}"), "-quiet"]);
    for (name, (cert, key)) in names.iter().zip([("-cert", "-key"), ("-cert2", "-key2")]) {
        command.arg(cert).arg(tree.path(&format!("/{name}.crt")));
        command.arg(key).arg(tree.path(&format!("/{name}.key")));
    }
    let quiet = command
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let server = Server(quiet.spawn().ok()?);
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "openssl s_server does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some((server, port))
}

fn ask(tree: &Tree, shell: &[&str], port: u16, sni: &str) -> ServedAnswer {
    let output = tree.run(shell, &scripts::SERVED, &["127.0.0.1", &port.to_string(), sni]);
    assert_eq!(output.stderr_text(), "", "{shell:?}");
    on_host::parse(&output).unwrap()
}

fn subject(answer: &ServedAnswer) -> &str {
    match answer {
        ServedAnswer::Certificate(x509) => &x509.subject,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_shell_sees_the_leaf_also_by_name_and_where_a_client_certificate_is_demanded() {
    let (tree, ca) = (Tree::new(), Authority::new("kubernetes"));
    for name in ["plain", "named"] {
        tree.pair(&format!("/{name}"), &ca.leaf(name));
    }
    let by_name = serve(&tree, &["plain", "named"], &["-servername", "lb.example.com"]);
    let demanding = serve(&tree, &["plain"], &["-Verify", "1", "-tls1_2"]);
    let (Some((_a, port)), Some((_b, strict))) = (by_name, demanding) else {
        return;
    };
    for shell in shells() {
        assert_eq!(subject(&ask(&tree, &shell, port, "")), "CN=plain", "{shell:?}");
        assert_eq!(
            subject(&ask(&tree, &shell, port, "lb.example.com")),
            "CN=named",
            "{shell:?}"
        );
        assert_eq!(subject(&ask(&tree, &shell, strict, "")), "CN=plain", "{shell:?}");
    }
}

#[test]
fn every_shell_tells_a_closed_port_from_one_that_speaks_something_else() {
    let tree = Tree::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let http = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    for shell in shells() {
        assert_eq!(ask(&tree, &shell, free_port(), ""), ServedAnswer::Closed, "{shell:?}");
        let other = ask(&tree, &shell, http, "");
        assert!(
            matches!(&other, ServedAnswer::Unknown(why) if why.contains("TLS")),
            "{shell:?}: {other:?}"
        );
    }
}

#[test]
fn without_openssl_nothing_is_claimed() {
    let tree = Tree::new();
    let output = tree.run_with_path(&["/bin/sh"], &scripts::SERVED, &["127.0.0.1", "6443", ""], "/nowhere");
    let answer = on_host::parse(&output).unwrap();
    assert!(
        matches!(&answer, ServedAnswer::Unknown(why) if why.contains("openssl is not installed")),
        "{answer:?}"
    );
}
