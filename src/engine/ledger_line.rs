//! One line of a ledger: the event as JSON, with a checksum as its last field, so that a person, `jq` and a resumed run
//! can all read it.
//!
//! `{"ledger":1,"seq":1,"at":…,"event":"run-started",…,"sum":"0123456789abcdef"}`. The sum is the first 16 hex digits of
//! the SHA-256 of everything before `,"sum"`. `ledger` is the form of the lines and stands in the first one only.

use sha2::{Digest, Sha256};

use crate::event::Event;

/// Counts up when a reader must change.
pub const LEDGER_FORMAT: u32 = 1;

const SUM_FIELD: &str = ",\"sum\":\"";
const SUM_DIGITS: usize = 16;
/// The field, the digits, and `"}`.
const TAIL: usize = SUM_FIELD.len() + SUM_DIGITS + 2;

/// The line without its newline.
///
/// # Errors
/// An event without a JSON form; there is none.
pub fn encode(event: &Event) -> Result<String, String> {
    let json = serde_json::to_string(event).map_err(|e| e.to_string())?;
    let inner = json.strip_prefix('{').and_then(|j| j.strip_suffix('}'));
    let inner = inner.ok_or("an event that is no JSON object")?;
    let head = if event.seq == 1 {
        format!("{{\"ledger\":{LEDGER_FORMAT},{inner}")
    } else {
        format!("{{{inner}")
    };
    let sum = sum(head.as_bytes());
    Ok(format!("{head}{SUM_FIELD}{sum}\"}}"))
}

/// The event of a line, after its checksum was compared.
///
/// # Errors
/// What is wrong with the line, in a few words.
pub fn decode(line: &[u8]) -> Result<Event, String> {
    let cut = line.len().checked_sub(TAIL).ok_or("it is too short")?;
    let (head, tail) = line.split_at(cut);
    let said = tail
        .strip_prefix(SUM_FIELD.as_bytes())
        .and_then(|t| t.strip_suffix(b"\"}"))
        .ok_or("it has no checksum")?;
    if said != sum(head).as_bytes() {
        return Err("its checksum does not match: it was changed, or the disk is damaged".to_owned());
    }
    let mut json = head.to_vec();
    json.push(b'}');
    let value: serde_json::Value = serde_json::from_slice(&json).map_err(|e| e.to_string())?;
    match value.get("ledger").and_then(serde_json::Value::as_u64) {
        Some(format) if format > u64::from(LEDGER_FORMAT) => Err(format!(
            "ledger form {format} is newer than this certfleet, which reads {LEDGER_FORMAT}"
        )),
        _ => serde_json::from_value(value).map_err(|e| e.to_string()),
    }
}

fn sum(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().take(SUM_DIGITS / 2).map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventKind;
    use proptest::prelude::*;

    fn event(seq: u64, why: &str) -> Event {
        let kind = EventKind::HostExcluded {
            phase: "p".to_owned(),
            host: "w1".into(),
            why: why.to_owned(),
        };
        Event {
            seq,
            at: jiff::Timestamp::UNIX_EPOCH,
            kind,
        }
    }

    #[test]
    fn a_newer_form_says_so() {
        let head = encode(&event(1, "x"))
            .expect("a line")
            .replacen("\"ledger\":1", "\"ledger\":9", 1);
        let head = &head[..head.len() - TAIL];
        let line = format!("{head}{SUM_FIELD}{}\"}}", sum(head.as_bytes()));
        assert!(decode(line.as_bytes()).expect_err("newer").contains("newer"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_no_changed_byte_passes(seq in 1u64..9, why in ".{0,40}", at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let line = encode(&event(seq, &why)).expect("a line");
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(decode(line.as_bytes()), Ok(event(seq, &why)));
            let mut bent = line.into_bytes();
            let index = at.index(bent.len());
            bent[index] ^= 1 << bit;
            prop_assert!(decode(&bent).is_err());
        }

        #[test]
        fn any_bytes_are_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(decode(&bytes).is_err());
        }
    }
}
