//! What a text says once its disguises are off.
//!
//! Owns the order of the steps (escapes, characters, markup, entities, then trial decoding, two levels deep) and their
//! bounds. Every result is a [`View`] that leads back to the bytes as given; nothing here judges. Called by the scanner for
//! texts in which the tokeniser saw something to look at, and by the sanitiser.

pub(crate) mod ciphers;
pub(crate) mod encodings;
pub(crate) mod entities;
pub(crate) mod escapes;
pub(crate) mod lookalikes;
pub(crate) mod markup;
pub(crate) mod unicode;

use crate::lexicon::Class;
use crate::token::{Seen, Token, split};
use crate::view::View;

/// The most that trial decoding makes out of one text, in bytes, all levels together.
const DECODED: usize = 64 * 1024;
/// Encodings inside encodings that are opened.
const LEVELS: u8 = 2;
/// Escapes in entities in markup: rounds after which nothing is undone any more.
const ROUNDS: usize = 3;
/// Decoded texts looked at in one text.
const LAYERS: usize = 48;

/// How a layer came about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    /// What a reader sees.
    Visible,
    /// What markup keeps from a reader's eyes: comments, attributes, invisible elements.
    Hidden,
    /// Written in characters that nobody sees.
    Smuggled,
    /// Decoded from base64, hex, rot13 and the like.
    Decoded,
}

/// One readable text inside the text given.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) origin: Origin,
    /// `None`: the text as given.
    pub(crate) view: Option<View>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) seen: Seen,
}

impl Layer {
    pub(crate) fn text<'a>(&'a self, given: &'a str) -> &'a str {
        self.view.as_ref().map_or(given, |view| &view.text)
    }
}

/// Whether the tokeniser saw anything that a step here would undo.
pub(crate) fn is_plain(text: &str, seen: &Seen) -> bool {
    let disguised = seen.has(Seen::WIDE | Seen::CONTROL)
        || seen.has(Seen::BACKSLASH) && escapes::any(text)
        || seen.has(Seen::ANGLE) && markup::any(text)
        || seen.has(Seen::AMPERSAND | Seen::PERCENT) && entities::any(text);
    !disguised
}

/// All layers of a text that was split already. The first is the text itself, or what a reader sees of it.
pub(crate) fn layers(text: &str, tokens: Vec<Token>, seen: Seen) -> Vec<Layer> {
    let mut layers = Vec::new();
    if is_plain(text, &seen) {
        layers.push(Layer { origin: Origin::Visible, view: None, tokens, seen });
    } else {
        peel(View::of(text), Origin::Visible, &mut layers);
    }
    let (mut from, mut budget) = (0, DECODED);
    for _ in 0..LEVELS {
        let to = layers.len();
        let mut found = Vec::new();
        for layer in layers.iter().take(to).skip(from) {
            decoded(layer, text, &mut budget, &mut found);
        }
        from = to;
        for view in found {
            if layers.len() < LAYERS {
                peel(view, Origin::Decoded, &mut layers);
            }
        }
    }
    layers
}

/// Undoes escapes, characters, markup and entities; what they hid become layers of their own.
fn peel(view: View, origin: Origin, layers: &mut Vec<Layer>) {
    let mut view = view;
    let mut hidden = View::default();
    let mut smuggled = View::default();
    for _ in 0..ROUNDS {
        let mut changed = false;
        if escapes::any(&view.text) {
            view = escapes::undo(&view.text).within(&view);
            changed = true;
        }
        if let Some((clean, secret)) = unicode::clean(&view.text) {
            append(&mut smuggled, secret.within(&view));
            view = clean.within(&view);
        }
        if let Some(latin) = lookalikes::undo(&view.text) {
            view = latin.within(&view);
        }
        if markup::any(&view.text) {
            let (visible, unseen) = markup::strip(&view.text);
            append(&mut hidden, unseen.within(&view));
            view = visible.within(&view);
            changed = true;
        }
        if entities::any(&view.text) {
            view = entities::undo(&view.text).within(&view);
            changed = true;
        }
        if !changed {
            break;
        }
    }
    push(view, origin, layers);
    for (view, origin) in [(hidden, Origin::Hidden), (smuggled, Origin::Smuggled)] {
        if !view.text.is_empty() {
            let view = if entities::any(&view.text) { entities::undo(&view.text).within(&view) } else { view };
            push(view, origin, layers);
        }
    }
}

fn append(to: &mut View, from: View) {
    if to.text.is_empty() {
        *to = from;
    } else {
        to.join(from);
    }
}

fn push(view: View, origin: Origin, layers: &mut Vec<Layer>) {
    let mut tokens = Vec::new();
    let seen = split(&view.text, &mut tokens);
    layers.push(Layer { origin, view: Some(view), tokens, seen });
}

/// What trial decoding makes of a layer.
fn decoded(layer: &Layer, given: &str, budget: &mut usize, found: &mut Vec<View>) {
    let text = layer.text(given);
    let mut fresh = Vec::new();
    let may_be_binary = layer.seen.count(Class::Number) >= 8;
    if layer.seen.has(Seen::LONG) || may_be_binary || layer.seen.has(Seen::ANGLE) && text.contains("<~") {
        encodings::find(text, *budget, &mut fresh);
    }
    ciphers::find(text, &layer.tokens, &layer.seen, *budget, &mut fresh);
    for view in fresh {
        *budget = budget.saturating_sub(view.text.len());
        found.push(match &layer.view {
            Some(parent) => view.within(parent),
            None => view,
        });
    }
}
