//! A whole answer of Gemini's generateContent.
//!
//! Owns where its calls and its texts stand. Called by [`super`].

use serde_json::{Map, Value};

use crate::model::call::Proposed;
use crate::model::parts;

/// The calls and their places.
pub(super) fn calls(answer: &Map<String, Value>) -> Result<Vec<(usize, Proposed)>, String> {
    if answer.get("error").is_some_and(|error| !error.is_null()) {
        return Err("it holds an error".to_owned());
    }
    parts::calls(parts::list(answer)?)
}

/// All that is said.
pub(super) fn texts(answer: &Map<String, Value>) -> String {
    parts::list(answer).map(parts::said).unwrap_or_default()
}

/// Puts `refusal` in the place of what follows the first `keep` bytes of text.
pub(super) fn cut(answer: &mut Map<String, Value>, mut keep: usize, refusal: &str) {
    if let Some(list) = parts::list_mut(answer) {
        parts::cut(list, &mut keep, &mut Some(refusal));
    }
}

/// Puts texts in the place of refused calls.
pub(super) fn without(answer: &mut Map<String, Value>, refused: &[(usize, String)]) {
    if let Some(list) = parts::list_mut(answer) {
        parts::without(list, refused);
    }
}
