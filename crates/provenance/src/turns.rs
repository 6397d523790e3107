//! A conversation turn by turn, whatever wire format it came in.
//!
//! Owns [`Turn`] and the way from turns to a [`Conversation`]. Results find their call by id; one without a call is text
//! that nobody vouches for. The model door and `creel judge` read their own forms into turns and come here.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::conversation::Conversation;
use crate::tool::Tools;

/// One step of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// What the operator says: trusted for values, orders no act.
    Operator(String),
    /// What the user says.
    User(String),
    /// What nobody vouches for: the model's own words, other roles, other sources.
    Untrusted(String),
    /// A call that was made.
    Call {
        /// The id by which its result names it.
        id: String,
        /// Its tool.
        tool: String,
        /// Its arguments.
        arguments: Map<String, Value>,
    },
    /// What a call brought back.
    Result {
        /// The id of the call.
        id: String,
        /// The tool, where the result says so itself.
        tool: Option<String>,
        /// The text.
        text: String,
    },
}

impl Conversation {
    /// Hears turns in their order.
    pub fn hear(&mut self, turns: Vec<Turn>, tools: &Tools) {
        let mut open: HashMap<String, (String, Map<String, Value>)> = HashMap::new();
        for turn in turns {
            match turn {
                Turn::Operator(text) => self.operator(&text),
                Turn::User(text) => self.user(&text),
                Turn::Untrusted(text) => self.untrusted(&text, tools),
                Turn::Call { id, tool, arguments } => {
                    self.call(&tool, &arguments, tools);
                    open.insert(id, (tool, arguments));
                }
                Turn::Result { id, tool, text } => match (open.remove(&id), tool) {
                    (Some((tool, arguments)), _) => self.result(&tool, &arguments, &text, tools),
                    (None, Some(tool)) => self.result(&tool, &Map::new(), &text, tools),
                    (None, None) => self.untrusted(&text, tools),
                },
            }
        }
    }
}
