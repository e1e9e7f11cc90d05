//! When does the CNI's token end? Only the payload of the token is read, which names times and accounts, no secret.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;

use super::error::ProbeError;

const WHAT: &str = "CNI token";

#[derive(Deserialize)]
struct Claims {
    exp: Option<i64>,
}

/// `exp` of a JWT's payload (the middle part, base64url). `None`: a token without an end (before Kubernetes 1.21).
///
/// # Errors
/// Not the payload of a JWT.
pub fn parse(payload: &str) -> Result<Option<Timestamp>, ProbeError> {
    // The payload itself is never put into an error.
    let not = || ProbeError::format(WHAT, "not the payload of a JWT");
    let json = URL_SAFE_NO_PAD
        .decode(payload.trim().trim_end_matches('='))
        .map_err(|_| not())?;
    let claims: Claims = serde_json::from_slice(&json).map_err(|_| not())?;
    claims
        .exp
        .map(|seconds| Timestamp::from_second(seconds).map_err(|_| not()))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_end_of_a_token() {
        let payload = |json: &str| URL_SAFE_NO_PAD.encode(json);
        let read = |json: &str| parse(&payload(json));
        assert_eq!(
            read(r#"{"exp":1600000000,"iss":"x"}"#).unwrap(),
            Timestamp::from_second(1_600_000_000).ok()
        );
        assert_eq!(read(r#"{"iss":"kubernetes/serviceaccount"}"#).unwrap(), None);
        assert!(parse("secret.!").is_err_and(|e| !e.to_string().contains("secret")));
    }
}
