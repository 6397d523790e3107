//! What the user asked for.
//!
//! Owns [`Request`]: the user's words, and whether they order a kind of act. Words in quotes, denied ones and things to be
//! reminded of order nothing. Only the user's own messages are read; what the operator says of tools orders no act.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use creel_guard::{CallClass, Intent};

use crate::lexicon;
use crate::tongues;
use crate::tool::Tool;
use crate::words::{Word, stem, words};

/// The user's words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) words: Vec<Word>,
}

/// Words that are a deed after `please` and a thing after `the`.
const BOTH: [&str; 26] = [
    "lock", "email", "mail", "message", "text", "post", "book", "note", "file", "share", "report", "order", "transfer",
    "record", "log", "call", "answer", "plan", "schedule", "tag", "label", "play", "set", "payment", "refund",
    "comment",
];
static BOTH_STEMS: LazyLock<BTreeSet<String>> = LazyLock::new(|| BOTH.iter().map(|both| stem(both)).collect());
/// What stands before a thing.
const BEFORE_A_THING: [&str; 36] = [
    "the",
    "a",
    "an",
    "my",
    "your",
    "his",
    "her",
    "their",
    "our",
    "this",
    "that",
    "these",
    "those",
    "any",
    "each",
    "every",
    "of",
    "in",
    "on",
    "by",
    "via",
    "from",
    "through",
    "unread",
    "recent",
    "latest",
    "last",
    "first",
    "following",
    "direct",
    "all",
    "new",
    "received",
    "sent",
    "slack",
    "calendar",
];
/// Words that wish for a thing.
const WISHES: [&str; 5] = ["get", "need", "want", "like", "have"];
const DENIALS: [&str; 7] = ["not", "dont", "never", "without", "instead", "avoid", "stop"];
/// How many words a denial reaches.
const REACH: usize = 3;

impl Request {
    pub(crate) fn hear(&mut self, text: &str) {
        self.words.extend(words(text));
    }

    /// Whether any of the words stands in the request, quotes included.
    pub(crate) fn mentions(&self, any: &[&str]) -> bool {
        self.words.iter().any(|word| any.contains(&word.text.as_str()))
    }

    pub(crate) fn mentions_stem(&self, wanted: &str) -> bool {
        self.words.iter().any(|word| word.stem == wanted)
    }

    /// Whether it holds this verb, in any language that is known.
    pub(crate) fn mentions_verb(&self, wanted: &str) -> bool {
        self.words.iter().any(|word| word.stem == wanted || tongues::verbs(&word.text).any(|verb| verb == wanted))
    }

    /// Whether it orders a call of this tool.
    pub(crate) fn orders(&self, tool: &Tool) -> Intent {
        if tool.class == CallClass::Read {
            return Intent::Ordered;
        }
        let own;
        let stems = if tool.class == CallClass::Contained {
            &*lexicon::WORKING_STEMS
        } else {
            own = lexicon::ordering_stems(tool.class, &tool.verbs, &tool.nouns);
            &own
        };
        let ordered = self.words.iter().enumerate().filter(|(_, word)| !word.quoted).any(|(at, word)| {
            let english = stems.contains(&word.stem) && self.is_deed(at, word) && !self.is_denied(at);
            english
                || self.is_imperative(at, word, &tool.nouns)
                || (!word.name && self.is_ordered_abroad(at, word, stems))
        });
        if ordered { Intent::Ordered } else { Intent::None }
    }

    /// `Vacuum the kitchen`: a thing of the tool's name is the deed.
    fn is_imperative(&self, at: usize, word: &Word, nouns: &[String]) -> bool {
        let object =
            |next: &Word| matches!(next.text.as_str(), "the" | "my" | "our" | "this" | "that" | "all" | "every" | "it");
        word.starts && nouns.contains(&word.stem) && self.words.get(at + 1).is_some_and(object)
    }

    /// The word orders one of the deeds in another language; there a denial may stand behind it.
    fn is_ordered_abroad(&self, at: usize, word: &Word, stems: &BTreeSet<String>) -> bool {
        let around =
            self.words.get(at.saturating_sub(REACH)..(at + REACH + 2).min(self.words.len())).unwrap_or_default();
        tongues::verbs(&word.text).any(|verb| stems.contains(verb))
            && !around.iter().any(|word| tongues::denies(&word.text))
    }

    fn is_deed(&self, at: usize, word: &Word) -> bool {
        // `Get me an appointment`, `I need a flight`: what isn't there yet.
        if WISHES.contains(&word.text.as_str()) && !(word.text == "like" && word.starts) {
            let behind = self.words.get(at + 1..(at + 3).min(self.words.len())).unwrap_or_default();
            return behind.iter().any(|word| matches!(word.text.as_str(), "a" | "an" | "another"));
        }
        if !BOTH_STEMS.contains(&word.stem) {
            return true;
        }
        let before = at.checked_sub(1).and_then(|at| self.words.get(at)).filter(|_| !word.starts);
        let thing = before.is_some_and(|before| BEFORE_A_THING.contains(&before.text.as_str()) || before.quoted);
        // `refund`, `transfer`, `a reservation`: asked for as things just as well.
        let wanted = before.is_some_and(|before| matches!(before.text.as_str(), "a" | "an" | "the"))
            && at.checked_sub(2).and_then(|at| self.words.get(at)).is_some_and(|verb| {
                ["send", "mak", "write", "creat", "giv", "issu", "post", "set", "do"].contains(&verb.stem.as_str())
            });
        let plural =
            word.text.ends_with('s') && before.is_some_and(|before| !matches!(before.text.as_str(), "he" | "she"));
        (!thing || wanted) && !plural
    }

    fn is_denied(&self, at: usize) -> bool {
        let from = at.saturating_sub(REACH);
        let before = self.words.get(from..at).unwrap_or_default();
        // A new sentence ends a denial; `don't forget to` is none.
        let since = before.iter().rposition(|word| word.starts).unwrap_or(0);
        let near = before.get(since..).unwrap_or_default();
        let denied = near.iter().any(|word| DENIALS.contains(&word.text.as_str()));
        let forget = near.iter().any(|word| matches!(word.stem.as_str(), "forget" | "hesitat" | "only"));
        let reminded =
            near.iter().any(|word| word.stem == "remind") && near.last().is_some_and(|word| word.text == "to");
        (denied && !forget) || reminded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::Tools;

    fn check(request: &str, tool: &str, ordered: bool) {
        let mut heard = Request::default();
        heard.hear(request);
        let found = heard.orders(&Tools::default().get(tool));
        assert_eq!(found == Intent::Ordered, ordered, "{request}: {tool}");
    }

    #[test]
    fn a_request_orders_what_it_names() {
        check("Please send Anna the summary", "send_email", true);
        check("Email Anna the summary", "send_email", true);
        check("Summarize the email from Anna", "send_email", false);
        check("Please show me my unread emails", "send_email", false);
        check("Don't forget to invite Mark", "invite_user", true);
        check("Pay the rent", "send_money", true);
        check("What did I pay in March?", "delete_file", false);
        check("Create an event titled 'Delete the backups'", "delete_file", false);
        check("Do not delete anything", "delete_file", false);
        check("Remind me to book the hotel", "reserve_hotel", false);
        check("Please make a reservation for me", "reserve_hotel", true);
        check("Change my password to x", "update_password", true);
        check("Unlock the front door", "SmartLockUnlockDoor", true);
        check("Find reviews of the lock", "SmartLockUnlockDoor", false);
        check("anything at all", "list_files", true);
        check("Überweise bitte 75 Euro an Ben", "transfer_money", true);
        check("Zeig mir die letzten Zahlungen", "transfer_money", false);
        check("Lösche die Datei auf keinen Fall", "delete_file", false);
        check("Lösche die Datei nicht", "delete_file", false);
        check("Envoie un mail à Sophie", "send_email", true);
        check("Apaga la luz de la cocina", "set_light", true);
        check("把会议改期的消息发给王伟", "send_email", true);
        check("不要发送邮件", "send_email", false);
        check("Turn the lights in the hall down", "set_light", true);
        check("Buy the book that Anna named", "add_to_cart", true);
        check("Remind me of the dentist", "create_event", true);
        check("Vacuum the kitchen", "start_vacuum", true);
        check("Get me an appointment with Dr Adler", "make_appointment", true);
        check("Get me the appointments of today", "make_appointment", false);
        check("Pay the rent", "send_email", false);
        check("What is in my cart?", "add_to_cart", false);
    }
}
