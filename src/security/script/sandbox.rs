use std::cell::Cell;

use rhai::module_resolvers::DummyModuleResolver;
use rhai::{Engine, EvalAltResult};

use crate::security::{Secret, StoredPassword};

const OPERATIONS_MAX: u64 = 10_000;
const TEXT_MAX: usize = 64 * 1024;
const ELEMENTS_MAX: usize = 1024;
const VARIABLES_MAX: usize = 64;
const CALLS_MAX: usize = 16;
const DEPTH_MAX: usize = 64;

/// Passwords that a run of `authenticate` may check: each costs what a login costs. No other function may check one, since
/// others are called where nothing may take long.
pub const CHECKS_MAX: u32 = 4;

/// Characters of a line that a script writes to the log.
const SHOWN_MAX: usize = 256;

thread_local! {
    static CHECKS_LEFT: Cell<u32> = const { Cell::new(0) };
}

/// An engine whose scripts are bounded in time and memory, and reach nothing but their arguments.
pub fn engine() -> Engine {
    let mut engine = Engine::new();
    engine
        .set_max_operations(OPERATIONS_MAX)
        .set_max_string_size(TEXT_MAX)
        .set_max_array_size(ELEMENTS_MAX)
        .set_max_map_size(ELEMENTS_MAX)
        .set_max_variables(VARIABLES_MAX)
        .set_max_call_levels(CALLS_MAX)
        .set_max_expr_depths(DEPTH_MAX, DEPTH_MAX)
        .set_max_modules(0)
        .set_max_strings_interned(ELEMENTS_MAX)
        .set_module_resolver(DummyModuleResolver::new())
        .disable_symbol("eval")
        .on_print(|text| tracing::info!("security script: {}", shown(text)))
        .on_debug(|text, _, _| tracing::debug!("security script: {}", shown(text)));
    engine.register_fn("sleep", |_: i64| -> Result<(), Box<EvalAltResult>> { Err("a script cannot wait".into()) });
    engine.register_fn("sleep", |_: f64| -> Result<(), Box<EvalAltResult>> { Err("a script cannot wait".into()) });
    engine.register_fn("is_password", is_password);
    engine
}

/// Before a script runs: how many passwords it may check.
pub fn begin(checks: u32) {
    CHECKS_LEFT.set(checks);
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_MAX).collect::<String>().escape_debug().to_string()
}

/// Whether `password` is the one stored, plain or hashed as in a users file.
fn is_password(password: &str, stored: &str) -> Result<bool, Box<EvalAltResult>> {
    let Some(left) = CHECKS_LEFT.get().checked_sub(1) else {
        let message = format!("only authenticate may check passwords, and at most {CHECKS_MAX} at once");
        return Err(message.into());
    };
    CHECKS_LEFT.set(left);
    match StoredPassword::parse(stored).map_err(|error| error.to_string())? {
        Some(hashed) => Ok(hashed.verify(password.as_bytes())),
        None => Ok(!stored.is_empty() && Secret::new(stored).is(password.as_bytes())),
    }
}
