//! Data files of `models/`, each read as a type of the module that uses it.

use serde::de::DeserializeOwned;

/// Data of `models/` that a module reads.
pub trait Model: Sized {
    /// Its files below `models/`.
    const FILES: &'static [&'static str];

    /// Parses the texts of these files, in their order.
    ///
    /// # Errors
    /// What is wrong with a text.
    fn parse(texts: &[String]) -> Result<Self, String>;
}

/// Parses the text of a model that is one TOML file.
///
/// # Errors
/// What is wrong with the text.
pub fn from_toml<T: DeserializeOwned>(texts: &[String]) -> Result<T, String> {
    let text = texts.first().map_or("", String::as_str);
    toml::from_str(text).map_err(|error| error.to_string())
}
