//! A check for programs. The form is described in `docs/reference/check-json.md` and `check.schema.json`.

use serde_json::Value;

use crate::check::Findings;

/// Counts up when a reader of the JSON must change; new fields do not count.
pub const SCHEMA_VERSION: u32 = 1;

/// One object.
pub fn check_json(findings: &Findings) -> String {
    let mut value = serde_json::to_value(findings).unwrap_or_default();
    if let Value::Object(object) = &mut value {
        object.insert("schema_version".to_owned(), SCHEMA_VERSION.into());
    }
    serde_json::to_string_pretty(&value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::findings;

    /// Enough of JSON Schema to keep the document and the schema together: every key is described, every required one there.
    fn check(value: &Value, schema: &Value, root: &Value, at: &str) {
        let schema = match schema["$ref"].as_str() {
            Some(path) => &root["$defs"][path.trim_start_matches("#/$defs/")],
            None => schema,
        };
        match value {
            Value::Object(map) => {
                if schema["properties"].is_null() {
                    let options = schema["oneOf"]
                        .as_array()
                        .unwrap_or_else(|| panic!("{at} is not described"));
                    let fits = |o: &&Value| map.keys().all(|k| !o["properties"][k].is_null());
                    assert!(options.iter().any(|o| fits(&o)), "{at} fits no form");
                    return;
                }
                for (key, inner) in map {
                    let described = &schema["properties"][key];
                    assert!(!described.is_null(), "{at}.{key} is not described");
                    check(inner, described, root, &format!("{at}.{key}"));
                }
                for key in schema["required"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                {
                    assert!(map.contains_key(key), "{at}.{key} is required");
                }
            }
            Value::Array(items) => items
                .iter()
                .for_each(|i| check(i, &schema["items"], root, &format!("{at}[]"))),
            Value::String(word) if schema["enum"].is_array() => {
                assert!(
                    schema["enum"].as_array().is_some_and(|e| e.contains(value)),
                    "{at}: `{word}` is not listed"
                );
            }
            _ => {}
        }
    }

    #[test]
    fn the_document_is_what_the_schema_says() {
        let schema: Value = serde_json::from_str(include_str!("../../docs/reference/check.schema.json")).unwrap();
        let value: Value = serde_json::from_str(&check_json(&findings())).unwrap();
        assert_eq!(value["schema_version"], 1);
        assert_eq!(value["level"], "critical");
        check(&value, &schema, &schema, "$");
    }
}
