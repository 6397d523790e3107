//! A model provider that needs no network and no key.
//!
//! Owns [`ScriptedModel`]: OpenAI Chat Completions and Responses, Anthropic Messages and Gemini's
//! generateContent, streamed or not, played either by a helpful
//! assistant that obeys three plain commands or by a hijacked one that follows an attack script. It reads no file, opens
//! no connection and knows nothing of Creel's doors. The binary puts it behind the model door; tests serve it on a socket.

#![forbid(unsafe_code)]

mod anthropic;
mod body;
mod conversation;
mod gemini;
mod helpful;
mod openai;
mod reply;
mod responses;
mod script;
mod service;

pub use body::Body;
pub use script::{Script, ScriptError};
pub use service::{ScriptedModel, serve};
