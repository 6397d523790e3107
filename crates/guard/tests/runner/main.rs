//! The one door from outside: what a door may see of it, and what the compiler must refuse.

mod forgeries;
