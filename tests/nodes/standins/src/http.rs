//! Just enough HTTP/1.1: a client that keeps its connection as Go's do, and the server's side of one request.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::tls::{Client, ClientStream, Failure};

/// A message's head and body.
#[derive(Debug, Default)]
pub struct Message {
    /// First line, without its end.
    pub start: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Message {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map_or("", |(_, v)| v)
    }
}

/// Reads one message; `None` when the peer is gone before its first byte.
pub fn read(stream: &mut impl Read) -> io::Result<Option<Message>> {
    let mut head = Vec::new();
    let mut byte = [0u8; 1];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            if head.is_empty() {
                return Ok(None);
            }
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.push(byte[0]);
        if head.len() > 65536 {
            return Err(io::Error::other("head too long"));
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.split("\r\n");
    let mut message = Message {
        start: lines.next().unwrap_or_default().to_owned(),
        ..Message::default()
    };
    for line in lines {
        if let Some((name, value)) = line.split_once(':') {
            message.headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    message.body = body(stream, &message)?;
    Ok(Some(message))
}

fn body(stream: &mut impl Read, message: &Message) -> io::Result<Vec<u8>> {
    if message.header("transfer-encoding").eq_ignore_ascii_case("chunked") {
        return chunks(stream);
    }
    let length: usize = message.header("content-length").parse().unwrap_or(0);
    let mut body = vec![0; length.min(1 << 24)];
    stream.read_exact(&mut body)?;
    Ok(body)
}

fn chunks(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let size = usize::from_str_radix(line(stream)?.trim(), 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; size.min(1 << 24)];
        stream.read_exact(&mut chunk)?;
        all.extend_from_slice(&chunk);
        line(stream)?;
        if size == 0 {
            return Ok(all);
        }
    }
}

fn line(stream: &mut impl Read) -> io::Result<String> {
    let mut text = Vec::new();
    let mut byte = [0u8; 1];
    while !text.ends_with(b"\n") {
        stream.read_exact(&mut byte)?;
        text.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&text).trim_end().to_owned())
}

/// Writes a response.
pub fn respond(stream: &mut impl Write, status: u16, kind: &str, body: &[u8]) -> io::Result<()> {
    let reason = match status {
        200 => "OK",
        201 => "Created",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        _ => "Internal Server Error",
    };
    let head = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut all = head.into_bytes();
    all.extend_from_slice(body);
    stream.write_all(&all)?;
    stream.flush()
}

/// A client of one endpoint that keeps its connection open as long as it works.
#[derive(Debug)]
pub struct Session {
    pub tls: Client,
    pub host: String,
    pub port: u16,
    stream: Option<ClientStream>,
    timeout: Duration,
}

impl Session {
    /// `url` is `https://HOST:PORT`.
    pub fn new(tls: Client, url: &str, timeout: Duration) -> Self {
        let place = url.trim_start_matches("https://").trim_end_matches('/');
        let (host, port) = place.rsplit_once(':').unwrap_or((place, "443"));
        Self {
            tls,
            host: host.to_owned(),
            port: port.parse().unwrap_or(443),
            stream: None,
            timeout,
        }
    }

    pub fn url(&self) -> String {
        format!("https://{}:{}", self.host, self.port)
    }

    /// Asks; over the open connection if there is one, over a new one if that turns out to be dead.
    pub fn ask(&mut self, method: &str, path: &str, body: Option<&str>) -> Result<(u16, Vec<u8>), Failure> {
        if let Some(mut stream) = self.stream.take()
            && let Ok(answer) = exchange(&mut stream, &self.host, method, path, body)
        {
            self.stream = Some(stream);
            return Ok(answer);
        }
        let mut stream = self.connect()?;
        let answer =
            exchange(&mut stream, &self.host, method, path, body).map_err(|e| match Failure::of(&e, &self.host) {
                Failure::Timeout => Failure::Other("context deadline exceeded".to_owned()),
                other => other,
            })?;
        self.stream = Some(stream);
        Ok(answer)
    }

    fn connect(&self) -> Result<ClientStream, Failure> {
        let place = format!("{}:{}", self.host, self.port);
        let address = place.to_socket_addrs().ok().and_then(|mut a| a.next());
        let address = address.ok_or_else(|| Failure::Other(format!("dial tcp: lookup {}: no such host", self.host)))?;
        let tcp = TcpStream::connect_timeout(&address, self.timeout).map_err(|e| match e.kind() {
            io::ErrorKind::ConnectionRefused => Failure::Refused(place.clone()),
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                Failure::Other(format!("dial tcp {place}: i/o timeout"))
            }
            io::ErrorKind::HostUnreachable => Failure::Other(format!("dial tcp {place}: connect: no route to host")),
            _ => Failure::Other(format!("dial tcp {place}: {e}")),
        })?;
        let _ = tcp.set_nodelay(true);
        let _ = tcp.set_read_timeout(Some(self.timeout));
        let _ = tcp.set_write_timeout(Some(self.timeout));
        self.tls.connect(&self.host, tcp)
    }
}

fn exchange(
    stream: &mut ClientStream,
    host: &str,
    method: &str,
    path: &str,
    body: Option<&str>,
) -> io::Result<(u16, Vec<u8>)> {
    let body = body.unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let message = read(stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = message
        .start
        .split(' ')
        .nth(1)
        .and_then(|s| s.parse().ok())
        .unwrap_or(0);
    Ok((status, message.body))
}
