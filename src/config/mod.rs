//! YAML files to model.
