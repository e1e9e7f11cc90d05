//! "Did you mean": the nearest of a few known words.

/// The candidate that a typing error away from `word`, if one is near enough. `_` and capitals count as `-` and small.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = word.to_lowercase().replace('_', "-");
    let allowed = (plain.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|c| (distance(&plain, &c.to_lowercase()), c))
        .filter(|(d, _)| *d <= allowed)
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

/// Edits between two words; two swapped neighbours are one edit (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_typing_errors_and_leaves_strangers_alone() {
        let keys = ["user", "port", "identity", "host-key-policy"];
        assert_eq!(nearest("prot", keys), Some("port"));
        assert_eq!(nearest("identiy", keys), Some("identity"));
        assert_eq!(nearest("host_key_policy", keys), Some("host-key-policy"));
        assert_eq!(nearest("color", keys), None);
    }
}
