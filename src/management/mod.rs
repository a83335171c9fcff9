//! What operators see: the log, and the control socket's words.

pub mod control;
pub mod log;
