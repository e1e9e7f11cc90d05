//! The same handshake by `openssl s_client` on the host, where tunnels are forbidden or our TLS is too new for the server.

use x509_parser::pem::Pem;

use super::{Endpoint, ServedAnswer};
use crate::model::{Command, Output, mask, scripts};
use crate::probes::error::{ProbeError, text_of};
use crate::probes::x509;

const WHAT: &str = "served certificate";

/// `certfleet:served`; an empty `sni` sends none.
pub fn command(endpoint: &Endpoint, sni: &str) -> Command {
    Command::script(
        &scripts::SERVED,
        [endpoint.address.as_str(), &endpoint.port.to_string(), sni],
    )
}

/// What the server showed, or why it showed nothing.
///
/// # Errors
/// The script did not run, or what it printed is no certificate.
pub fn parse(output: &Output) -> Result<ServedAnswer, ProbeError> {
    let text = text_of(WHAT, output)?;
    let (head, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let (word, said) = head.split_once('\t').unwrap_or((head, ""));
    match word {
        "certificate" => leaf(rest),
        "closed" => Ok(ServedAnswer::Closed),
        "silent" | "not-tls" | "unknown" => Ok(ServedAnswer::Unknown(mask(said.trim()))),
        _ => Err(ProbeError::format(WHAT, format!("odd line `{head}`"))),
    }
}

fn leaf(pem: &str) -> Result<ServedAnswer, ProbeError> {
    let block = Pem::iter_from_buffer(pem.as_bytes()).next().and_then(Result::ok);
    let block = block.ok_or_else(|| ProbeError::format(WHAT, "its PEM is damaged"))?;
    x509::parse_der(&block.contents).map(|x509| ServedAnswer::Certificate(Box::new(x509)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_of_the_script_has_its_answer() {
        let read = |text: &str| parse(&Output::new(0, text, ""));
        assert_eq!(read("closed\tconnection refused\n"), Ok(ServedAnswer::Closed));
        assert_eq!(
            read("silent\tno answer\n"),
            Ok(ServedAnswer::Unknown("no answer".to_owned()))
        );
        assert!(read("certificate\tTLSv1\nnonsense\n").is_err());
        assert!(read("").is_err());
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = rcgen::CertificateParams::new(vec!["m1".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap()
            .pem();
        let answer = read(&format!("certificate\tTLSv1\n{pem}")).unwrap();
        assert!(matches!(answer, ServedAnswer::Certificate(x509) if x509.sans == ["m1"]));
    }
}
