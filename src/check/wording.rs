//! Times as a person says them.

use jiff::{SignedDuration, Timestamp};

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;
const DAY: i64 = 86_400;

/// The greatest unit that counts at least two: `45 s`, `90 min`, `26 h`, `218 days`.
pub fn age(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().abs();
    if seconds < 2 * MINUTE {
        format!("{seconds} s")
    } else if seconds < 2 * HOUR {
        format!("{} min", seconds / MINUTE)
    } else if seconds < 2 * DAY {
        format!("{} h", seconds / HOUR)
    } else {
        format!("{} days", seconds / DAY)
    }
}

/// `2 h ago`, or `2 h to 3 days ago` where several moments differ that much.
pub(super) fn ago(now: Timestamp, moments: &[Timestamp]) -> String {
    span(now, moments, |text| format!("{text} ago"))
}

/// `in 5 days`, or `in 5 to 9 days`.
pub(super) fn ahead(now: Timestamp, moments: &[Timestamp]) -> String {
    span(now, moments, |text| format!("in {text}"))
}

fn span(now: Timestamp, moments: &[Timestamp], dress: impl Fn(&str) -> String) -> String {
    let mut distances: Vec<SignedDuration> = moments.iter().map(|m| m.duration_since(now).abs()).collect();
    distances.sort_unstable();
    match (distances.first().map(|d| age(*d)), distances.last().map(|d| age(*d))) {
        (Some(near), Some(far)) if near != far => dress(&range(&near, &far)),
        (Some(only), _) => dress(&only),
        _ => "at an unknown time".to_owned(),
    }
}

/// `5 to 9 days`, `50 min to 3 h`.
fn range(near: &str, far: &str) -> String {
    let unit = |text: &str| text.split_once(' ').map(|(_, unit)| unit.to_owned());
    match near.split_once(' ') {
        Some((number, mine)) if unit(far).as_deref() == Some(mine) => format!("{number} to {far}"),
        _ => format!("{near} to {far}"),
    }
}

/// The days on which something happened: `2020-03-16`, `2020-03-16 to 2020-03-18`.
pub(super) fn days(moments: &[Timestamp]) -> Option<String> {
    let day = |t: &Timestamp| t.strftime("%Y-%m-%d").to_string();
    let (first, last) = (moments.iter().min().map(day)?, moments.iter().max().map(day)?);
    Some(if first == last {
        first
    } else {
        format!("{first} to {last}")
    })
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::fixtures::at;

    #[test]
    fn moments_of_several_hosts_become_one_span() {
        let now = at("2020-11-22T12:00:00Z");
        let table = [
            (vec!["2020-11-22T10:00:00Z"], "2 h ago"),
            (
                vec!["2020-11-22T10:00:00Z", "2020-11-22T10:20:00Z"],
                "100 min to 2 h ago",
            ),
            (vec!["2020-11-13T10:00:00Z", "2020-11-17T10:20:00Z"], "5 to 9 days ago"),
            (vec![], "at an unknown time"),
        ];
        for (moments, said) in table {
            let moments: Vec<Timestamp> = moments.into_iter().map(at).collect();
            assert_eq!(ago(now, &moments), said);
        }
        assert_eq!(
            days(&[at("2020-03-18T00:00:00Z"), at("2020-03-16T00:00:00Z")]).as_deref(),
            Some("2020-03-16 to 2020-03-18")
        );
    }
}
