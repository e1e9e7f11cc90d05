//! What the two halves of a relay answer: requests of the host that keeps the keys, certificates of the one that signs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::model::Output;

use super::error::{ProbeError, text_of};
use super::signing_request;

const REQUEST: &str = "request for a certificate";
const CERTIFICATE: &str = "signed certificate";

/// The requests that the host made, one for each subject and in that order: looked at before they travel on.
///
/// # Errors
/// The script failed, or a request is for somebody else, or not signed by its own key.
pub fn requests(output: &Output, subjects: &[String]) -> Result<String, ProbeError> {
    let (text, ders) = answer(REQUEST, "request", output, subjects.len())?;
    for (der, subject) in ders.iter().zip(subjects) {
        let asked = signing_request::parse_der(der)?;
        if asked.subject != *subject {
            let why = format!("it is for `{}`, not for `{subject}`", asked.subject);
            return Err(ProbeError::format(REQUEST, why));
        }
        if !asked.signed_by_own_key {
            let why = format!("the one for `{subject}` is not signed by the key that is in it");
            return Err(ProbeError::format(REQUEST, why));
        }
    }
    Ok(text)
}

/// The certificates that the signer made, so many.
///
/// # Errors
/// The script failed, or these are no certificates.
pub fn certificates(output: &Output, wanted: usize) -> Result<String, ProbeError> {
    let (text, ders) = answer(CERTIFICATE, "certificate", output, wanted)?;
    for der in &ders {
        super::x509::parse_der(der)?;
    }
    Ok(text)
}

/// The line of that word as it is, and what it says: the base64 of several DERs, with commas between them.
fn answer(
    what: &'static str,
    word: &str,
    output: &Output,
    wanted: usize,
) -> Result<(String, Vec<Vec<u8>>), ProbeError> {
    let text = text_of(what, output)?;
    let line = text.lines().find_map(|l| l.strip_prefix(word)?.strip_prefix('\t'));
    let body = line.ok_or_else(|| ProbeError::format(what, format!("no `{word}` line")))?;
    let parts = body.split(',').map(|part| BASE64.decode(part));
    let ders: Vec<Vec<u8>> = parts
        .collect::<Result<_, _>>()
        .map_err(|e| ProbeError::format(what, e))?;
    if ders.len() != wanted {
        let why = format!("{} came, {wanted} were asked for", ders.len());
        return Err(ProbeError::format(what, why));
    }
    Ok((body.to_owned(), ders))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn request(node: &str) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "system:nodes");
        params
            .distinguished_name
            .push(DnType::CommonName, format!("system:node:{node}"));
        let der = params.serialize_request(&KeyPair::generate().unwrap()).unwrap();
        BASE64.encode(der.der())
    }

    fn subject(node: &str) -> String {
        format!("O=system:nodes, CN=system:node:{node}")
    }

    #[test]
    fn a_request_for_another_node_does_not_travel() {
        let output = Output::new(0, format!("request\t{}\n", request("w1")), "");
        assert!(requests(&output, &[subject("w1")]).is_ok());
        let error = requests(&output, &[subject("w2")]).unwrap_err();
        assert!(error.to_string().contains("system:node:w1"), "{error}");
        let refused = Output::new(3, "", "there is no openssl on this host");
        assert!(requests(&refused, &[subject("w1")]).is_err());
        assert!(certificates(&Output::new(0, "certificate\t!!\n", ""), 1).is_err());
    }

    #[test]
    fn a_request_with_another_key_in_it_is_called_so() {
        let mut der = BASE64.decode(request("w1")).unwrap();
        // The last byte of the signature.
        *der.last_mut().unwrap() ^= 1;
        let output = Output::new(0, format!("request\t{}\n", BASE64.encode(der)), "");
        let error = requests(&output, &[subject("w1")]).unwrap_err().to_string();
        assert!(error.contains("is not signed by the key that is in it"), "{error}");
    }

    #[test]
    fn several_come_in_the_order_in_which_they_were_asked_for() {
        let output = Output::new(0, format!("request\t{},{}\n", request("a"), request("b")), "");
        assert!(requests(&output, &[subject("a"), subject("b")]).is_ok());
        assert!(requests(&output, &[subject("b"), subject("a")]).is_err());
        let error = requests(&output, &[subject("a")]).unwrap_err();
        assert!(error.to_string().contains("2 came, 1 were asked for"), "{error}");
    }
}
